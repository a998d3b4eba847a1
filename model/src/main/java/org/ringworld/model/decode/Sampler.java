package org.ringworld.model.decode;

import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Chooses the next token from logits: temperature, then the {@code topK} most likely, then the
 * fewest of them whose probabilities reach {@code topP} (nucleus sampling, Holtzman et al. 2019).
 * The same seed gives the same choices.
 */
public final class Sampler {
    private final double temperature;
    private final int topK;
    private final double topP;
    private final SplittableRandom random;

    /**
     * @param temperature 0 is greedy
     * @param topK 0 keeps all
     * @param topP in (0, 1]; 1 keeps all
     */
    public Sampler(double temperature, int topK, double topP, long seed) {
        require(temperature >= 0 && temperature < 1e6, "temperature", temperature, "0 or more");
        require(topK >= 0, "top-k", topK, "0 (all) or more");
        require(topP > 0 && topP <= 1, "top-p", topP, "above 0 and at most 1");
        this.temperature = temperature;
        this.topK = topK;
        this.topP = topP;
        this.random = new SplittableRandom(seed);
    }

    private static void require(boolean right, String what, Number value, String range) {
        if (!right) {
            throw new IllegalArgumentException(what + " = " + value + " must be " + range);
        }
    }

    /** The most likely token, the first of equals. */
    public static int greedy(float[] logits) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            best = logits[i] > logits[best] ? i : best;
        }
        return best;
    }

    /** The next token. */
    public int next(float[] logits) {
        if (temperature == 0) {
            return greedy(logits);
        }
        int[] order =
                IntStream.range(0, logits.length)
                        .boxed()
                        .sorted((a, b) -> Float.compare(logits[b], logits[a]))
                        .limit(topK == 0 ? logits.length : topK)
                        .mapToInt(Integer::intValue)
                        .toArray();
        double[] weights = new double[order.length];
        double sum = 0;
        for (int i = 0; i < order.length; i++) {
            weights[i] = Math.exp((logits[order[i]] - logits[order[0]]) / temperature);
            sum += weights[i];
        }
        int kept = 0;
        double mass = 0;
        while (kept < order.length && (kept == 0 || mass < topP * sum)) {
            mass += weights[kept++];
        }
        double at = random.nextDouble() * mass;
        for (int i = 0; i < kept; i++) {
            at -= weights[i];
            if (at < 0) {
                return order[i];
            }
        }
        return order[kept - 1];
    }
}
