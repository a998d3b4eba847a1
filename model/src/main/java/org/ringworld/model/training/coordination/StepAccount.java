package org.ringworld.model.training.coordination;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.ringworld.model.training.StepMetrics;

/**
 * The account of a job's steps: those on their way in the ring, and those finished, each of which
 * is written into metrics.jsonl exactly once, whoever is lost. A part of {@link JobDecisions}.
 */
final class StepAccount {
    /** Steps that devices may have before them: one running, one ready. */
    private static final int WINDOW = 2;

    private final double flopsPerDevice;
    private final IntFunction<List<String>> sources;
    private final Consumer<Effect> effects;
    private final Deque<Long> running = new ArrayDeque<>();
    private final Map<Long, RankAnswers> answers = new HashMap<>();
    private long sent;
    private long finished;
    private boolean open;

    /**
     * @param sources names of each stage's
     */
    StepAccount(
            double flopsPerDevice, IntFunction<List<String>> sources, Consumer<Effect> effects) {
        this.sources = sources;
        this.flopsPerDevice = flopsPerDevice;
        this.effects = effects;
    }

    long finished() {
        return finished;
    }

    boolean isIdle() {
        return running.isEmpty();
    }

    /** Whether there is a file: a job that has none has not begun. */
    boolean isOpen() {
        return open;
    }

    /** A ring stands, or stood, after {@code step}: what is on its way is no more. */
    void goOnAfter(long step) {
        running.clear();
        answers.clear();
        sent = step;
        finished = step;
        effects.accept(new Effect.OpenMetrics(step));
    }

    /**
     * The file is open. Steps that were finished but not written down, as by a coordinator that is
     * gone, are now.
     *
     * @return the lines that whoever watches has not been told
     */
    List<StepMetrics> onOpened(Event.MetricsOpened opened, Roster roster) {
        open = true;
        List<StepMetrics> untold = new ArrayList<>(opened.earlier());
        for (Report.Stepped record : roster.recordsAfter(opened.lastStep())) {
            double seconds = record.spent().computing() + record.spent().waiting();
            StepMetrics line = line(List.of(record), roster.ring().size(), seconds);
            effects.accept(new Effect.WriteMetrics(line));
            untold.add(line);
        }
        return untold;
    }

    /** The number of a step to send now, up to {@code last}; −1: none. */
    long send(long last) {
        if (running.size() == WINDOW || sent >= last) {
            return -1;
        }
        running.add(++sent);
        return sent;
    }

    /**
     * A rank has finished a step.
     *
     * @return what all ranks say of it, by rank, once all have; else an empty list
     */
    List<Report.Stepped> answered(Report.Stepped stepped, int ranks) {
        if (!running.contains(stepped.step())) {
            return List.of();
        }
        // Two steps may be on their way: a rank can answer the second before all have the first.
        List<Report> all =
                answers.computeIfAbsent(stepped.step(), _ -> new RankAnswers()).add(stepped, ranks);
        if (!all.isEmpty()) {
            answers.remove(stepped.step());
            running.remove(stepped.step());
        }
        return RankAnswers.as(Report.Stepped.class, all);
    }

    /** The line of a step that took {@code seconds} since the one before. */
    StepMetrics line(List<Report.Stepped> ranks, int ringSize, double seconds) {
        Report.Stepped first = ranks.getFirst();
        return StepMetrics.of(
                first.step(),
                first.epoch(),
                first.constants(),
                first.outcome(),
                ranks.stream().map(Report.Stepped::spent).toList(),
                seconds,
                flopsPerDevice * ringSize,
                sources.apply(first.constants().stage()));
    }

    /** The step is over for good. */
    void finish(StepMetrics line) {
        finished = line.step();
        effects.accept(new Effect.WriteMetrics(line));
    }
}
