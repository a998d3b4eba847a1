package org.ringworld.model.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.ContiguousLayout;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.attention.StripedLayout;
import org.ringworld.model.attention.ZigzagLayout;
import org.ringworld.model.layers.Recompute;
import org.ringworld.runtime.BlockSizes;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.packing.Row;

/** Results do not depend on how a row is cut, and gradients are the derivatives of the loss. */
public class RingPropertyTest {
    public static LlamaConfig config(int heads, int kvHeads, int headDim, boolean tied) {
        return new LlamaConfig(
                37,
                24,
                40,
                2,
                heads,
                kvHeads,
                headDim,
                1e-5,
                1e4,
                new RopeScaling.None(),
                tied,
                4096,
                0);
    }

    private static LlamaConfig randomConfig(SplittableRandom random) {
        int kvHeads = random.nextInt(1, 4);
        int heads = kvHeads * random.nextInt(1, 4);
        return config(heads, kvHeads, 2 * random.nextInt(1, 10), random.nextBoolean());
    }

    private static RingResult run(
            LlamaConfig config,
            Row row,
            Layout layout,
            int size,
            DType dtype,
            Recompute recompute) {
        return RingResult.of(
                config, p -> p.initialize(11, 0.3), dtype, row, layout, size, 8, recompute);
    }

    private static RingResult run(
            LlamaConfig config, Row row, MicroBatch batch, DType dtype, Recompute recompute) {
        return RingResult.of(config, p -> p.initialize(11, 0.3), dtype, row, batch, recompute);
    }

    private static Layout layout(int i) {
        return List.of(new ZigzagLayout(), new StripedLayout(), new ContiguousLayout()).get(i % 3);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
    void resultsDoNotDependOnRingSizeLayoutOrRecomputation(int seed) {
        SplittableRandom random = new SplittableRandom(seed);
        LlamaConfig config = randomConfig(random);
        int seqLen = random.nextInt(1, 60);
        Row row = RandomRows.row(random, seqLen, config.vocabSize());
        RingResult alone = run(config, row, layout(0), 1, DType.F32, Recompute.NONE);
        for (int i = 0; i < 4; i++) {
            int size = random.nextInt(2, 9);
            Recompute recompute = i % 2 == 0 ? Recompute.ALL : Recompute.NONE;
            assertSame(row, run(config, row, layout(i), size, DType.F32, recompute), alone);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6})
    void resultsDoNotDependOnHowManyTokensEachRankHolds(int seed) {
        SplittableRandom random = new SplittableRandom(seed);
        LlamaConfig config = randomConfig(random);
        Row row = RandomRows.row(random, random.nextInt(1, 60), config.vocabSize());
        RingResult alone = run(config, row, layout(0), 1, DType.F32, Recompute.NONE);
        for (int i = 0; i < 4; i++) {
            int[] shares = random.ints(random.nextInt(2, 7), 0, 4).toArray();
            shares[random.nextInt(shares.length)] = 2;
            Recompute recompute = i % 2 == 0 ? Recompute.ALL : Recompute.NONE;
            MicroBatch batch = UnequalBlocks.cut(row, shares, random.nextBoolean(), 8);
            assertSame(row, run(config, row, batch, DType.F32, recompute), alone);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6})
    void resultsDoNotDependOnShares(int seed) {
        SplittableRandom random = new SplittableRandom(seed);
        LlamaConfig config = randomConfig(random);
        Row row = RandomRows.row(random, random.nextInt(1, 120), config.vocabSize());
        RingResult even = run(config, row, layout(seed), 2, DType.F32, Recompute.NONE);
        for (int i = 0; i < 6; i++) {
            double[] speeds = random.doubles(random.nextInt(2, 6), 0.1, 9).toArray();
            Recompute recompute = i % 2 == 0 ? Recompute.ALL : Recompute.NONE;
            RingShares shares = RingShares.bySpeed(speeds);
            MicroBatch batch = MicroBatch.of(List.of(row), layout(i), shares, 8, CausalMask.CAUSAL);
            assertSame(row, run(config, row, batch, DType.F32, recompute), even);
        }
    }

    /** With one layer a block's last token reads what a causal one does; the others read more. */
    @Test
    void aTokenSeesAllOfItsOwnBlock() {
        SplittableRandom random = new SplittableRandom(5);
        LlamaConfig config =
                new LlamaConfig(
                        37, 24, 40, 1, 4, 2, 6, 1e-5, 1e4, new RopeScaling.None(), false, 64, 0);
        CausalMask mask = new CausalMask(7);
        Row row = RandomRows.row(random, 59, config.vocabSize());
        float[][] causal = run(config, row, blocks(row, 1, CausalMask.CAUSAL)).logits();
        float[][] blocks = run(config, row, blocks(row, 1, mask)).logits();
        int more = 0;
        for (int i = 0; i < row.length(); i++) {
            double difference = RingResult.difference(blocks[i], causal[i]);
            if (seesMore(row, i, mask)) {
                assertThat(difference).as("token %d", i).isGreaterThan(1e-3);
                more++;
            } else if (row.segments()[i] >= 0) {
                assertThat(difference).as("token %d", i).isLessThan(1e-5);
            }
        }
        assertThat(more).isBetween(10, 55);
    }

    private static boolean seesMore(Row row, int token, CausalMask mask) {
        int position = row.positions()[token];
        int segment = row.segments()[token];
        return segment >= 0
                && IntStream.range(0, row.length())
                        .filter(i -> row.segments()[i] == segment)
                        .map(i -> row.positions()[i])
                        .anyMatch(p -> p > position && p <= mask.last(position));
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 5})
    void resultsOfBlockCausalAttentionDoNotDependOnTheRing(int size) {
        SplittableRandom random = new SplittableRandom(size);
        LlamaConfig config = randomConfig(random);
        Row row = RandomRows.row(random, 50, config.vocabSize());
        CausalMask mask = new CausalMask(size + 4);
        RingResult alone = run(config, row, blocks(row, 1, mask));
        assertSame(row, run(config, row, blocks(row, size, mask)), alone);
    }

