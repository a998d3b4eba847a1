package org.ringworld.model.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RingSharesTest {
    @Test
    void sharesAreSixteenthsOfWhichEachRankHasOneAndTheFasterNotLess() {
        SplittableRandom random = new SplittableRandom(1);
        for (int round = 0; round < 1000; round++) {
            double[] speeds = random.doubles(random.nextInt(1, 17), 1e-3, 1e3).toArray();
            List<Integer> parts = RingShares.bySpeed(speeds).parts();
            assertThat(parts.stream().mapToInt(Integer::intValue).sum()).isEqualTo(16);
            assertThat(parts).allMatch(part -> part >= 1);
            for (int a = 0; a < speeds.length; a++) {
                for (int b = 0; b < speeds.length; b++) {
                    assertThat(speeds[a] <= speeds[b] || parts.get(a) >= parts.get(b)).isTrue();
                }
            }
        }
    }

    @Test
    void whoGetsFasterGetsNotLess() {
        SplittableRandom random = new SplittableRandom(2);
        for (int round = 0; round < 1000; round++) {
            double[] speeds = random.doubles(random.nextInt(1, 17), 0.1, 9).toArray();
            int rank = random.nextInt(speeds.length);
            int before = RingShares.bySpeed(speeds).of(rank);
            speeds[rank] *= random.nextDouble(1, 3);
            assertThat(RingShares.bySpeed(speeds).of(rank)).isGreaterThanOrEqualTo(before);
        }
    }

    @ParameterizedTest
    @CsvSource({"1 1, 8 8", "1 3, 4 12", "1 1000, 1 15", "5 5 5, 6 5 5", "9 1 1, 14 1 1", "7, 16"})
    void theSlowestIsDoneAsSoonAsCanBe(String speeds, String parts) {
        double[] of = List.of(speeds.split(" ")).stream().mapToDouble(Double::valueOf).toArray();
        assertThat(RingShares.bySpeed(of).parts())
                .containsExactly(
                        List.of(parts.split(" ")).stream()
                                .map(Integer::valueOf)
                                .toArray(Integer[]::new));
    }

    @Test
    void aRankWithoutAShareIsRefused() {
        assertThatThrownBy(() -> new RingShares(List.of(16, 0))).hasMessageContaining("[16, 0]");
        assertThatThrownBy(() -> RingShares.bySpeed(new double[17])).hasMessageContaining("17");
    }
}
