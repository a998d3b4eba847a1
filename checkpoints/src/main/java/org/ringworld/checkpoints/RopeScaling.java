package org.ringworld.checkpoints;

/** How rotary frequencies are changed for longer contexts (HF's {@code rope_scaling}). */
public sealed interface RopeScaling {
    /** Frequencies as in RoFormer: theta^(-2i/headDim). */
    record None() implements RopeScaling {}

    /** Every frequency divided by {@code factor} (position interpolation). */
    record Linear(double factor) implements RopeScaling {
        public Linear {
            requirePositive("factor", factor);
        }
    }

    /**
     * Llama 3.1's: wavelengths over originalMax / lowFreqFactor are stretched by {@code factor},
     * those under originalMax / highFreqFactor stay, between them it is interpolated.
     */
    record Llama3(
            double factor,
            double lowFreqFactor,
            double highFreqFactor,
            int originalMaxPositionEmbeddings)
            implements RopeScaling {
        public Llama3 {
            requirePositive("factor", factor);
            requirePositive("low_freq_factor", lowFreqFactor);
            requirePositive("high_freq_factor", highFreqFactor);
            requirePositive("original_max_position_embeddings", originalMaxPositionEmbeddings);
            if (highFreqFactor <= lowFreqFactor) {
                throw new IllegalArgumentException(
                        "rope_scaling: high_freq_factor = %s is not over low_freq_factor = %s"
                                .formatted(highFreqFactor, lowFreqFactor));
            }
        }
    }

    private static void requirePositive(String key, double value) {
        if (!(value > 0 && value < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(
                    "rope_scaling: %s = %s is not a positive number".formatted(key, value));
        }
    }
}
