package org.ringworld.model.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.training.LearningRate.Schedule;
import org.ringworld.runtime.DType;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowStream;

class ScheduleTest {
    /** Values of a reported run: warm-up over 10, cosine from 3e-4 to 3e-5 at 50. */
    @ParameterizedTest
    @CsvSource({
        "0,0",
        "1,3e-5",
        "5,1.5e-4",
        "9,2.7e-4",
        "10,3e-4",
        "20,2.604594154601839e-4",
        "29,1.7559197792325906e-4",
        "30,1.65e-4",
        "40,6.954058453981609e-5",
        "49,3.0416159946027727e-5",
        "50,3e-5",
        "60,3e-5"
    })
    void cosineFollowsTheReportedSchedule(long update, double rate) {
        LearningRate cosine = new LearningRate(3e-4, Schedule.COSINE, 10, 0, 0.1);
        assertThat(cosine.at(update, 50)).isCloseTo(rate, within(1e-15));
    }

    @Test
    void constantFallsLinearlyAtTheEnd() {
        LearningRate constant = new LearningRate(1, Schedule.CONSTANT, 10, 0.2, 0.05);
        assertThat(constant.at(5, 100)).isEqualTo(0.5);
        assertThat(constant.at(10, 100)).isEqualTo(1);
        assertThat(constant.at(80, 100)).isEqualTo(1);
        assertThat(constant.at(90, 100)).isCloseTo(0.525, within(1e-12));
        assertThat(constant.at(100, 100)).isCloseTo(0.05, within(1e-12));
    }

    private static Stage stage(int seqLen, long steps, List<Stage.Mix> mix) {
        LearningRate rate = new LearningRate(1e-3, Schedule.CONSTANT, 0, 0, 0);
        AdamW optimizer = new AdamW(rate, 0.9, 0.98, 1e-8, 0, 1);
        return new Stage("s", Stage.Task.COPY, seqLen, mix, 1e4, steps, 2048, 1, optimizer);
    }

    @Test
    void mixedLengthsReachTheirShareEvenly() {
        Stage stage = stage(2048, 100, List.of(new Stage.Mix(512, 0.25), new Stage.Mix(256, 0.1)));
        int half = 0;
        int quarter = 0;
        for (int step = 0; step < 100; step++) {
            half += stage.seqLenOf(step) == 512 ? 1 : 0;
            quarter += stage.seqLenOf(step) == 256 ? 1 : 0;
            assertThat(stage.rowsOf(step) * stage.seqLenOf(step)).isEqualTo(2048);
        }
        assertThat(half).isEqualTo(25);
        assertThat(quarter).isBetween(9, 11);
    }

    @Test
    void lengthsOfTheSameShareDoNotMeet() {
        List<Stage.Mix> mix =
                List.of(
                        new Stage.Mix(512, 0.2),
                        new Stage.Mix(256, 0.2),
                        new Stage.Mix(128, 0.2),
                        new Stage.Mix(64, 0.2));
        Stage stage = stage(2048, 1000, mix);
        int[] counts = new int[2049];
        for (int step = 0; step < 1000; step++) {
            counts[stage.seqLenOf(step)]++;
            for (Stage.Mix each : mix) {
                assertThat(counts[each.seqLen()]).isBetween(step / 5 - 2, step / 5 + 2);
            }
        }
    }

    @Test
    void everyStepHasOnePlaceInTheCurriculum() {
        Curriculum curriculum =
                new Curriculum(List.of(stage(64, 3, List.of()), stage(128, 2, List.of())));
        assertThat(curriculum.place(1)).isEqualTo(new Curriculum.Place(0, 0));
        assertThat(curriculum.place(3)).isEqualTo(new Curriculum.Place(0, 2));
        assertThat(curriculum.place(4)).isEqualTo(new Curriculum.Place(1, 0));
        assertThat(curriculum.steps()).isEqualTo(5);
        assertThatThrownBy(() -> curriculum.place(6)).hasMessageContaining("after the last");
    }

