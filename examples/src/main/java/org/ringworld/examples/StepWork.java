package org.ringworld.examples;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.ringworld.actors.ModelSource;
import org.ringworld.actors.StepPlan;
import org.ringworld.checkpoints.LlamaConfig;
import org.ringworld.checkpoints.RopeScaling;
import org.ringworld.model.AdamW;
import org.ringworld.model.Layout;
import org.ringworld.model.LearningRate;
import org.ringworld.model.Stage;
import org.ringworld.runtime.DType;
import org.ringworld.tokenizer.Row;
import org.ringworld.tokenizer.RowStream;

/** The training step that is timed: a random model and random tokens, the same in each process. */
record StepWork(LlamaConfig model, DType dtype, int seqLen, long tokensPerStep, String recompute) {
    /** A model of middling size; keys of {@link #of}. */
    static final Config DEFAULTS =
            ConfigFactory.parseString(
                    """
                    dtype = f32
                    seqLen = 2048
                    tokensPerStep = null
                    recompute = auto
                    model { vocabSize = 32000, hiddenSize = 512, intermediateSize = 1408, numLayers = 8
                            numHeads = 8, numKvHeads = 8, headDim = 64 }
                    """);

    static final Layout LAYOUT = Layout.of("zigzag");

    static StepWork of(Config config) {
        int seqLen = JobReader.positive(config, "seqLen");
        int tokens =
                config.getIsNull("tokensPerStep")
                        ? seqLen
                        : JobReader.positive(config, "tokensPerStep");
        return new StepWork(
                model(config.getConfig("model")),
                DType.ofValues(config.getString("dtype")),
                seqLen,
                tokens,
                config.getString("recompute"));
    }

    private static LlamaConfig model(Config config) {
        try {
            return new LlamaConfig(
                    JobReader.positive(config, "vocabSize"),
                    JobReader.positive(config, "hiddenSize"),
                    JobReader.positive(config, "intermediateSize"),
                    JobReader.positive(config, "numLayers"),
                    JobReader.positive(config, "numHeads"),
                    JobReader.positive(config, "numKvHeads"),
                    JobReader.positive(config, "headDim"),
                    1e-5,
                    1e4,
                    new RopeScaling.None(),
                    false,
                    1 << 20,
                    0);
        } catch (IllegalArgumentException e) {
            throw new UsageException(e.getMessage());
        }
    }

    ModelSource source() {
        return new ModelSource.Random(model, 1, 0.02);
    }

    /** The plan of step {@code step}, from 0, on a ring. */
    StepPlan plan(int step, int ringSize) {
        AdamW optimizer =
                new AdamW(
                        new LearningRate(1e-4, LearningRate.Schedule.CONSTANT, 0, 0, 0),
                        0.9,
                        0.98,
                        1e-8,
                        0.01,
                        1);
        Stage stage =
                new Stage(
                        "bench",
                        "text",
                        seqLen,
                        List.of(),
                        1e4,
                        Integer.MAX_VALUE,
                        tokensPerStep,
                        1,
                        optimizer);
        RowStream rows =
                (at, length, count) ->
                        IntStream.range(0, count)
                                .mapToObj(i -> row(at * count + i, length))
                                .toList();
        return StepPlan.of(step + 1, 0, stage, step, rows, LAYOUT, ringSize);
    }

    private Row row(long seed, int length) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] weights = new float[length];
        Arrays.fill(weights, 1);
        return new Row(
                random.ints(length, 0, model.vocabSize()).toArray(),
                IntStream.range(0, length).toArray(),
                new int[length],
                random.ints(length, 0, model.vocabSize()).toArray(),
                weights);
    }
}
