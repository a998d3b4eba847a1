package org.ringworld.model.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Offset.offset;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.ringworld.model.evaluation.AskedSuite.Answered;

class SuiteScoresTest {
    private static Answered answered(String task, int length, double score) {
        return new Answered(task, length, 0, length, List.of("x"), "y", score);
    }

    @Test
    void theEffectiveLengthIsTheGreatestWhoseMeanOfTasksIsEnough() {
        SuiteScores scores =
                new SuiteScores(
                        List.of("a", "b"),
                        List.of(4, 8, 16),
                        List.of(
                                answered("a", 4, 1),
                                answered("b", 4, 0.5),
                                answered("a", 8, 1),
                                answered("a", 8, 0.8),
                                answered("b", 8, 0.9),
                                answered("a", 16, 1),
                                answered("b", 16, 0)));
        assertThat(scores.score("a", 8)).isCloseTo(0.9, offset(1e-9));
        assertThat(scores.mean(8)).isCloseTo(0.9, offset(1e-9));
        assertThat(scores.effectiveLength(0.856)).hasValue(8);
        assertThat(scores.effectiveLength(0.5)).hasValue(16);
        assertThat(scores.effectiveLength(0.95)).isEmpty();
    }

    @Test
    void whatIsAnsweredAtOnceIsToldInOrder() throws Exception {
        AtomicInteger open = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        List<Integer> told = new ArrayList<>();
        InOrder.run(
                3,
                40,
                _ -> 5,
                i -> {
                    most.accumulateAndGet(open.incrementAndGet(), Math::max);
                    Thread.sleep(i % 3);
                    open.decrementAndGet();
                    return i;
                },
                told::add);
        assertThat(told).isEqualTo(IntStream.range(3, 40).boxed().toList());
        assertThat(most.get()).isBetween(2, 5);
    }

    @Test
    void aFaultEndsAllAndIsThatOfTheAnswer() {
        List<Integer> told = new ArrayList<>();
        assertThatThrownBy(
                        () ->
                                InOrder.run(
                                        0,
                                        9,
                                        _ -> 4,
                                        i -> {
                                            if (i == 2) {
                                                throw new IOException("no " + i);
                                            }
                                            if (i > 2) {
                                                Thread.sleep(60_000);
                                            }
                                            return i;
                                        },
                                        told::add))
                .isInstanceOf(IOException.class)
                .hasMessage("no 2");
        assertThat(told).containsExactly(0, 1);
    }
}
