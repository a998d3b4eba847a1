package org.ringworld.cli.vision;

import java.util.Locale;
import java.util.concurrent.TimeUnit;

/** How many frames are done, and how fast: now and then a line on standard error. */
final class FramesLine {
    private static final long QUIET_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final long total;
    private final long start = System.nanoTime();
    private long lastLine = start;
    private long done;

    /**
     * @param total 0: nobody knows
     */
    FramesLine(long total) {
        this.total = total;
    }

    /** One more. */
    void add() {
        done++;
        if (System.nanoTime() - lastLine >= QUIET_NANOS && done != total) {
            lastLine = System.nanoTime();
            System.err.println(total == 0 ? summary() : "%d of %s".formatted(done, summary(total)));
        }
    }

    /** {@code 30 frames, 1.25 frames/s}: how many there are, and the rate so far. */
    private String summary(long frames) {
        double seconds = (System.nanoTime() - start) * 1e-9;
        return String.format(
                Locale.ROOT,
                "%d frame%s, %.2f frames/s",
                frames,
                frames == 1 ? "" : "s",
                done / seconds);
    }

    /** The same of all that were done. */
    String summary() {
        return summary(done);
    }
}
