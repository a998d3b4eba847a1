package org.ringworld.model.training.coordination;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.ringworld.model.training.TimeSpent;

class StragglersTest {
    private final Stragglers stragglers = new Stragglers();

    /** The first step at which a device is named whose steps take so long; 0: none in 60. */
    private int namedAt(double usual, double slow) {
        for (int step = 1; step <= 60; step++) {
            Progress.Straggler named = named(usual, usual, slow);
            if (named != null) {
                assertThat(named.device()).isEqualTo("device 2");
                assertThat(named.timesMedian()).isCloseTo(slow / usual, within(1e-9));
                return step;
            }
        }
        return 0;
    }

    /** Null: nobody. */
    private Progress.Straggler named(double... computing) {
        return (Progress.Straggler) stragglers.named(times(computing)).orElse(null);
    }

    private static List<Progress.RankTime> times(double... computing) {
        List<Progress.RankTime> times = new ArrayList<>();
        for (double seconds : computing) {
            TimeSpent spent = new TimeSpent(seconds, 0, 0, 0, 0);
            times.add(new Progress.RankTime("device " + times.size(), spent));
        }
        return times;
    }

    @Test
    void aStragglerIsNamedAfterTwentySteps() {
        assertThat(namedAt(0.1, 0.2)).isEqualTo(20);
        assertThat(namedAt(0.1, 0.2)).as("and again").isEqualTo(20);
    }

    @Test
    void whoIsLittleSlowerIsNoStraggler() {
        assertThat(namedAt(1, 1.4)).isZero();
    }

    /** Of steps of a millisecond one is three times as long by chance alone. */
    @Test
    void millisecondsMakeNoStraggler() {
        assertThat(namedAt(0.001, 0.003)).isZero();
        assertThat(namedAt(0.004, 0.012)).isZero();
        assertThat(namedAt(0.004, 0.016)).isEqualTo(20);
    }

    @Test
    void onlyTheSameOneInARowIsAStraggler() {
        for (int step = 0; step < 60; step++) {
            assertThat(step % 19 == 0 ? named(0.1, 0.3, 0.1) : named(0.1, 0.1, 0.3)).isNull();
        }
        assertThat(named(5)).as("alone").isNull();
    }
}
