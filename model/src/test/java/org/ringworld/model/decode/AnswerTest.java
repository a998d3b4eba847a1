package org.ringworld.model.decode;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class AnswerTest {
    private final AtomicInteger closed = new AtomicInteger();

    @Test
    void anAnswerThatIsStoppedEndsAfterWhatWasWritten() throws InterruptedException {
        Ask ask = new Ask(new int[] {1}, 9, Sampler.GREEDY, Set.of());
        Answer answer = new Answer(ask, closed::incrementAndGet);
        Made.Token token = new Made.Token(1, 0, 7, -0.5, List.of(), false);
        answer.token(token);
        answer.stop();
        answer.token(new Made.Token(1, 1, 8, -0.5, List.of(), false));
        assertThat(answer.next()).isEqualTo(token);
        assertThat(answer.next()).isNull();
        assertThat(answer.next()).isNull();
        answer.close();
        assertThat(closed).hasValue(1);
    }

    @Test
    void itIsToldHowManyTokensHaveTheirScores() {
        Ask ask = new Ask(new int[] {1, 2, 3, 4}, 0, Sampler.GREEDY, Set.of(), 0, 1);
        Answer answer = new Answer(ask, closed::incrementAndGet);
        answer.scored(
                new Made.Scores(
                        1,
                        2,
                        new float[] {-3, -4},
                        new boolean[] {true, false},
                        new int[] {5, 6, 7, 8},
                        new float[] {-3, -5, -1, -2}));
        assertThat(answer.likeliest(3))
                .containsExactly(new Made.Alternative(7, -1), new Made.Alternative(8, -2));
        assertThat(answer.scored()).isEqualTo(2);
        assertThat(answer.scores()).containsExactly(Float.NaN, Float.NaN, -3, -4);
        assertThat(answer.hits()).containsExactly(false, false, true, false);
    }
}
