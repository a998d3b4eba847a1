package org.ringworld.model.training;

import org.ringworld.checkpoints.hf.LlamaConfig;

/** Useful floating-point operations: what the mathematics needs, nothing computed twice. */
public final class Flops {
    private Flops() {}

    /**
     * Of forward.
     *
     * @param visionTargets those of the tokens whose target is a vision code: they go through the
     *     vision head and all others through that of text
     * @param visiblePairs pairs of a query and a key that it sees
     */
    public static double forward(
            LlamaConfig config, double tokens, double visionTargets, double visiblePairs) {
        double heads = (double) config.numHeads() * config.headDim();
        double keyValueHeads = (double) config.numKvHeads() * config.headDim();
        double layer =
                config.hiddenSize() * (2 * heads + 2 * keyValueHeads)
                        + 3.0 * config.hiddenSize() * config.intermediateSize();
        double logits =
                config.vocabSize() * (tokens - visionTargets)
                        + config.visionVocabSize() * visionTargets;
        return 2 * (config.numLayers() * layer * tokens + config.hiddenSize() * logits)
                + 4 * config.numLayers() * heads * visiblePairs;
    }

    /** Of a step, forward and backward. */
    public static double training(LlamaConfig config, StepPlan plan) {
        return 3 * forward(config, plan.tokens(), plan.visionTargets(), plan.visiblePairs());
    }
}
