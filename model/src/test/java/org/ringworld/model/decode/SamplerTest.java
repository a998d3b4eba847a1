package org.ringworld.model.decode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class SamplerTest {
    private static final float[] LOGITS = {1, 3, 2, 3, -5};

    private static double[] frequencies(Sampler sampler) {
        double[] counts = new double[LOGITS.length];
        for (int i = 0; i < 20_000; i++) {
            counts[sampler.next(LOGITS)] += 1.0 / 20_000;
        }
        return counts;
    }

    @Test
    void greedyTakesTheFirstOfTheLikeliest() {
        assertThat(new Sampler(0, 0, 1, 1).next(LOGITS)).isEqualTo(1);
    }

    @Test
    void choicesFollowTheSoftmax() {
        double sum = Math.exp(1) + 2 * Math.exp(3) + Math.exp(2) + Math.exp(-5);
        double[] seen = frequencies(new Sampler(1, 0, 1, 7));
        for (int i = 0; i < LOGITS.length; i++) {
            assertThat(seen[i]).isCloseTo(Math.exp(LOGITS[i]) / sum, within(0.015));
        }
    }

    @Test
    void topKAndTopPLeaveOutTheTail() {
        double[] two = frequencies(new Sampler(1, 2, 1, 7));
        assertThat(two[1] + two[3]).isCloseTo(1, within(1e-9));
        double[] nucleus = frequencies(new Sampler(1, 0, 0.75, 7));
        assertThat(nucleus[1] + nucleus[3]).isCloseTo(1, within(1e-9));
        double[] one = frequencies(new Sampler(1, 0, 0.01, 7));
        assertThat(one[1]).isCloseTo(1, within(1e-9));
    }

    @Test
    void theSameSeedGivesTheSameChoices() {
        Sampler a = new Sampler(1, 0, 1, 9);
        Sampler b = new Sampler(1, 0, 1, 9);
        for (int i = 0; i < 100; i++) {
            assertThat(a.next(LOGITS)).isEqualTo(b.next(LOGITS));
        }
    }

    @Test
    void settingsOutOfRangeAreNamed() {
        assertThatThrownBy(() -> new Sampler(-1, 0, 1, 1)).hasMessageContaining("temperature");
        assertThatThrownBy(() -> new Sampler(1, -1, 1, 1)).hasMessageContaining("top-k");
        assertThatThrownBy(() -> new Sampler(1, 0, 0, 1)).hasMessageContaining("top-p");
    }
}
