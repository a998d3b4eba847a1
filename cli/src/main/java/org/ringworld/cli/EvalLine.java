package org.ringworld.cli;

import java.util.concurrent.TimeUnit;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;

/**
 * How far an evaluation is, on standard error: a bar on a terminal, elsewhere now and then a line.
 */
final class EvalLine implements AutoCloseable {
    private final int rows;
    private final long quietNanos;
    private final ProgressBar bar;
    private final long start = System.nanoTime();
    private long lastLine = start;
    private int done;

    /**
     * @param rows that will be evaluated
     * @param quietSeconds least time between two lines
     */
    EvalLine(int rows, int quietSeconds) {
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
            // A long row may take minutes.
            System.err.printf("evaluating %d rows%n", rows);
        }
    }

    /** One row more is evaluated. */
    void step() {
        done++;
        long now = System.nanoTime();
        if (bar != null) {
            bar.step();
        } else if (now - lastLine >= quietNanos && done < rows) {
            lastLine = now;
            double left = (now - start) / 1e9 / done * (rows - done);
            System.err.printf("evaluated %d of %d rows  ETA %s%n", done, rows, LiveLine.time(left));
        }
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }
}
