package org.ringworld.model.decode;

import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Chooses the next token from logits, in the order of Transformers: the repetition penalty (CTRL,
 * Keskar et al. 2019), the temperature, the {@code topK} most likely, the fewest of them whose
 * probabilities reach {@code topP} (nucleus sampling, Holtzman et al. 2019), and those at least
 * {@code minP} times as likely as the likeliest. A pure function: the same seed, place and logits
 * give the same token, whatever was chosen before.
 *
 * @param temperature 0 is greedy
 * @param topK 0 keeps all
 * @param topP in (0, 1]; 1 keeps all
 * @param minP in [0, 1]; 0 keeps all
 * @param repetitionPenalty above 1, tokens that stand in the text already become less likely; 1
 *     leaves them alone
 */
public record Sampler(
        double temperature,
        int topK,
        double topP,
        double minP,
        double repetitionPenalty,
        long seed) {
    /** The most likely token, always. */
    public static final Sampler GREEDY = new Sampler(0, 0, 1, 0, 1, 0);

    public Sampler {
        require(temperature >= 0 && temperature < 1e6, "temperature", temperature, "0 or more");
        require(topK >= 0, "top-k", topK, "0 (all) or more");
        require(topP > 0 && topP <= 1, "top-p", topP, "above 0 and at most 1");
        require(minP >= 0 && minP <= 1, "min-p", minP, "0 to 1");
        require(
                repetitionPenalty > 0 && repetitionPenalty < 1e6,
                "repetition-penalty",
                repetitionPenalty,
                "above 0; 1 is none");
    }

    private static void require(boolean right, String what, Number value, String range) {
        if (!right) {
            throw new IllegalArgumentException(what + " = " + value + " must be " + range);
        }
    }

    /** The same, to which tokens that stand in the text already are as good as others. */
    Sampler withoutPenalty() {
        return repetitionPenalty == 1 ? this : new Sampler(temperature, topK, topP, minP, 1, seed);
    }

    /**
     * The token after the first {@code length} of {@code ids}.
     *
     * @param raw the model's logits [V]
     */
    public int next(float[] raw, int[] ids, int length) {
        float[] logits = repetitionPenalty == 1 ? raw : penalized(raw, ids, length);
        if (temperature == 0) {
            return likeliest(logits);
        }
        long[] order = order(logits);
        int most = topK == 0 ? order.length : Math.min(topK, order.length);
        double greatest = logits[id(order[0])];
        double[] weights = new double[most];
        double sum = 0;
        for (int i = 0; i < most; i++) {
            weights[i] = Math.exp((logits[id(order[i])] - greatest) / temperature);
            sum += weights[i];
        }
        int kept = 0;
        double mass = 0;
        while (kept < most && (kept == 0 || mass < topP * sum && weights[kept] >= minP)) {
            mass += weights[kept++];
        }
        double at = new SplittableRandom(seed * 0x9e3779b97f4a7c15L + length).nextDouble() * mass;
        for (int i = 0; i < kept; i++) {
            at -= weights[i];
            if (at < 0) {
                return id(order[i]);
            }
        }
        return id(order[kept - 1]);
    }

    /** Each token of the text once, however often it stands there. */
    private float[] penalized(float[] raw, int[] ids, int length) {
        float[] logits = raw.clone();
        int[] said = Arrays.copyOf(ids, length);
        Arrays.sort(said);
        for (int i = 0; i < length; i++) {
            boolean first = i == 0 || said[i] != said[i - 1];
            if (first && said[i] >= 0 && said[i] < logits.length) {
                float logit = logits[said[i]];
                double less = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
                logits[said[i]] = (float) less;
            }
        }
        return logits;
    }

    /** The first of the most likely tokens. */
    private static int likeliest(float[] logits) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            best = logits[i] > logits[best] ? i : best;
        }
        return best;
    }

    /** Tokens by logit, the greatest first, the first of equals first: an id in each low half. */
    private static long[] order(float[] logits) {
        long[] keys = new long[logits.length];
        for (int i = 0; i < keys.length; i++) {
            int bits = Float.floatToIntBits(logits[i]);
            int ascending = bits < 0 ? ~bits ^ 0x80000000 : bits; // as a signed number
            keys[i] = (long) ~ascending << 32 | i;
        }
        Arrays.sort(keys);
        return keys;
    }

    private static int id(long key) {
        return (int) key;
    }
}
