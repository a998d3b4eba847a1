package org.ringworld.model.training.coordination;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

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

    private record Seen(long progress, long since, boolean waiting, long heard) {}

    private final Map<Integer, Seen> seen = new HashMap<>();
    private long begun;

    void begin(long nanos) {
        begun = nanos;
        seen.clear();
    }

    void pulsed(Report.Pulsed pulsed, long epoch, long nanos) {
        if (pulsed.epoch() != epoch) {
            return;
        }
        Seen last = seen.get(pulsed.rank());
        boolean still =
                last != null
                        && last.progress == pulsed.progress()
                        && last.waiting == pulsed.waiting();
        long since = still ? last.since : nanos;
        seen.put(pulsed.rank(), new Seen(pulsed.progress(), since, pulsed.waiting(), nanos));
    }

    /** A step is over, which is progress of all. */
    void stepped() {
        seen.clear();
    }

    /** Ranks that have work, wait for nobody and do not get on. */
    List<Integer> hung(long nanos) {
        List<Integer> hung = new ArrayList<>();
        seen.forEach(
                (rank, now) -> {
                    boolean heard = nanos - now.heard < UNHEARD;
                    if (isStill(now, nanos) && heard && !now.waiting) {
                        hung.add(rank);
                    }
                });
        return hung;
    }

    /** Whether a whole ring stands still and nobody in it is to blame. */
    boolean allWait(int ringSize, long nanos) {
        return ringSize > 0
                && seen.size() == ringSize
                && seen.values().stream().allMatch(s -> s.waiting && isStill(s, nanos))
                && nanos - begun > 2 * STILL;
    }

    private static boolean isStill(Seen seen, long nanos) {
        return nanos - seen.since > STILL;
    }

    /** Whether those that have not answered yet have had time enough. */
    boolean silentTooLong(long nanos) {
        return nanos - begun >= SILENT;
    }
}
