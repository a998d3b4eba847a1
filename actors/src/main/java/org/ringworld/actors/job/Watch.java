package org.ringworld.actors.job;

import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.apache.pekko.actor.typed.ActorRef;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.RingProtocol;

/**
 * Tells a device that hangs from one that waits for others or has much to do: it answers, has work,
 * waits for nobody, and neither its kernels nor its links have got on for {@link #STILL}. However
 * long a transfer takes, its bytes are counted.
 */
final class Watch {
    private static final long STILL = Duration.ofSeconds(5).toNanos();

    /**
     * A device that was not heard of for so long is unreachable, which is the cluster's to decide.
     */
    private static final long UNHEARD = Duration.ofSeconds(2).toNanos();

    /** How long a device may take to unwind before its process is taken for hung. */
    private static final long SILENT = Duration.ofSeconds(20).toNanos();

    private static final double SLOW = 1.5;

    /** Seconds: small steps differ by a few thousandths, which say nothing of a device. */
    private static final double SLOW_BY = 0.01;

    private static final int STEPS = 20;

    private record Seen(long progress, long since, boolean waiting, long heard) {}

    private final Consumer<ActorRef<DeviceActor.Command>> onHung;
    private final Map<Integer, Seen> seen = new HashMap<>();
    private final LongSupplier clock;
    private long begun;
    private String slowDevice;
    private int slowSteps;

    Watch(Consumer<ActorRef<DeviceActor.Command>> onHung) {
        this(onHung, System::nanoTime);
    }

    /**
     * @param onHung null: nobody can take a node out
     * @param clock nanoseconds
     */
    Watch(Consumer<ActorRef<DeviceActor.Command>> onHung, LongSupplier clock) {
        this.onHung = onHung;
        this.clock = clock;
        this.begun = clock.getAsLong();
    }

    void begin() {
        begun = clock.getAsLong();
        seen.clear();
    }

    void pulsed(RingProtocol.Pulsed pulsed, long epoch) {
        if (pulsed.epoch() != epoch) {
            return;
        }
        Seen last = seen.get(pulsed.rank());
        boolean still =
                last != null
                        && last.progress == pulsed.progress()
                        && last.waiting == pulsed.waiting();
        long now = clock.getAsLong();
        long since = still ? last.since : now;
        seen.put(pulsed.rank(), new Seen(pulsed.progress(), since, pulsed.waiting(), now));
    }

    /**
     * A step is over, which is progress of all.
     *
     * @return who has taken {@link #SLOW} times the others' median, and {@link #SLOW_BY} more, for
     *     {@link #STEPS} steps in a row, said once in a while; null: nobody
     */
    Progress.Straggler straggler(List<Progress.RankTime> times) {
        seen.clear();
        double[] sorted = times.stream().mapToDouble(t -> t.spent().computing()).sorted().toArray();
        double median = sorted[(sorted.length - 1) / 2];
        Progress.RankTime slowest =
                times.stream()
                        .max(Comparator.comparingDouble(t -> t.spent().computing()))
                        .orElseThrow();
        double most = slowest.spent().computing();
        boolean slow = times.size() > 1 && most > SLOW * median && most - median > SLOW_BY;
        slowSteps = slow && slowest.device().equals(slowDevice) ? slowSteps + 1 : slow ? 1 : 0;
        slowDevice = slow ? slowest.device() : null;
        return slowSteps > 0 && slowSteps % STEPS == 0
                ? new Progress.Straggler(slowDevice, most / median)
                : null;
    }

    /**
     * Reports devices that hang.
     *
     * @return whether the whole ring stands still and nobody in it is to blame
     */
    boolean hung(List<ActorRef<DeviceActor.Command>> ring) {
        long now = clock.getAsLong();
        boolean allWait = seen.size() == ring.size() && !ring.isEmpty();
        for (Map.Entry<Integer, Seen> entry : seen.entrySet()) {
            boolean still = now - entry.getValue().since > STILL;
            allWait &= still && entry.getValue().waiting;
            boolean heard = now - entry.getValue().heard < UNHEARD;
            if (still && heard && !entry.getValue().waiting && onHung != null) {
                onHung.accept(ring.get(entry.getKey()));
            }
        }
        return allWait && now - begun > 2 * STILL;
    }

    /** Reports devices that do not answer; true: nobody can remove them. */
    boolean silent(List<ActorRef<DeviceActor.Command>> devices) {
        if (devices.isEmpty() || clock.getAsLong() - begun < SILENT) {
            return false;
        }
        if (onHung != null) {
            devices.forEach(onHung);
        }
        return onHung == null;
    }
}
