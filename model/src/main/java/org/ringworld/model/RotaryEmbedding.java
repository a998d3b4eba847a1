package org.ringworld.model;

import org.ringworld.checkpoints.LlamaConfig;
import org.ringworld.checkpoints.RopeScaling;

/** Rotary position embedding (Su et al. 2021): the frequencies of a model, in F64. */
public final class RotaryEmbedding {
    private RotaryEmbedding() {}

    /** Angle per position of each pair [headDim/2]: theta^(−2i/headDim), scaled as configured. */
    public static double[] inverseFrequencies(LlamaConfig config) {
        double[] inverse = new double[config.headDim() / 2];
        for (int i = 0; i < inverse.length; i++) {
            inverse[i] =
                    scaled(
                            Math.pow(config.ropeTheta(), -2.0 * i / config.headDim()),
                            config.ropeScaling());
        }
        return inverse;
    }

    private static double scaled(double frequency, RopeScaling scaling) {
        return switch (scaling) {
            case RopeScaling.None() -> frequency;
            case RopeScaling.Linear(double factor) -> frequency / factor;
            case RopeScaling.Llama3(double factor, double low, double high, int original) -> {
                // Llama 3.1: long waves are stretched by the factor, short ones kept, and those
                // between are blended by how often they turn within the original context.
                double turns = original * frequency / (2 * Math.PI);
                double blend = Math.clamp((turns - low) / (high - low), 0, 1);
                yield (1 - blend) * frequency / factor + blend * frequency;
            }
        };
    }
}
