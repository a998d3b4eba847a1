package org.ringworld.cli;

import java.util.Locale;
import java.util.concurrent.TimeUnit;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;

/**
 * How much of a file is written or fetched, and how fast, on standard error: a bar on a terminal,
 * else now and then a line.
 */
final class BytesLine implements AutoCloseable {
    private static final long QUIET_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final String task;
    private final long total;
    private final ProgressBar bar;
    private final long start = System.nanoTime();
    private long lastLine = start;
    private long done;

    BytesLine(String task, long total) {
        this.task = task;
        this.total = total;
        this.bar =
                RateLine.errorOnTerminal()
                        ? new ProgressBarBuilder()
                                .setTaskName(task)
                                .setInitialMax(total)
                                .setUnit(" MB", 1_000_000)
                                .showSpeed()
                                .clearDisplayOnFinish()
                                .build()
                        : null;
    }

    /** So many more. */
    void add(long bytes) {
        done += bytes;
        long now = System.nanoTime();
        if (bar != null) {
            bar.stepBy(bytes);
        } else if (now - lastLine >= QUIET_NANOS && done < total) {
            lastLine = now;
            double rate = done / ((now - start) * 1e-9);
            System.err.printf(
                    Locale.ROOT,
                    "%s: %.0f of %.0f MB  %.1f MB/s  ETA %s%n",
                    task,
                    done * 1e-6,
                    total * 1e-6,
                    rate * 1e-6,
                    LiveLine.time((total - done) / rate));
        }
    }

    /** Whether it is all. */
    boolean isDone() {
        return done >= total;
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }
}