    /** On its next rows, and from the beginning of its learning rate. */
    @Test
    void aStageIsDoneAgainBetweenItsEndAndTheNext() {
        Stage first = stage(64, 3, List.of());
        Curriculum once = new Curriculum(List.of(first, stage(128, 2, List.of())));
        Curriculum again = once.again(0);
        assertThat(again.place(6)).isEqualTo(new Curriculum.Place(0, 5));
        assertThat(again.place(7)).isEqualTo(new Curriculum.Place(1, 0));
        assertThat(again.lastStep(0)).isEqualTo(2 * once.lastStep(0));
        assertThat(again.tokens(8) - once.tokens(5)).isEqualTo(once.tokens(3));
        List<Long> asked = new ArrayList<>();
        List<Double> rates = new ArrayList<>();
        for (long step = 1; step <= 6; step++) {
            RowStream stream =
                    (at, seqLen, count) -> {
                        asked.add(at);
                        int[] ids = new int[seqLen];
                        Row row = new Row(ids, ids, ids, ids, new float[seqLen]);
                        return Collections.nCopies(count, row);
                    };
            rates.add(
                    StepRows.of(
                                    step,
                                    0,
                                    first,
                                    again.place(step).stepInStage(),
                                    stream,
                                    Layout.of("zigzag"),
                                    RingShares.even(1),
                                    CausalMask.CAUSAL)
                            .step()
                            .learningRate());
        }
        assertThat(asked).containsExactly(0L, 1L, 2L, 3L, 4L, 5L);
        assertThat(rates.subList(3, 6)).isEqualTo(rates.subList(0, 3));
    }

    @Test
    void stagesShareTheMemoryOfTheirMoments() {
        Stage exact = stage(64, 3, List.of());
        AdamW o = exact.optimizer();
        AdamW rounding =
                new AdamW(
                        o.learningRate(),
                        o.beta1(),
                        o.beta2(),
                        o.eps(),
                        o.weightDecay(),
                        o.clipNorm(),
                        o.decayNorms(),
                        DType.BF16,
                        o.train());
        Stage other = new Stage("s", Stage.Task.COPY, 64, List.of(), 1e4, 3, 2048, 1, rounding);
        assertThat(new Curriculum(List.of(other)).firstMoment()).isEqualTo(DType.BF16);
        assertThatThrownBy(() -> new Curriculum(List.of(exact, other)))
                .hasMessageContaining("optimizer.firstMoment");
    }

    @Test
    void anEmptyStageIsRefused() {
        assertThatThrownBy(() -> stage(0, 1, List.of())).hasMessageContaining("seqLen = 0");
        assertThatThrownBy(() -> stage(8, 1, List.of(new Stage.Mix(4, 1))))
                .hasMessageContaining("mix");
    }

    @Test
    void aRateMayBeginAboveZeroAndEndBeforeItsStage() {
        LearningRate rate = new LearningRate(1, Schedule.COSINE, 10, 0, 0.1, 0.5, 40);
        assertThat(rate.at(0, 1000)).isEqualTo(0.5);
        assertThat(rate.at(5, 1000)).isEqualTo(0.75);
        assertThat(rate.at(10, 1000)).isEqualTo(1);
        assertThat(rate.at(25, 1000)).isCloseTo(0.55, within(1e-12));
        assertThat(rate.at(40, 1000)).isCloseTo(0.1, within(1e-12));
        assertThat(rate.at(999, 1000)).isCloseTo(0.1, within(1e-12));
    }

    @Test
    void whatIsNotNamedStaysAsItIs() {
        LearningRate rate = new LearningRate(1e-2, Schedule.CONSTANT, 0, 0, 0);
        AdamW optimizer =
                new AdamW(
                        rate,
                        0.9,
                        0.98,
                        1e-8,
                        0.1,
                        1,
                        true,
                        DType.F32,
                        List.of("*.q_proj.weight", "model.norm.*"));
        assertThat(optimizer.trains("model.layers.3.self_attn.q_proj.weight")).isTrue();
        assertThat(optimizer.trains("model.norm.weight")).isTrue();
        assertThat(optimizer.trains("model.layers.3.self_attn.qXproj.weight")).isFalse();
        assertThat(optimizer.trains("lm_head.weight")).isFalse();
    }
}
