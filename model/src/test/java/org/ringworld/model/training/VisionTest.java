package org.ringworld.model.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.model.attention.ContiguousLayout;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.attention.StripedLayout;
import org.ringworld.model.attention.ZigzagLayout;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.layers.Transformer;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.LocalRing;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.packing.Row;

/** Vision codes have an embedding and a head of their own and share everything between. */
class VisionTest {
    private static final List<String> VISION =
            List.of(LlamaTensors.VISION_EMBED_TOKENS, LlamaTensors.VISION_HEAD);

    /** In both vocabularies. */
    private static final int IDS = 23;

    private static LlamaConfig config(boolean tied) {
        return RingPropertyTest.config(4, 2, 6, tied).withVisionVocabSize(IDS);
    }

    /** One document of both modalities. */
    private static Row row(int seed, int length) {
        SplittableRandom random = new SplittableRandom(seed);
        return RandomRows.withVision(random, RingPropertyTest.plain(random, length, IDS));
    }

    /** Weights by name, so that models that share a name share the weight. */
    private static Map<String, float[]> weights(LlamaConfig config) {
        Map<String, float[]> weights = new HashMap<>();
        for (TensorSpec spec : LlamaTensors.of(config)) {
            SplittableRandom random = new SplittableRandom(spec.name().hashCode());
            float[] values = new float[Math.toIntExact(Tensor.count(spec.shape()))];
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) (0.3 * random.nextGaussian());
            }
            weights.put(spec.name(), values);
        }
        return weights;
    }

    private static void set(WholeParameters parameters, Map<String, float[]> weights) {
        for (int i = 0; i < parameters.specs().size(); i++) {
            try (Arena arena = Arena.ofConfined()) {
                float[] values = weights.get(parameters.specs().get(i).name());
                parameters.set(i, arena.allocateFrom(ValueLayout.JAVA_FLOAT, values));
            }
        }
    }

    private static RingResult run(LlamaConfig config, Row row, Layout layout, int size, DType dtype)
            throws Exception {
        Map<String, float[]> weights = weights(config);
        Recompute recompute = size % 2 == 0 ? Recompute.ALL : Recompute.NONE;
        return RingResult.of(config, p -> set(p, weights), dtype, row, layout, size, 8, recompute);
    }

    private static RingResult alone(LlamaConfig config, Row row) throws Exception {
        return run(config, row, new ContiguousLayout(), 1, DType.F32);
    }

    /** The oracle: a text model whose table and head are both tables and both heads. */
    @Test
    void logitsAreThoseOfOneJointVocabulary() throws Exception {
        LlamaConfig config = config(false);
        Row row = row(1, 41);
        LlamaConfig joint =
                config.withVisionVocabSize(0)
                        .withVocabSize(config.vocabSize() + config.visionVocabSize());
        int[] ids = row.ids().clone();
        for (int i = 0; i < ids.length; i++) {
            ids[i] += row.visionIds()[i] ? config.vocabSize() : 0;
        }
        Row together = new Row(ids, row.positions(), row.segments(), row.targets(), row.weights());
        Map<String, float[]> weights = weights(config);
        weights.merge(LlamaTensors.EMBED_TOKENS, weights.get(VISION.get(0)), VisionTest::concat);
        weights.merge(LlamaTensors.LM_HEAD, weights.get(VISION.get(1)), VisionTest::concat);
        RingResult expected =
                RingResult.of(
                        joint,
                        p -> set(p, weights),
                        DType.F32,
                        together,
                        new ContiguousLayout(),
                        1,
                        8,
                        Recompute.NONE);
        RingResult result = alone(config, row);
        for (int i = 0; i < row.length(); i++) {
            float[] both = concat(result.logits()[i], result.heads().get(Modality.VISION)[i]);
            assertThat(RingResult.difference(both, expected.logits()[i])).isLessThan(1e-6);
        }
    }

    private static float[] concat(float[] a, float[] b) {
        float[] all = java.util.Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6})
    void eachTargetIsScoredByItsOwnHead(int seed) throws Exception {
        LlamaConfig config = config(seed % 2 == 0);
        Row row = row(seed, 47);
        RingResult result = alone(config, row);
        double sum = 0;
        double weight = 0;
        for (int i = 0; i < row.length(); i++) {
            if (row.weights()[i] > 0) {
                Modality head = row.visionTargets()[i] ? Modality.VISION : Modality.TEXT;
                float[] logits = result.heads().get(head)[i];
                sum += row.weights()[i] * crossEntropy(logits, row.targets()[i]);
                weight += row.weights()[i];
            }
        }
        assertThat(weight).isPositive();
        assertThat(result.loss()).isCloseTo(sum / weight, relative(1e-5));
    }

    private static double crossEntropy(float[] logits, int target) {
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit);
        }
        return Math.log(sum) - logits[target];
    }

    private static Percentage relative(double r) {
        return Percentage.withPercentage(100 * r);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
    void resultsDoNotDependOnRingSizeOrLayout(int seed) throws Exception {
        SplittableRandom random = new SplittableRandom(seed);
        LlamaConfig config = config(seed % 2 == 0);
        Row text = RandomRows.row(random, random.nextInt(1, 60), IDS);
        Row row = RandomRows.withVision(random, text);
        RingResult alone = alone(config, row);
        for (Layout layout :
                List.of(new ZigzagLayout(), new StripedLayout(), new ContiguousLayout())) {
            int size = random.nextInt(2, 9);
            RingResult ring = run(config, row, layout, size, DType.F32);
            assertThat(ring.loss()).isCloseTo(alone.loss(), relative(1e-5));
            assertSameGradients(ring, alone, 2e-5);
            for (Modality head : Modality.values()) {
                for (int t = 0; t < row.length(); t++) {
                    if (row.segments()[t] >= 0) {
                        float[] logits = ring.heads().get(head)[t];
                        float[] right = alone.heads().get(head)[t];
                        assertThat(RingResult.difference(logits, right)).isLessThan(2e-5);
                    }
                }
            }
        }
    }

    private static void assertSameGradients(RingResult a, RingResult b, double tolerance) {
        b.gradients()
                .forEach(
                        (name, gradient) ->
                                assertThat(RingResult.difference(a.gradients().get(name), gradient))
                                        .as(name)
                                        .isLessThan(tolerance));
    }

    /** Along a gradient the loss changes as its norm says. */
    @ParameterizedTest
    @CsvSource({"1,false", "1,true", "3,false"})
    void gradientsAreTheDerivativesOfTheLoss(int size, boolean tied) throws Exception {
        LlamaConfig config = config(tied);
        Row row = row(3, 33);
        RingResult base = run(config, row, new ZigzagLayout(), size, DType.F32);
        assertThat(base.gradients()).containsKeys(VISION.toArray(String[]::new));
        for (String name : base.gradients().keySet()) {
            float[] gradient = base.gradients().get(name);
            double norm = 0;
            for (float g : gradient) {
                norm += (double) g * g;
            }
            norm = Math.sqrt(norm);
            assertThat(norm).as(name).isPositive();
            double step = 2e-3;
            double up = lossAlong(config, row, size, name, gradient, step / norm);
            double down = lossAlong(config, row, size, name, gradient, -step / norm);
            assertThat((up - down) / (2 * step)).as(name).isCloseTo(norm, relative(0.02));
        }
    }

    private static double lossAlong(
            LlamaConfig config, Row row, int size, String name, float[] direction, double scale) {
        Map<String, float[]> weights = weights(config);
        return RingResult.of(
                        config,
                        parameters -> {
                            set(parameters, weights);
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

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void bf16GradientsAreNearThoseOfF32(int size) throws Exception {
        LlamaConfig config = config(false);
        Row row = row(8, 64);
        RingResult exact = alone(config, row);
        RingResult rounded = run(config, row, new ZigzagLayout(), size, DType.BF16);
        assertThat(rounded.loss()).isCloseTo(exact.loss(), relative(0.02));
        for (String name : exact.gradients().keySet()) {
            double difference =
                    RingResult.difference(
                            rounded.gradients().get(name), exact.gradients().get(name));
            assertThat(difference).as(name).isGreaterThan(1e-5).isLessThan(0.15);
        }
    }

    @Test
    void withoutVisionCodesAVisionModelIsATextModel() throws Exception {
        LlamaConfig config = config(false);
        Row row = RandomRows.row(new SplittableRandom(4), 40, config.vocabSize());
        RingResult text = alone(config.withVisionVocabSize(0), row);
        RingResult vision = alone(config, row);
        assertThat(vision.heads()).containsOnlyKeys(Modality.TEXT);
        assertThat(vision.logits()).isDeepEqualTo(text.logits());
        assertThat(vision.loss()).isEqualTo(text.loss());
        assertThat(text.gradients()).isNotEmpty();
        text.gradients()
                .forEach((name, g) -> assertThat(vision.gradients().get(name)).isEqualTo(g));
        VISION.forEach(name -> assertThat(vision.gradients().get(name)).containsOnly(0));
    }

    @Test
    void aModelWithoutVisionTablesRefusesVisionCodes() {
        LlamaConfig config = config(false);
        Row row = row(1, 41);
        assertThatThrownBy(() -> alone(config.withVisionVocabSize(0), row))
                .rootCause()
                .hasMessageContaining("the model has no vision tables");
    }

    private static Row only(boolean vision, Row row) {
        boolean[] all = new boolean[row.length()];
        java.util.Arrays.fill(all, vision);
        return new Row(
                row.ids(), row.positions(), row.segments(), row.targets(), row.weights(), all, all);
    }

    private static List<Row> oneOfEach(LlamaConfig config) {
        SplittableRandom random = new SplittableRandom(6);
        Row vision = only(true, RingPropertyTest.plain(random, 32, IDS));
        Row text = RingPropertyTest.plain(random, 32, config.vocabSize());
        return List.of(vision, text, only(false, text), vision);
    }

    /** Each micro-batch has one modality, and a store's old gradients must not stay. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void microBatchesOfOneModalityAddUp(boolean tied) {
        LlamaConfig config = config(tied);
        List<Row> rows = oneOfEach(config);
        double weight = MicroBatch.of(rows, new ZigzagLayout(), 1).targetWeight();
        try (Device device = new CpuDevice(1)) {
            WholeParameters parameters = new WholeParameters(device, config, DType.F32);
            set(parameters, weights(config));
            device.kernels().fill(parameters.gradients().all(), 7);
            List<float[]> together = gradients(device, parameters, List.of(rows), weight);
            List<List<Row>> apart = new ArrayList<>();
            rows.forEach(row -> apart.add(List.of(row)));
            List<float[]> one = gradients(device, parameters, apart, weight);
            for (int i = 0; i < one.size(); i++) {
                assertThat(RingResult.difference(one.get(i), together.get(i)))
                        .as(parameters.specs().get(i).name())
                        .isLessThan(2e-5);
            }
        }
    }

    private static List<float[]> gradients(
            Device device, WholeParameters parameters, List<List<Row>> parts, double weight) {
        try (Transformer transformer = new Transformer(device, parameters)) {
            for (int part = 0; part < parts.size(); part++) {
                transformer.forwardBackward(
                        parameters.config(),
                        MicroBatch.of(parts.get(part), new ZigzagLayout(), 1).ofRank(0),
                        new LocalRing(1).member(0),
                        Frame.of(1, part),
                        (float) (1 / weight),
                        Recompute.NONE,
                        parameters.gradients(),
                        part > 0,
                        part + 1 == parts.size(),
                        null);
            }
            List<float[]> gradients = new ArrayList<>();
            for (int i = 0; i < parameters.specs().size(); i++) {
                gradients.add(RingResult.floats(device, parameters.gradient(i)));
            }
            return gradients;
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void aModelLearnsBothModalities(DType dtype) {
        LlamaConfig config = config(false);
        LearningRate rate = new LearningRate(1e-2, LearningRate.Schedule.CONSTANT, 0, 0, 0);
        AdamW optimizer = new AdamW(rate, 0.9, 0.98, 1e-8, 0, 1);
        MicroBatch batch = MicroBatch.of(oneOfEach(config), new ZigzagLayout(), 1);
        try (Device device = new CpuDevice(1)) {
            WholeParameters parameters = new WholeParameters(device, config, dtype);
            set(parameters, weights(config));
            List<List<LossPart.Sums>> losses = new ArrayList<>();
            List<LossPart.Targets> targets = LossPart.targets(oneOfEach(config), 1);
            assertThat(targets).hasSize(2).allMatch(part -> part.answers() > 0);
            try (Transformer transformer = new Transformer(device, parameters)) {
                TrainingStep training = new TrainingStep(device, parameters, transformer);
                for (int step = 1; step <= 30; step++) {
                    StepPlan plan = plan(step, batch, targets, optimizer);
                    TrainingStep.Outcome outcome =
                            training.run(
                                    config,
                                    List.of(batch.ofRank(0)),
                                    plan,
                                    new LocalRing(1).member(0),
                                    Recompute.NONE);
                    assertThat(outcome.paramNorm()).isPositive();
                    losses.add(outcome.parts());
                }
            }
            for (int part = 0; part < 2; part++) {
                assertThat(losses.getLast().get(part).loss())
                        .isLessThan(losses.getFirst().get(part).loss() / 2);
            }
            for (int i = 0; i < parameters.specs().size(); i++) {
                float[] moments = RingResult.floats(device, parameters.secondMoment(i));
                double sum = 0;
                for (float m : moments) {
                    sum += m;
                }
                assertThat(sum).as(parameters.specs().get(i).name()).isPositive();
            }
        }
    }

    @Test
    void whatIsNotTrainedStaysAsItIs() {
        LlamaConfig config = config(false);
        LearningRate rate = new LearningRate(1e-2, LearningRate.Schedule.CONSTANT, 0, 0, 0);
        AdamW optimizer =
                new AdamW(rate, 0.9, 0.98, 1e-8, 0.1, 1, true, DType.F32, List.of("*_proj.weight"));
        MicroBatch batch = MicroBatch.of(oneOfEach(config), new ZigzagLayout(), 1);
        try (Device device = new CpuDevice(1)) {
            WholeParameters parameters = new WholeParameters(device, config, DType.F32);
            set(parameters, weights(config));
            List<float[]> before = all(device, parameters);
            try (Transformer transformer = new Transformer(device, parameters)) {
                TrainingStep training = new TrainingStep(device, parameters, transformer);
                training.run(
                        config,
                        List.of(batch.ofRank(0)),
                        plan(1, batch, LossPart.targets(oneOfEach(config), 1), optimizer),
                        new LocalRing(1).member(0),
                        Recompute.NONE);
            }
            List<float[]> after = all(device, parameters);
            for (int i = 0; i < before.size(); i++) {
                String name = parameters.specs().get(i).name();
                boolean same = Arrays.equals(after.get(i), before.get(i));
                assertThat(same).as(name).isEqualTo(!name.endsWith("_proj.weight"));
            }
        }
    }

    private static List<float[]> all(Device device, WholeParameters parameters) {
        List<float[]> all = new ArrayList<>();
        for (int i = 0; i < parameters.specs().size(); i++) {
            all.add(RingResult.floats(device, parameters.weight(i)));
        }
        return all;
    }

    private static StepPlan plan(
            long step, MicroBatch batch, List<LossPart.Targets> targets, AdamW optimizer) {
        return new StepPlan(
                step,
                0,
                1e4,
                batch.targetWeight(),
                1,
                targets,
                0,
                0,
                0,
                batch.plan().traffic(),
                optimizer,
                1e-2);
    }
}