    private static MicroBatch blocks(Row row, int size, CausalMask mask) {
        return MicroBatch.of(List.of(row), layout(size), RingShares.even(size), 8, mask);
    }

    private static RingResult run(LlamaConfig config, Row row, MicroBatch batch) {
        return run(config, row, batch, DType.F32, Recompute.NONE);
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "7, 100", "20, 37000", "1024, 1"})
    void resultsDoNotDependOnTheDevicesBlocks(int tokens, long logits) {
        SplittableRandom random = new SplittableRandom(17);
        LlamaConfig config = config(4, 2, 6, false);
        Row row = RandomRows.row(random, 59, config.vocabSize());
        MicroBatch batch =
                MicroBatch.of(
                        List.of(row), new ZigzagLayout(), RingShares.even(2), 8, CausalMask.CAUSAL);
        BlockSizes blocks = new BlockSizes(tokens, logits);
        for (Recompute recompute : Recompute.values()) {
            RingResult usual = run(config, row, batch, DType.F32, recompute);
            RingResult blocked =
                    RingResult.of(
                            () -> withBlocks(new CpuDevice(1), blocks),
                            config,
                            p -> p.initialize(11, 0.3),
                            DType.F32,
                            row,
                            batch,
                            recompute);
            assertSame(row, blocked, usual);
        }
    }

    private static Device withBlocks(Device device, BlockSizes blocks) {
        return (Device)
                Proxy.newProxyInstance(
                        Device.class.getClassLoader(),
                        new Class<?>[] {Device.class},
                        (_, method, arguments) ->
                                method.getName().equals("blocks")
                                        ? blocks
                                        : method.invoke(device, arguments));
    }

    private static void assertSame(Row row, RingResult ring, RingResult alone) {
        assertThat(ring.loss()).isCloseTo(alone.loss(), relative(1e-5));
        alone.gradients()
                .forEach(
                        (name, gradient) ->
                                assertThat(
                                                RingResult.difference(
                                                        ring.gradients().get(name), gradient))
                                        .as(name)
                                        .isLessThan(2e-5));
        for (int t = 0; t < row.length(); t++) {
            if (row.segments()[t] >= 0) {
                assertThat(RingResult.difference(ring.logits()[t], alone.logits()[t]))
                        .isLessThan(2e-5);
            }
        }
    }

    private static org.assertj.core.data.Percentage percent(double p) {
        return org.assertj.core.data.Percentage.withPercentage(p);
    }

    private static org.assertj.core.data.Percentage relative(double r) {
        return percent(100 * r);
    }

    @Test
    void packedDocumentsEqualTheSameDocumentsAlone() {
        SplittableRandom random = new SplittableRandom(5);
        LlamaConfig config = config(4, 2, 6, false);
        List<Row> documents = new ArrayList<>();
        for (int length : new int[] {9, 1, 16, 5}) {
            documents.add(plain(random, length, config.vocabSize()));
        }
        Row packed = pack(documents);
        RingResult together = run(config, packed, new ZigzagLayout(), 3, DType.F32, Recompute.ALL);
        int at = 0;
        for (Row document : documents) {
            RingResult alone =
                    run(config, document, new ZigzagLayout(), 1, DType.F32, Recompute.ALL);
            for (int i = 0; i < document.ids().length; i++) {
                assertThat(RingResult.difference(together.logits()[at++], alone.logits()[i]))
                        .isLessThan(1e-5);
            }
        }
    }

    static Row plain(SplittableRandom random, int length, int vocab) {
        int[] ids = random.ints(length, 0, vocab).toArray();
        int[] targets = random.ints(length, 0, vocab).toArray();
        float[] weights = new float[length];
        java.util.Arrays.fill(weights, 1);
        int[] positions = java.util.stream.IntStream.range(0, length).toArray();
        return new Row(ids, positions, new int[length], targets, weights);
    }

    private static Row pack(List<Row> documents) {
        int length = documents.stream().mapToInt(d -> d.ids().length).sum();
        Row row =
                new Row(
                        new int[length],
                        new int[length],
                        new int[length],
                        new int[length],
                        new float[length]);
        int at = 0;
        for (int d = 0; d < documents.size(); d++) {
            Row document = documents.get(d);
            for (int i = 0; i < document.ids().length; i++, at++) {
                row.ids()[at] = document.ids()[i];
                row.positions()[at] = i;
                row.segments()[at] = d;
                row.targets()[at] = document.targets()[i];
                row.weights()[at] = document.weights()[i];
            }
        }
        return row;
    }

    /** Directional derivatives: along random directions the loss changes as the gradient says. */
    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void gradientsAreTheDerivativesOfTheLoss(int size) {
        SplittableRandom random = new SplittableRandom(3);
        LlamaConfig config = config(4, 2, 6, true);
        Row row = RandomRows.row(random, 33, config.vocabSize());
        RingResult base = run(config, row, new ZigzagLayout(), size, DType.F32, Recompute.NONE);
        for (String name : base.gradients().keySet()) {
            float[] gradient = base.gradients().get(name);
            double norm = 0;
            for (float g : gradient) {
                norm += (double) g * g;
            }
            norm = Math.sqrt(norm);
            double step = 2e-3;
            double scale = step / norm;
            double up = lossAlong(config, row, size, name, gradient, scale);
            double down = lossAlong(config, row, size, name, gradient, -scale);
            assertThat((up - down) / (2 * step)).as(name).isCloseTo(norm, relative(0.02));
        }
    }

    private static double lossAlong(
            LlamaConfig config, Row row, int size, String name, float[] direction, double scale) {
        return RingResult.of(
                        config,
                        parameters -> {
                            parameters.initialize(11, 0.3);
                            TestWeights.addTo(parameters, name, direction, scale);
                        },
                        DType.F32,
                        row,
                        new ZigzagLayout(),
                        size,
                        8,
                        Recompute.NONE)
                .loss();
    }

    /** Others keep partial results in BF16, and their error grows with the ring. */
    @Test
    void bf16GradientErrorDoesNotGrowWithTheRing() {
        SplittableRandom random = new SplittableRandom(8);
        LlamaConfig config = config(4, 2, 8, false);
        Row row = plain(random, 128, config.vocabSize());
        RingResult exact = run(config, row, new ZigzagLayout(), 1, DType.F32, Recompute.NONE);
        double alone =
                error(run(config, row, new ZigzagLayout(), 1, DType.BF16, Recompute.NONE), exact);
        double eight =
                error(run(config, row, new ZigzagLayout(), 8, DType.BF16, Recompute.NONE), exact);
        assertThat(alone).isGreaterThan(1e-4).isLessThan(0.1);
        assertThat(eight / alone).isLessThanOrEqualTo(1.25);
        MicroBatch batch = UnequalBlocks.cut(row, new int[] {3, 0, 5, 1}, false, 8);
        double unequal = error(run(config, row, batch, DType.BF16, Recompute.NONE), exact);
        assertThat(unequal / alone).isLessThanOrEqualTo(1.25);
    }

    private static double error(RingResult result, RingResult exact) {
        double square = 0;
        double whole = 0;
        for (String name : exact.gradients().keySet()) {
            float[] a = result.gradients().get(name);
            float[] b = exact.gradients().get(name);
            for (int i = 0; i < b.length; i++) {
                square += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
                whole += (double) b[i] * b[i];
            }
        }
        return Math.sqrt(square / whole);
    }
}
