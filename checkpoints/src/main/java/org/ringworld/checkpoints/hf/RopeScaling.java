package org.ringworld.checkpoints.hf;

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

    /**
     * YaRN (Peng et al. 2023, §3.2 and §3.4): pairs that turn more than {@code betaFast} times
     * within the original context keep their frequency, those that turn less than {@code betaSlow}
     * times are stretched by {@code factor}, between them it is interpolated by the pair's index.
     *
     * @param attentionFactor scales cos and sin, so that logits grow by its square
     * @param truncate whether the two borders are rounded outwards to whole pairs
     */
    record Yarn(
            double factor,
            int originalMaxPositionEmbeddings,
            double betaFast,
            double betaSlow,
            double attentionFactor,
            boolean truncate)
            implements RopeScaling {
        public Yarn {
            requirePositive("factor", factor);
            requirePositive("original_max_position_embeddings", originalMaxPositionEmbeddings);
            requirePositive("beta_fast", betaFast);
            requirePositive("beta_slow", betaSlow);
            requirePositive("attention_factor", attentionFactor);
            if (betaFast < betaSlow) {
                throw new IllegalArgumentException(
                        "rope_scaling: beta_fast = %s is under beta_slow = %s"
                                .formatted(betaFast, betaSlow));
            }
        }

        /** The paper's attention factor (eq. 22) for a stretch, its slope scaled. */
        static double magnitude(double factor, double mscale) {
            return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
        }
    }

    /** What cos and sin are multiplied by. */
    default double attentionScale() {
        return this instanceof Yarn yarn ? yarn.attentionFactor() : 1;
    }

    private static void requirePositive(String key, double value) {
        if (!(value > 0 && value < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(
                    "rope_scaling: %s = %s is not a positive number".formatted(key, value));
        }
    }
}
