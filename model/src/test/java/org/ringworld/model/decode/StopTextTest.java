package org.ringworld.model.decode;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StopTextTest {
    @ParameterizedTest
    @CsvSource(
            ignoreLeadingAndTrailingWhitespace = false,
            value = {
                "one two STOP three,STOP,one two ,true",
                "one two STO,STOP,one two STO,false",
                "SSTOP,STOP,S,true",
                "aabaac,aac,aab,true",
                "STOP,STOP,,true",
                "ab|cd,cd;b|,a,true",
                "plain,x,plain,false",
            })
    void endsBeforeAStopTextHoweverItArrives(String text, String stops, String kept, boolean ends) {
        for (int size = 1; size <= text.length(); size++) {
            StringBuilder out = new StringBuilder();
            StopText stop = new StopText(List.of(stops.split(";")), out::append);
            boolean ended = false;
            for (int at = 0; at < text.length() && !ended; at += size) {
                ended = stop.add(text.substring(at, Math.min(text.length(), at + size)));
            }
            stop.finish();
            assertThat(ended).isEqualTo(ends);
            assertThat(out.toString())
                    .isEqualTo(stop.toString())
                    .isEqualTo(kept == null ? "" : kept);
        }
    }

    @Test
    void whatCannotBecomeAStopTextIsPassedOnAtOnce() {
        StringBuilder out = new StringBuilder();
        StopText stop = new StopText(List.of("STOP"), out::append);
        stop.add("one ST");
        assertThat(out.toString()).isEqualTo("one ");
        stop.add("ill");
        assertThat(out.toString()).isEqualTo("one STill");
    }
}
