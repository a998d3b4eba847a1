package org.ringworld.model.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.RopeScaling;

class RotaryEmbeddingTest {
    @ParameterizedTest
    @CsvSource({
        "128, 1e4, 4, 4096, 32, 1, true",
        "128, 1e6, 40, 4096, 32, 1, true",
        "64, 1e4, 16, 2048, 30.5, 1.5, false",
        "10, 5e5, 8, 64, 32, 1, true", // the context turns too seldom: both borders meet
        "2, 1e4, 2, 128, 32, 1, true",
    })
    void yarnIsThePublishedFormula(
            int headDim,
            double theta,
            double factor,
            int original,
            double fast,
            double slow,
            boolean truncate) {
        RopeScaling yarn = new RopeScaling.Yarn(factor, original, fast, slow, 1, truncate);
        LlamaConfig config =
                new LlamaConfig(64, 32, 40, 2, 4, 4, headDim, 1e-6, theta, yarn, false, 2048, 0);
        double[] actual = RotaryEmbedding.inverseFrequencies(config);
        double low = headDim * Math.log(original / (fast * 2 * Math.PI)) / (2 * Math.log(theta));
        double high = headDim * Math.log(original / (slow * 2 * Math.PI)) / (2 * Math.log(theta));
        low = Math.max(0, truncate ? Math.floor(low) : low);
        high = Math.min(headDim - 1, truncate ? Math.ceil(high) : high);
        for (int i = 0; i < headDim / 2; i++) {
            double plain = 1 / Math.pow(theta, 2.0 * i / headDim);
            double gamma = low == high ? (i > low ? 0 : 1) : 1 - (i - low) / (high - low);
            gamma = Math.min(1, Math.max(0, gamma));
            double expected = plain / factor * (1 - gamma) + plain * gamma;
            assertThat(actual[i]).isCloseTo(expected, within(1e-12 * expected));
        }
        assertThat(actual[0]).as("the fastest pair is kept").isEqualTo(1);
    }
}
