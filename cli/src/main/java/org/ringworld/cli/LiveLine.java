package org.ringworld.cli;

import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressState;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;

/**
 * The live line of a training run: a bar on a terminal, a line every few seconds elsewhere. Work is
 * counted in tokens times context, so that the time left is right although late stages are slower.
 */
public final class LiveLine {
    private static final long QUIET_NANOS = 5_000_000_000L;

    private static final double WARM_SECONDS = 3;

    private Job job;
    private final PrintStream out;
    private final IntUnaryOperator batches;
    private double total;
    private final ProgressBar bar;
    private double done;
    private double doneHere;
    private double secondsHere;
    private int stage = -1;
    private long evaluated;
    private double secondsEvaluating;
    private long batchBegun;
    private long lastLine;

    /**
     * On a terminal, or in whatever this process's output goes to.
     *
     * @param batches of unseen rows that are evaluated after a stage (−1: before the first)
     */
    public LiveLine(Job job, IntUnaryOperator batches) {
        this(job, batches, System.out, onTerminal());
    }

    /** A bar only where {@code terminal}; lines go to {@code out}. */
    public LiveLine(Job job, IntUnaryOperator batches, PrintStream out, boolean terminal) {
        this.job = job;
        this.batches = batches;
        this.out = out;
        this.total = work(job.curriculum().steps());
        this.bar =
                terminal
                        ? new ProgressBarBuilder()
                                .setInitialMax(job.curriculum().steps())
                                .setRenderer(LiveLine::render)
                                .continuousUpdate()
                                .clearDisplayOnFinish()
                                .setConsumer(new ConsoleProgressBarConsumer(System.err))
                                .setUpdateIntervalMillis(200)
                                .build()
                        : null;
    }

    /** What matters most comes first: a narrow terminal cuts the end off. */
    private static String render(ProgressState state, int width) {
        double share = state.getNormalizedProgress();
        String line =
                "%3.0f %% %-10s  %s"
                        .formatted(
                                100 * share,
                                "█".repeat((int) (10 * share)),
                                state.getExtraMessage());
        return line.length() < width ? line : line.substring(0, width - 1);
    }

    /** Whether somebody watches: lines that are redrawn are for terminals alone. */
    public static boolean onTerminal() {
        return System.console() != null && System.console().isTerminal();
    }

    /** Work of steps 1 to {@code steps}: tokens, more with a longer row. */
    private double work(long steps) {
        double sum = 0;
        long before = 0;
        for (int i = 0; i < job.curriculum().stages().size(); i++) {
            Stage stage = job.curriculum().stages().get(i);
            long last = job.curriculum().lastStep(i);
            long here = Math.clamp(steps - before, 0, last - before);
            sum += here * work(stage.tokensOf(0), stage.seqLen());
            before = last;
        }
        return sum;
    }

    private double work(long tokens, int seqLen) {
        return tokens * (1 + (double) seqLen / (8.0 * job.model().hiddenSize()));
    }

    /** A run goes on that has these steps behind it. */
    public void resumed(Job now, List<StepMetrics> steps) {
        replan(now);
        done = work(steps.size());
    }

    /** There is more to do, or less. */
    public void replan(Job now) {
        job = now;
        total = work(job.curriculum().steps());
        if (bar != null) {
            bar.maxHint(job.curriculum().steps());
        }
    }

    public void step(StepMetrics m) {
        Stage of = job.curriculum().stages().get(m.stage());
        double work = work(of.tokensOf(0), of.seqLen());
        stage = m.stage();
        done += work;
        doneHere += work;
        secondsHere += m.tokens() / m.tokensPerSecond();
        String accuracy =
                Double.isNaN(m.accuracy())
                        ? ""
                        : String.format(Locale.ROOT, "  acc %.3f", m.accuracy());
        show(
                m.step(),
                String.format(
                        Locale.ROOT,
                        "ETA %s  %.0f tokens/s  loss %.3f%s  %.1f %% of peak  stage %d %s %d",
                        left(evaluations(stage)),
                        m.tokensPerSecond(),
                        m.loss(),
                        accuracy,
                        100 * m.flopsShare(),
                        m.stage(),
                        of.name(),
                        of.seqLen()));
    }

    /** Batches of unseen rows, which are alike in tokens, so in time. */
    public void evaluating(Progress.Evaluating now) {
        long nanos = System.nanoTime();
        if (now.batches() > 0) {
            evaluated++;
            secondsEvaluating += (nanos - batchBegun) / 1e9;
        }
        batchBegun = nanos;
        int here = now.of() - now.batches();
        show(
                -1,
                "ETA %s  evaluating unseen rows: %d of %d batches%s"
                        .formatted(
                                left(here + evaluations(stage + 1)),
                                now.batches(),
                                now.of(),
                                evaluated == 0
                                        ? ""
                                        : ", " + time(here * secondsEvaluating / evaluated)));
    }

    /** Batches that are evaluated from the end of a stage on. */
    private int evaluations(int from) {
        return IntStream.range(Math.max(0, from), job.curriculum().stages().size())
                .map(batches)
                .sum();
    }

    /** Time for what is left to train and {@code evaluations} batches. */
    private String left(int evaluations) {
        // The first steps run before the JVM has compiled them.
        if (secondsHere < WARM_SECONDS) {
            return "…";
        }
        double each = evaluated == 0 ? 0 : secondsEvaluating / evaluated;
        return time((total - done) * secondsHere / doneHere + evaluations * each);
    }

    /** Shows a line, of a step or (−1) of no step. */
    private void show(long step, String line) {
        long now = System.nanoTime();
        if (bar != null) {
            bar.stepTo(Math.max(step, bar.getCurrent()));
            bar.setExtraMessage(line);
        } else if (now - lastLine > QUIET_NANOS) {
            lastLine = now;
            out.println(
                    step < 0
                            ? line
                            : "step %d/%d  %s".formatted(step, job.curriculum().steps(), line));
        }
    }

    /** A line that stays. */
    public void println(String text) {
        if (bar != null) {
            System.err.print("\r\033[2K");
            System.err.flush();
        }
        out.println(text);
    }

    public void finish() {
        if (bar != null) {
            bar.close();
        }
    }

    public static String time(double seconds) {
        long s = Math.round(Math.max(0, seconds));
        return s < 3600
                ? "%d:%02d".formatted(s / 60, s % 60)
                : "%d:%02d:%02d".formatted(s / 3600, s / 60 % 60, s % 60);
    }
}
