package org.ringworld.actors.job;

import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.model.training.MetricsFile;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.OpenJob;

/**
 * The account of a job's steps: those on their way in the ring, and those finished, each of which
 * is written into metrics.jsonl exactly once, whoever is lost.
 */
final class StepAccount implements AutoCloseable {
    /** Steps that devices may have before them: one running, one ready. */
    private static final int WINDOW = 2;

    private final OpenJob hosted;
    private final double flopsPerDevice;
    private final Deque<Long> running = new ArrayDeque<>();
    private final Map<Long, List<DeviceActor.Stepped>> answers = new HashMap<>();
    private long sent;
    private long finished;
    private MetricsFile metrics;

    StepAccount(OpenJob hosted, double flopsPerDevice) {
        this.hosted = hosted;
        this.flopsPerDevice = flopsPerDevice;
    }

    long finished() {
        return finished;
    }

    boolean isIdle() {
        return running.isEmpty();
    }

    /** Whether a file is open: a job that has none has not begun. */
    boolean isOpen() {
        return metrics != null;
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
     * A ring stands, or stood, after {@code step}. Goes on with the file where it holds no more
     * than that; else it is read, and later lines dropped. Steps that were finished but not written
     * down, as by a coordinator that is gone, are.
     *
     * @param unheard is told of those where the file goes on
     * @return the lines on record, or null where it goes on
     */
    List<StepMetrics> goOn(Roster roster, long step, Fence fence, Consumer<StepMetrics> unheard)
            throws IOException {
        running.clear();
        answers.clear();
        sent = step;
        finished = step;
        boolean goesOn = metrics != null && metrics.lastStep() <= step;
        if (goesOn) {
            metrics.next(fence);
        } else {
            close();
            Files.createDirectories(hosted.job().output());
            metrics = new MetricsFile(hosted.job().output().resolve("metrics.jsonl"), step, fence);
        }
        List<StepMetrics> told = new ArrayList<>(goesOn ? List.of() : metrics.earlier());
        for (DeviceActor.Stepped record : roster.recordsAfter(metrics.lastStep())) {
            double seconds = record.spent().computing() + record.spent().waiting();
            StepMetrics line = line(List.of(record), roster.ring().size(), seconds);
            metrics.add(line);
            told.add(line);
        }
        if (!goesOn) {
            return told;
        }
        told.forEach(unheard);
        return null;
    }

    /**
     * A rank has finished a step.
     *
     * @return what all ranks say of it, by rank, once all have; else null
     */
    List<DeviceActor.Stepped> answered(DeviceActor.Stepped stepped, int ranks) {
        // Two steps may be on their way: a rank can answer the second before all have the first.
        List<DeviceActor.Stepped> all =
                answers.computeIfAbsent(stepped.step(), _ -> new ArrayList<>());
        all.add(stepped);
        if (all.size() < ranks) {
            return null;
        }
        answers.remove(stepped.step());
        running.remove();
        all.sort(Comparator.comparingInt(DeviceActor.Reply::rank));
        return all;
    }

    /** The line of a step that took {@code seconds} since the one before. */
    StepMetrics line(List<DeviceActor.Stepped> ranks, int ringSize, double seconds) {
        StepPlan plan = hosted.plan(ranks.getFirst().step(), ringSize).join();
        Job job = hosted.job();
        return StepMetrics.of(
                job.model(),
                job.dtype(),
                plan,
                ranks.getFirst().epoch(),
                ranks.getFirst().outcome(),
                ranks.stream().map(DeviceActor.Stepped::spent).toList(),
                seconds,
                flopsPerDevice * ringSize);
    }

    /** The step is over for good. */
    void finish(StepMetrics line) throws IOException {
        finished = line.step();
        metrics.add(line);
    }

    /** Makes all lines durable, as must be before a snapshot of their steps is written. */
    void sync() throws IOException {
        metrics.sync();
    }

    @Override
    public void close() throws IOException {
        if (metrics != null) {
            metrics.close();
            metrics = null;
        }
    }
}
