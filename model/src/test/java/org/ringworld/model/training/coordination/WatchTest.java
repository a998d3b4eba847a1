package org.ringworld.model.training.coordination;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

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
                watch.stepped();
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
