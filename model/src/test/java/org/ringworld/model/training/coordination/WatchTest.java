package org.ringworld.model.training.coordination;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.ringworld.model.training.TimeSpent;

class WatchTest {
    private static final long EPOCH = 4;

    private long nanos = 1;
    private final Watch watch = new Watch();

    private void pass(double seconds) {
        nanos += (long) (seconds * Duration.ofSeconds(1).toNanos());
    }

    private void pulse(int rank, long progress, boolean waiting) {
        watch.pulsed(new Report.Pulsed(rank, EPOCH, progress, waiting), EPOCH, nanos);
    }

    /** The first step at which a device is named whose steps take so long; 0: none in 60. */
    private int namedAt(double usual, double slow) {
        for (int step = 1; step <= 60; step++) {
            Progress.Straggler named = watch.straggler(times(usual, usual, slow));
            if (named != null) {
                assertThat(named.device()).isEqualTo("device 2");
                assertThat(named.timesMedian()).isCloseTo(slow / usual, within(1e-9));
                return step;
            }
        }
        return 0;
    }

    private static org.assertj.core.data.Offset<Double> within(double by) {
        return org.assertj.core.data.Offset.offset(by);
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
            assertThat(
                            watch.straggler(
                                    step % 19 == 0 ? times(0.1, 0.3, 0.1) : times(0.1, 0.1, 0.3)))
                    .isNull();
        }
        assertThat(watch.straggler(times(5))).as("alone").isNull();
    }

    @Test
    void aDeviceThatStandsStillAndWaitsForNobodyHangs() {
        pulse(0, 7, false);
        pulse(1, 7, true);
        for (int second = 0; second < 5; second++) {
            pass(1);
            pulse(0, 7, false);
            pulse(1, 7, true);
            assertThat(watch.allWait(2, nanos)).isFalse();
            assertThat(watch.hung(nanos)).isEmpty();
        }
        pass(1);
        pulse(0, 7, false);
        pulse(1, 7, true);
        assertThat(watch.allWait(2, nanos)).isFalse();
        assertThat(watch.hung(nanos)).containsExactly(0);
    }

    @Test
    void progressOrAnotherStepIsLife() {
        for (int second = 0; second < 30; second++) {
            pulse(0, second, false);
            pulse(1, 7, false);
            if (second % 4 == 0) {
                watch.straggler(times(0.1, 0.1)); // a step is over
            }
            pass(1);
            assertThat(watch.allWait(2, nanos)).isFalse();
            assertThat(watch.hung(nanos)).isEmpty();
        }
    }

    /** Whoever is cut off is the cluster's to evaluate. */
    @Test
    void whoIsNotHeardOfDoesNotHang() {
        pulse(0, 7, false);
        pass(30);
        assertThat(watch.hung(nanos)).isEmpty();
    }

    @Test
    void pulsesOfAnotherEpochSayNothing() {
        for (int second = 0; second < 30; second++) {
            watch.pulsed(new Report.Pulsed(0, EPOCH - 1, 7, false), EPOCH, nanos);
            pass(1);
            assertThat(watch.hung(nanos)).isEmpty();
        }
    }

    @Test
    void aRingInWhichAllWaitStandsStill() {
        watch.begin(nanos);
        boolean still = false;
        int seconds = 0;
        while (!still && seconds < 60) {
            pulse(0, 7, true);
            pulse(1, 9, true);
            pass(1);
            seconds++;
            still = watch.allWait(2, nanos);
        }
        assertThat(seconds).isEqualTo(11);
        assertThat(watch.hung(nanos)).as("nobody is to blame").isEmpty();
        watch.begin(nanos);
        assertThat(watch.allWait(2, nanos)).isFalse();
    }

    @Test
    void whoDoesNotAnswerHasTwentySeconds() {
        watch.begin(nanos);
        pass(19);
        assertThat(watch.silentTooLong(nanos)).isFalse();
        pass(2);
        assertThat(watch.silentTooLong(nanos)).isTrue();
    }
}
