package org.ringworld.model.training.job;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TrainingCardTest {
    private static final Job JOB =
            JobReader.read(
                    JobFile.resolve(
                            ConfigFactory.parseString(
                                    """
                                    output = out
                                    ring.size = 1
                                    device.threads = 1
                                    stages = [{ task = copy, seqLen = 32, steps = 6, tokensPerStep = 64 },
                                              { task = needles, seqLen = 256, steps = 4, ropeTheta = 1e6 }]
                                    """),
                            List.of()),
                    1);

    private static String card(int stage, List<Probe.Result> scores) {
        return TrainingCard.of(JOB, stage, JOB.model(), scores).markdown();
    }

    /** A longer length that is right by chance does not count where a shorter one is not. */
    @ParameterizedTest
    @CsvSource({
        "1000 500 900, 'Effective length: 64 of'",
        "850 850 840, 'Effective length: 128 of'",
        "849 1000 1000, 'Effective length: none'"
    })
    void theEffectiveLengthHoldsForAllShorterOnes(String right, String sentence) {
        List<Probe.Result> scores = new ArrayList<>();
        int seqLen = 64;
        for (String one : right.split(" ")) {
            Probe.Kind kind = new Probe.Needles(1);
            scores.add(new Probe.Result(kind, seqLen, Double.NaN, 1000, Integer.parseInt(one), 1));
            seqLen *= 2;
        }
        assertThat(card(1, scores)).contains(sentence, "--lengths 64,128,256");
    }

    @Test
    void aStagesCardTellsOfItAndOfThoseBefore() {
        assertThat(card(0, List.of()))
                .contains("| 0 | copy | 32 | 10,000 | 6 | 384 |", "ringworld eval MODEL")
                .doesNotContain("| 1 |", "Effective");
        assertThat(card(1, List.of())).contains("| 0 | copy | 32 |", "| 256 | 1,000,000 | 4 |");
    }

    @Test
    void textsAreToldInBitsAndHaveNoEffectiveLength() {
        Probe.Result bits =
                new Probe.Result(
                        new Probe.Documents("held out"), 64, Double.NaN, 9, 0, Math.log(4));
        assertThat(card(1, List.of(bits)))
                .contains("| held out | 64 | 9 | 2.000 bits a token |", "eval MODEL --text TEXTS")
                .doesNotContain("Effective");
    }
}
