package org.ringworld.actors.job;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.typed.ActorRef;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.RingProtocol;
import org.ringworld.model.training.TimeSpent;

class WatchTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final long EPOCH = 4;

    private final List<ActorRef<DeviceActor.Command>> ring =
            List.of(
                    KIT.<DeviceActor.Command>createTestProbe().getRef(),
                    KIT.<DeviceActor.Command>createTestProbe().getRef());
    private final List<ActorRef<DeviceActor.Command>> hung = new ArrayList<>();
    private long nanos = 1;
    private final Watch watch = new Watch(hung::add, () -> nanos);

    @AfterAll
    static void shutdown() {
        KIT.shutdownTestKit();
    }

    private void pass(double seconds) {
        nanos += (long) (seconds * Duration.ofSeconds(1).toNanos());
    }

    private void pulse(int rank, long progress, boolean waiting) {
        watch.pulsed(new RingProtocol.Pulsed(rank, EPOCH, progress, waiting), EPOCH);
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
            assertThat(watch.hung(ring)).isFalse();
            assertThat(hung).isEmpty();
        }
        pass(1);
        pulse(0, 7, false);
        pulse(1, 7, true);
        assertThat(watch.hung(ring)).isFalse();
        assertThat(hung).containsExactly(ring.getFirst());
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
            assertThat(watch.hung(ring)).isFalse();
        }
        assertThat(hung).isEmpty();
    }

    /** Whoever is cut off is the cluster's to evaluate. */
    @Test
    void whoIsNotHeardOfDoesNotHang() {
        pulse(0, 7, false);
        pass(30);
        watch.hung(ring);
        assertThat(hung).isEmpty();
    }

    @Test
    void pulsesOfAnotherEpochSayNothing() {
        for (int second = 0; second < 30; second++) {
            watch.pulsed(new RingProtocol.Pulsed(0, EPOCH - 1, 7, false), EPOCH);
            pass(1);
            watch.hung(ring);
        }
        assertThat(hung).isEmpty();
    }

    @Test
    void aRingInWhichAllWaitStandsStill() {
        watch.begin();
        boolean still = false;
        int seconds = 0;
        while (!still && seconds < 60) {
            pulse(0, 7, true);
            pulse(1, 9, true);
            pass(1);
            seconds++;
            still = watch.hung(ring);
        }
        assertThat(seconds).isEqualTo(11);
        assertThat(hung).as("nobody is to blame").isEmpty();
        watch.begin();
        assertThat(watch.hung(ring)).isFalse();
    }

    @Test
    void whoDoesNotAnswerIsReported() {
        watch.begin();
        pass(19);
        assertThat(watch.silent(ring)).isFalse();
        assertThat(hung).isEmpty();
        pass(2);
        assertThat(watch.silent(List.of())).isFalse();
        assertThat(watch.silent(ring)).isFalse();
        assertThat(hung).isEqualTo(ring);
        Watch alone = new Watch(null, () -> nanos);
        pass(21);
        assertThat(alone.silent(ring)).as("nobody can remove it").isTrue();
    }
}
