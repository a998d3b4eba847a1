package org.ringworld.tokenizer.suites;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ScoresTest {
    /** As SQuAD's own evaluate-v2.0.py says. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "Denver Broncos | the Denver Broncos! | 1 | 1",
                "Denver Broncos | Denver | 0 | 0.666666666667",
                "Denver Broncos | Carolina Panthers | 0 | 0",
                "a b b c | b b b x | 0 | 0.571428571429",
                "Denver-Broncos | denverbroncos | 1 | 1",
                "the | '' | 1 | 1",
                "Denver | '' | 0 | 0"
            })
    void exactMatchAndF1AreSquads(String answer, String written, double exact, double f1) {
        assertThat(Scores.exactMatch(List.of("another one", answer), written)).isEqualTo(exact);
        assertThat(Scores.f1(List.of("another one", answer), written)).isCloseTo(f1, offset(1e-9));
    }

    @ParameterizedTest
    @CsvSource({"It is RED and blue,0.5,1", "nothing,0,0", "red green,1,1"})
    void rulerCountsAnswersInTheText(String written, double all, double any) {
        Question question = Question.of("?", "", List.of("Red", "green"));
        assertThat(Scores.containsAll(question, written)).isEqualTo(all);
        assertThat(Scores.containsAny(question, written)).isEqualTo(any);
    }
}
