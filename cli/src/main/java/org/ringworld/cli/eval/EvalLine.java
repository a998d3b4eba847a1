package org.ringworld.cli.eval;

import java.util.concurrent.TimeUnit;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import org.ringworld.cli.LiveLine;

/**
 * How far an evaluation is, on standard error: a bar on a terminal, elsewhere now and then a line.
 */
final class EvalLine implements AutoCloseable {
    private static final int QUIET_SECONDS = 5;

    private final String unit;
    private final int rows;
    private final long quietNanos;
    private final ProgressBar bar;
    private final long start = System.nanoTime();
    private long lastLine = start;
    private int done;

    /**
     * @param unit of what is evaluated, in the plural
     * @param rows so many of them will be
     */
    EvalLine(String unit, int rows) {
        this(unit, rows, QUIET_SECONDS);
    }

    /**
     * Likewise.
     *
     * @param quietSeconds least time between two lines
     */
    EvalLine(String unit, int rows, int quietSeconds) {
        this.unit = unit;
        this.rows = rows;
        this.quietNanos = TimeUnit.SECONDS.toNanos(quietSeconds);
        this.bar =
                LiveLine.onTerminal()
                        ? new ProgressBarBuilder()
                                .setTaskName("eval")
                                .setInitialMax(rows)
                                .clearDisplayOnFinish()
                                .build()
                        : null;
        if (bar == null) {
            // A long one may take minutes.
            System.err.printf("evaluating %d %s%n", rows, unit);
        }
    }

    /** One more is evaluated. */
    void step() {
        done++;
        long now = System.nanoTime();
        if (bar != null) {
            bar.step();
        } else if (now - lastLine >= quietNanos && done < rows) {
            lastLine = now;
            double left = (now - start) / 1e9 / done * (rows - done);
            System.err.printf(
                    "evaluated %d of %d %s  ETA %s%n", done, rows, unit, LiveLine.time(left));
        }
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }
}
