package org.ringworld.model.training.rank;

import java.nio.file.Path;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.hf.LlamaConfig;

/** Where a rank's weights come from; all ranks of a ring come to the same. */
public sealed interface ModelSource {
    LlamaConfig config();

    /** Random weights, a pure function of the seed. */
    record Random(LlamaConfig config, long seed, double std) implements ModelSource {}

    /**
     * Weights from a model directory or file; vision tables that it lacks are random, N(0, std), a
     * pure function of the seed.
     */
    record Files(LlamaConfig config, Path model, long seed, double std) implements ModelSource {
        /** A model that has all that {@code config} asks for. */
        public Files(LlamaConfig config, Path model) {
            this(config, model, 0, 0);
        }

        /** Opens the files; what a model without config.json does not say is as in the config. */
        ModelFiles open() throws CheckpointException {
            return ModelFiles.open(
                    model,
                    new ModelFiles.Constants(
                            config.numHeads(), config.ropeTheta(), config.rmsNormEps()));
        }
    }

    /** No weights yet: another rank will send its own. */
    record Nothing(LlamaConfig config) implements ModelSource {}

    /** Weights and optimizer state from a snapshot. */
    record FromSnapshot(LlamaConfig config, Path snapshot) implements ModelSource {}
}
