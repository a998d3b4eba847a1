package org.ringworld.examples;

import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.ringworld.actors.Job;
import org.ringworld.actors.Progress;
import org.ringworld.actors.StepMetrics;
import org.ringworld.model.Stage;

/**
 * The live line of a training run: a bar on a terminal, a line every few seconds elsewhere. Work is
 * counted in tokens times context, so that the time left is right although late stages are slower.
 */
final class LiveLine {
    private static final long QUIET_NANOS = 5_000_000_000L;

    private static final double WARM_SECONDS = 3;

    private final Job job;
    private final PrintStream out;
    private final double total;
    private final ProgressBar bar;
    private double done;
    private double doneHere;
    private double secondsHere;
    private long lastLine;
    private long judgingSince;

    /** On a terminal, or in whatever this process's output goes to. */
    LiveLine(Job job) {
        this(job, System.out, onTerminal());
    }

    /** A bar only where {@code terminal}; lines go to {@code out}. */
    LiveLine(Job job, PrintStream out, boolean terminal) {
        this.job = job;
        this.out = out;
        this.total = work(job.curriculum().steps());
        this.bar =
                terminal
                        ? new ProgressBarBuilder()
                                .setTaskName("step")
                                .setInitialMax(job.curriculum().steps())
                                .setStyle(ProgressBarStyle.UNICODE_BLOCK)
                                .hideEta()
                                .clearDisplayOnFinish()
                                .setConsumer(new ConsoleProgressBarConsumer(System.err))
                                .setUpdateIntervalMillis(200)
                                .build()
                        : null;
    }

    /** Whether somebody watches: lines that are redrawn are for terminals alone. */
    static boolean onTerminal() {
        return System.console() != null && System.console().isTerminal();
    }

    /** Work of steps 1 to {@code steps}: tokens, more with a longer row. */
    private double work(long steps) {
        double sum = 0;
        long before = 0;
        for (Stage stage : job.curriculum().stages()) {
            long here = Math.clamp(steps - before, 0, stage.steps());
            sum += here * work(stage.tokensPerStep(), stage.seqLen());
            before += stage.steps();
        }
        return sum;
    }

    private double work(long tokens, int seqLen) {
        return tokens * (1 + (double) seqLen / (8.0 * job.model().hiddenSize()));
    }

    /** The steps that a run that goes on has behind it. */
    void resumed(List<StepMetrics> steps) {
        done = work(steps.size());
    }

    void step(StepMetrics m) {
        Stage stage = job.curriculum().stages().get(m.stage());
        double work = work(stage.tokensPerStep(), stage.seqLen());
        done += work;
        doneHere += work;
        secondsHere += m.tokens() / m.tokensPerSecond();
        double left = (total - done) * secondsHere / doneHere;
        String accuracy =
                Double.isNaN(m.accuracy())
                        ? ""
                        : String.format(Locale.ROOT, "  acc %.3f", m.accuracy());
        String line =
                String.format(
                        Locale.ROOT,
                        "%d %s %d  loss %.3f%s  %.0f tokens/s  %.1f %% of peak  ETA %s",
                        m.stage(),
                        stage.name(),
                        stage.seqLen(),
                        m.loss(),
                        accuracy,
                        m.tokensPerSecond(),
                        100 * m.flopsShare(),
                        // The first steps run before the JVM has compiled them.
                        secondsHere < WARM_SECONDS ? "…" : time(left));
        if (bar != null) {
            bar.stepTo(m.step());
            bar.setExtraMessage(line);
        } else if (System.nanoTime() - lastLine > QUIET_NANOS) {
            lastLine = System.nanoTime();
            out.printf("step %d/%d  stage %s%n", m.step(), job.curriculum().steps(), line);
        }
    }

    /** Batches of unseen rows, which are alike in tokens, so in time. */
    void judging(Progress.Judging judging) {
        long now = System.nanoTime();
        if (judging.batches() == 0) {
            judgingSince = now;
        }
        double each = (now - judgingSince) / 1e9 / judging.batches();
        String line =
                "judging unseen rows: %d of %d batches  ETA %s"
                        .formatted(
                                judging.batches(),
                                judging.of(),
                                judging.batches() == 0
                                        ? "…"
                                        : time(each * (judging.of() - judging.batches())));
        if (bar != null) {
            bar.setExtraMessage(line);
        } else if (now - Math.max(lastLine, judgingSince) > QUIET_NANOS) {
            lastLine = now;
            out.println(line);
        }
    }

    /** A line that stays. */
    void println(String text) {
        if (bar != null) {
            System.err.print("\r\033[2K");
            System.err.flush();
        }
        out.println(text);
    }

    void finish() {
        if (bar != null) {
            bar.close();
        }
    }

    static String time(double seconds) {
        long s = Math.round(Math.max(0, seconds));
        return s < 3600
                ? "%d:%02d".formatted(s / 60, s % 60)
                : "%d:%02d:%02d".formatted(s / 3600, s / 60 % 60, s % 60);
    }
}
