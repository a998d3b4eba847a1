package org.ringworld.model.training.rank;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.withinPercentage;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.attention.RankBatch;
import org.ringworld.model.attention.RingPlan;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.model.ring.LocalRing;
import org.ringworld.model.ring.RingBrokenException;
import org.ringworld.model.training.AdamW;
import org.ringworld.model.training.LearningRate;
import org.ringworld.model.training.LocalRanks;
import org.ringworld.model.training.LossPart;
import org.ringworld.model.training.RandomRows;
import org.ringworld.model.training.RankPlan;
import org.ringworld.model.training.RingResult;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.TrainingStep;
import org.ringworld.model.training.UnequalBlocks;
import org.ringworld.model.training.coordination.FinishedSteps;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.packing.Row;

class RankModelTest {
    private static final LlamaConfig TINY =
            new LlamaConfig(
                    16, 8, 16, 1, 2, 2, 4, 1e-5, 1e4, new RopeScaling.None(), false, 256, 0);

    private static final AdamW OPTIMIZER =
            new AdamW(
                    new LearningRate(1e-2, LearningRate.Schedule.CONSTANT, 0, 0, 0),
                    0.9,
                    0.98,
                    1e-8,
                    0,
                    1);

    /** What a ring makes of a row: of it as it is, then after a step of training on it. */
    private record Made(RowResult before, TrainingStep.Outcome step, RowResult after) {}

    private static final List<LossPart.Targets> ONE = List.of(new LossPart.Targets(1, 0));

    /** On a ring whose ranks hold such shares of the row. */
    private static Made made(Row row, int... shares) {
        MicroBatch batch = UnequalBlocks.cut(row, shares, false, 8);
        RingPlan.Traffic traffic = batch.plan().traffic();
        double weight = batch.targetWeight();
        StepPlan step =
                new StepPlan(
                        1, 0, 1e4, weight, 0.5f, ONE, 0, 0, row.length(), traffic, OPTIMIZER, 1e-2);
        ModelSource source = new ModelSource.Random(TINY, 1, 0.3);
        List<List<Object>> ranks =
                LocalRanks.run(
                        shares.length,
                        (ring, device) -> {
                            RankBatch own = batch.ofRank(ring.rank());
                            try (RankModel model = new RankModel(device, source, DType.F32, true)) {
                                Report.Forwarded before = model.forward(own, true, ring);
                                RankPlan plan = new RankPlan(step, List.of(own));
                                TrainingStep.Outcome out =
                                        model.train(plan, ring, Recompute.Choice.AUTO);
                                return List.of(before, out, model.forward(own, false, ring));
                            }
                        });
        return new Made(
                result(row, batch, ranks, 0),
                (TrainingStep.Outcome) ranks.getFirst().get(1),
                result(row, batch, ranks, 2));
    }

    private static RowResult result(
            Row row, MicroBatch batch, List<List<Object>> ranks, int index) {
        return RowResult.of(
                row,
                batch,
                ranks.stream().map(made -> (Report.Forwarded) made.get(index)).toList());
    }

    @ParameterizedTest
    @ValueSource(strings = {"1 1", "0 1", "5 3 0", "0 0 2 1"})
    void ranksMayHoldDifferentNumbersOfTokensAndNone(String list) {
        int[] shares = Arrays.stream(list.split(" ")).mapToInt(Integer::parseInt).toArray();
        Row row = RandomRows.row(new SplittableRandom(3), 57, TINY.vocabSize());
        Made alone = made(row, 1);
        Made ring = made(row, shares);
        assertThat(ring.step.lossSum()).isCloseTo(alone.step.lossSum(), withinPercentage(1e-3));
        assertThat(ring.step.hits()).isEqualTo(alone.step.hits());
        assertThat(ring.step.gradNorm()).isCloseTo(alone.step.gradNorm(), withinPercentage(1e-3));
        assertClose(ring.before, alone.before);
        assertClose(ring.after, alone.after);
    }

    private static void assertClose(RowResult ring, RowResult alone) {
        assertThat(ring.loss()).isCloseTo(alone.loss(), withinPercentage(1e-3));
        float[] logits = ring.logits().get(Modality.TEXT);
        float[] right = alone.logits().get(Modality.TEXT);
        assertThat(RingResult.difference(logits, right)).isLessThan(2e-5);
        alone.gradients()
                .forEach(
                        (name, gradient) ->
                                assertThat(
                                                RingResult.difference(
                                                        ring.gradients().get(name), gradient))
                                        .as(name)
                                        .isLessThan(2e-5));
    }

    @Test
    void firstMomentsOfTwoBytesSaveTwoBytesAParameter() throws Exception {
        ModelSource source = new ModelSource.Random(TINY, 1, 0.02);
        try (Device device = new CpuDevice(1);
                RankModel exact = new RankModel(device, source, DType.BF16, DType.F32, true);
                RankModel rounding = new RankModel(device, source, DType.BF16, DType.BF16, true)) {
            long saved = exact.memory().optimizer() - rounding.memory().optimizer();
            assertThat(saved).isEqualTo(2 * exact.trained().masters().size());
            assertThat(rounding.trained().bytes())
                    .isEqualTo(WholeParameters.bytes(TINY, DType.BF16, DType.BF16));
            assertThat(exact.trained().bytes())
                    .isEqualTo(WholeParameters.bytes(TINY, DType.BF16, DType.F32));
        }
    }

    /** The giver dies before it has sent anything. */
    private static long heldAfterAGiverDied(long step) throws Exception {
        try (Device device = new CpuDevice(1);
                RankModel model =
                        new RankModel(
                                device, new ModelSource.Random(TINY, 1, 0.02), DType.F32, true)) {
            FinishedSteps finished = new FinishedSteps();
            finished.begin(model.startStep());
            Order.Synchronize order = new Order.Synchronize(1, 0, step, List.of());
            LocalRing ring = new LocalRing(2);
            Thread dies = Thread.startVirtualThread(() -> ring.breakUp("rank 0 died"));
            assertThatThrownBy(() -> model.synchronize(finished, ring.member(1), order))
                    .isInstanceOf(RingBrokenException.class);
            dies.join();
            return finished.step();
        }
    }

    @Test
    void whoHoldsAStepKeepsItWhenItsGiverDies() throws Exception {
        assertThat(heldAfterAGiverDied(0)).isZero(); // a new model has finished step 0
    }

    @Test
    void whoIsBehindHoldsNothingWholeWhenItsGiverDies() throws Exception {
        assertThat(heldAfterAGiverDied(1)).isEqualTo(FinishedSteps.NOTHING);
    }
}
