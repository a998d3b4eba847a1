package org.ringworld.actors.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.rank.HeldWork;
import org.ringworld.model.training.rank.ModelSource;
import org.ringworld.model.training.rank.RandomSteps;
import org.ringworld.model.training.rank.RowResult;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;
import org.ringworld.runtime.cuda.TestCard;
import org.ringworld.tokenizer.packing.Row;

/** Rings with a card in them compute what rings of CPUs do. */
class CudaRingTest {
    private static final LlamaConfig MODEL =
            new LlamaConfig(
                    67, 64, 96, 2, 2, 1, 64, 1e-5, 1e4, new RopeScaling.None(), false, 1 << 20, 0);

    private List<DeviceSpec> card;

    @BeforeEach
    void card() {
        card = TestCard.orSkip();
    }

    /** c: a rank on the card, p: one on a processor. */
    private List<DeviceSpec> devices(String kinds) {
        List<DeviceSpec> devices = new ArrayList<>();
        for (char kind : kinds.toCharArray()) {
            devices.add(kind == 'c' ? card.getFirst() : new DeviceSpec.Cpu(1));
        }
        return devices;
    }

    @ParameterizedTest
    @CsvSource({
        "F32, c, 1e-5",
        "F32, cccc, 1e-5",
        "F32, cp, 1e-5",
        "F32, pcp, 1e-5",
        "BF16, ccc, 3e-2"
    })
    void aRowsLossLogitsAndGradientsAreThoseOfACpu(DType dtype, String kinds, double tolerance) {
        Row row = row(5, 61);
        RowResult expected = forward(DType.F32, devices("p"), row);
        RowResult actual = forward(dtype, devices(kinds), row);
        assertThat(actual.loss()).isCloseTo(expected.loss(), within(tolerance * 5));
        expected.gradients()
                .forEach(
                        (name, gradient) ->
                                assertClose(
                                        actual.gradients().get(name), gradient, tolerance, name));
        assertThat(actual.gradients()).hasSameSizeAs(expected.gradients());
    }

    private static RowResult forward(DType dtype, List<DeviceSpec> devices, Row row) {
        try (DeviceRing ring =
                new DeviceRing(work(dtype), Devices.open(devices), RandomSteps.LAYOUT)) {
            return ring.forward(row, true);
        }
    }

    @ParameterizedTest
    @CsvSource({"cc, 1, 1", "cp, 1, 1", "cp, 13, 3", "cp, 1, 15"})
    void stepsFollowThoseOfACpusRing(String kinds, int first, int second) {
        List<Report.Stepped> expected = train(devices("pp"), RingShares.even(2));
        RingShares shares = new RingShares(List.of(first, second));
        List<Report.Stepped> actual = train(devices(kinds), shares);
        for (int step = 0; step < expected.size(); step++) {
            assertThat(actual.get(step).outcome().lossSum() / 48)
                    .isCloseTo(expected.get(step).outcome().lossSum() / 48, within(1e-5));
        }
    }

    private static List<Report.Stepped> train(List<DeviceSpec> devices, RingShares shares) {
        List<Report.Stepped> steps = new ArrayList<>();
        try (DeviceRing ring =
                new DeviceRing(work(DType.F32), Devices.open(devices), RandomSteps.LAYOUT)) {
            for (int step = 0; step < 5; step++) {
                steps.add(ring.train(RandomSteps.rows(MODEL, 48, 48, step, shares)).getFirst());
            }
        }
        return steps;
    }

    private static HeldWork work(DType dtype) {
        ModelSource source = new ModelSource.Random(MODEL, 1, 0.1);
        return new HeldWork("ring", source, dtype, true, Recompute.Choice.AUTO);
    }

    private static Row row(long seed, int length) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] weights = new float[length];
        Arrays.fill(weights, 1);
        int[] segments = IntStream.range(0, length).map(i -> i < length / 3 ? 0 : 1).toArray();
        int[] positions =
                IntStream.range(0, length).map(i -> i < length / 3 ? i : i - length / 3).toArray();
        return new Row(
                random.ints(length, 0, MODEL.vocabSize()).toArray(),
                positions,
                segments,
                random.ints(length, 0, MODEL.vocabSize()).toArray(),
                weights);
    }

    private static void assertClose(
            float[] actual, float[] expected, double tolerance, String what) {
        double most = 0;
        double off = 0;
        for (int i = 0; i < expected.length; i++) {
            most = Math.max(most, Math.abs(expected[i]));
            off = Math.max(off, Math.abs(expected[i] - actual[i]));
        }
        assertThat(off).as(what).isLessThanOrEqualTo(tolerance * most);
    }
}
