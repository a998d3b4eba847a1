package org.ringworld.actors;

import org.ringworld.checkpoints.LlamaConfig;

/** Useful floating-point operations: what the mathematics needs, nothing computed twice. */
public final class Flops {
    private Flops() {}

    /** Of forward, for {@code tokens} and the pairs of a query and a key that it sees. */
    public static double forward(LlamaConfig config, double tokens, double visiblePairs) {
        double heads = (double) config.numHeads() * config.headDim();
        double keyValueHeads = (double) config.numKvHeads() * config.headDim();
        double layer =
                config.hiddenSize() * (2 * heads + 2 * keyValueHeads)
                        + 3.0 * config.hiddenSize() * config.intermediateSize();
        double weights =
                config.numLayers() * layer + (double) config.vocabSize() * config.hiddenSize();
        return 2 * weights * tokens + 4 * config.numLayers() * heads * visiblePairs;
    }

    /** Of forward and backward. */
    public static double training(LlamaConfig config, double tokens, double visiblePairs) {
        return 3 * forward(config, tokens, visiblePairs);
    }
}
