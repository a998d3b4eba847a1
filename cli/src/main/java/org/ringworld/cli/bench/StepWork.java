package org.ringworld.cli.bench;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.StepRows;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.training.rank.HeldWork;
import org.ringworld.model.training.rank.ModelSource;
import org.ringworld.model.training.rank.RandomSteps;
import org.ringworld.runtime.DType;

/** The training step that is timed: a random model and random tokens, the same in each process. */
record StepWork(
        LlamaConfig model,
        DType dtype,
        int seqLen,
        long tokensPerStep,
        Recompute.Choice recompute) {
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
                JobReader.oneOf(config, "recompute", Recompute.Choice.class));
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

    /** As a ring takes it. */
    HeldWork held() {
        ModelSource source = new ModelSource.Random(model, 1, 0.02);
        return new HeldWork("steps", source, dtype, true, recompute);
    }

    /** The rows of step {@code step}, from 0, on a ring. */
    StepRows rows(int step, int ringSize) {
        return RandomSteps.rows(model, seqLen, tokensPerStep, step, ringSize);
    }
}
