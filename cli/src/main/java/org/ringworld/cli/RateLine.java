package org.ringworld.cli;

import java.io.IOException;
import java.time.Duration;
import java.util.Locale;
import java.util.function.LongSupplier;
import org.jline.terminal.spi.SystemStream;
import org.jline.terminal.spi.TerminalProvider;

/** How far a computation is, how fast it goes and when it will be over: a line on a terminal. */
final class RateLine implements AutoCloseable {
    private static final Duration FIRST = Duration.ofSeconds(2);
    private static final Duration NEXT = Duration.ofMillis(500);

    private final String unit;
    private final long total;
    private final LongSupplier done;
    private final LongSupplier tokens;
    private final long start = System.nanoTime();
    private Thread thread;

    /**
     * @param unit of what is counted, in the plural
     * @param done how many of {@code total}, asked by another thread
     * @param tokens that were computed for it
     */
    RateLine(String unit, long total, LongSupplier done, LongSupplier tokens) {
        this.unit = unit;
        this.total = total;
        this.done = done;
        this.tokens = tokens;
    }

    /** Shows it from now on, where somebody sees it. */
    void start() {
        if (errorOnTerminal()) {
            thread = Thread.ofVirtual().start(this::run);
        }
    }

    /** Whether somebody sees what goes to standard error. */
    static boolean errorOnTerminal() {
        try {
            return TerminalProvider.load("ffm").isSystemStream(SystemStream.Error);
        } catch (IOException | LinkageError e) {
            return LiveLine.onTerminal();
        }
    }

    private void run() {
        try {
            Thread.sleep(FIRST);
            while (true) {
                System.err.print("\r\033[2K" + line((System.nanoTime() - start) * 1e-9));
                System.err.flush();
                Thread.sleep(NEXT);
            }
        } catch (InterruptedException e) {
            System.err.print("\r\033[2K");
            System.err.flush();
        }
    }

    private String line(double seconds) {
        long now = done.getAsLong();
        return String.format(
                Locale.ROOT,
                "%d of %d %s  %.1f tokens/s  ETA %s",
                now,
                total,
                unit,
                tokens.getAsLong() / seconds,
                now == 0 ? "…" : LiveLine.time(seconds / now * (total - now)));
    }

    @Override
    public void close() {
        if (thread != null) {
            thread.interrupt();
            try {
                thread.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
