package org.ringworld.model.decode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class SamplerTest {
    private static final float[] LOGITS = {1, 3, 2, 3, -5};
    private static final int[] NOTHING = {};

    private static Sampler sampler(double temperature, int topK, double topP, double minP) {
        return new Sampler(temperature, topK, topP, minP, 1, 7);
    }

    private static int next(Sampler sampler, int... ids) {
        return sampler.next(LOGITS, ids, ids.length);
    }

    private static double[] frequencies(Sampler sampler) {
        double[] counts = new double[LOGITS.length];
        for (int i = 0; i < 20_000; i++) {
            counts[sampler.next(LOGITS, NOTHING, i)] += 1.0 / 20_000;
        }
        return counts;
    }

    @Test
    void greedyTakesTheFirstOfTheLikeliest() {
        assertThat(next(Sampler.GREEDY)).isEqualTo(1);
    }

    @Test
    void choicesFollowTheSoftmax() {
        for (double temperature : new double[] {0.5, 1, 3}) {
            double sum = 0;
            for (float logit : LOGITS) {
                sum += Math.exp(logit / temperature);
            }
            double[] seen = frequencies(sampler(temperature, 0, 1, 0));
            for (int i = 0; i < LOGITS.length; i++) {
                double right = Math.exp(LOGITS[i] / temperature) / sum;
                assertThat(seen[i]).isCloseTo(right, within(0.015));
            }
        }
    }

    @Test
    void topKTopPAndMinPLeaveOutTheTail() {
        double[] two = frequencies(sampler(1, 2, 1, 0));
        assertThat(two[1] + two[3]).isCloseTo(1, within(1e-9));
        double[] nucleus = frequencies(sampler(1, 0, 0.75, 0));
        assertThat(nucleus[1] + nucleus[3]).isCloseTo(1, within(1e-9));
        double[] one = frequencies(sampler(1, 0, 0.01, 0));
        assertThat(one[1]).isCloseTo(1, within(1e-9));
        double[] third = frequencies(sampler(1, 0, 1, 0.3)); // e⁻¹ of the likeliest is 0.37
        assertThat(third[0]).isZero();
        assertThat(third[2]).isPositive();
        assertThat(frequencies(sampler(1, 0, 1, 1))[2]).isZero();
    }

    @Test
    void whatStandsInTheTextBecomesLessLikely() {
        Sampler strict = new Sampler(0, 0, 1, 0, 1.6, 1);
        assertThat(next(strict, 0, 1)).isEqualTo(3); // 3 / 1.6 is less than 3
        assertThat(next(strict, 1, 3, 3)).as("once, however often").isEqualTo(2);
        assertThat(strict.next(new float[] {-1, -1.5f}, new int[] {0, 99}, 1)).isEqualTo(1);
    }

    @Test
    void theSameSeedAndPlaceGiveTheSameChoice() {
        SplittableRandom random = new SplittableRandom(1);
        float[] logits = new float[500];
        for (int i = 0; i < logits.length; i++) {
            logits[i] = (float) random.nextGaussian();
        }
        Sampler a = sampler(1, 50, 0.9, 0.01);
        int[] forwards = new int[100];
        for (int i = 0; i < forwards.length; i++) {
            forwards[i] = a.next(logits, NOTHING, i);
        }
        for (int i = forwards.length - 1; i >= 0; i--) {
            assertThat(sampler(1, 50, 0.9, 0.01).next(logits, NOTHING, i)).isEqualTo(forwards[i]);
        }
        assertThat(Arrays.stream(forwards).distinct().count()).isGreaterThan(10);
    }

    @Test
    void tokensAreOrderedWhateverTheirSign() {
        float[] logits = {-0.5f, Float.NEGATIVE_INFINITY, 2, -3, 0, 1e-30f};
        int[] order = {2, 5, 4, 0, 3};
        for (int k = 1; k <= order.length; k++) {
            double[] seen = new double[logits.length];
            for (int i = 0; i < 3000; i++) {
                seen[sampler(1000, k, 1, 0).next(logits, NOTHING, i)]++;
            }
            for (int i = 0; i < order.length; i++) {
                assertThat(seen[order[i]] > 0).as("%d of %d", i, k).isEqualTo(i < k);
            }
        }
    }

    @Test
    void settingsOutOfRangeAreNamed() {
        assertThatThrownBy(() -> sampler(-1, 0, 1, 0)).hasMessageContaining("temperature");
        assertThatThrownBy(() -> sampler(1, -1, 1, 0)).hasMessageContaining("top-k");
        assertThatThrownBy(() -> sampler(1, 0, 0, 0)).hasMessageContaining("top-p");
        assertThatThrownBy(() -> sampler(1, 0, 1, 2)).hasMessageContaining("min-p");
        assertThatThrownBy(() -> new Sampler(1, 0, 1, 0, 0, 1))
                .hasMessageContaining("repetition-penalty");
    }
}
