package org.ringworld.actors.job;

import java.io.IOException;
import java.nio.file.Files;
import java.time.Instant;
import java.util.List;
import org.ringworld.actors.Faults;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.snapshot.Snapshot;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.model.training.MetricsFile;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.coordination.Effect;
import org.ringworld.model.training.coordination.Event;
import org.ringworld.model.training.job.Job;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Carries out a job's effects on files: its ownership, its snapshots, its metrics. */
final class JobFiles implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(JobFiles.class);

    private final Job job;
    private final Epochs epochs;
    private final Fence fence;
    private MetricsFile metrics;

    /**
     * @param fence of the ownership of the job's output
     */
    JobFiles(Job job, Epochs epochs, Fence fence) {
        this.job = job;
        this.epochs = epochs;
        this.fence = fence;
    }

    /** The event that answers; null: none does. */
    Event carryOut(Effect.OnFiles effect) {
        return switch (effect) {
            case Effect.TakeEpoch _ -> takeEpoch();
            case Effect.FindSnapshot _ -> findSnapshot();
            case Effect.OpenMetrics open -> openMetrics(open.step());
            case Effect.WriteMetrics write -> write(write.line());
            case Effect.SyncMetrics _ -> sync();
            case Effect.ReleaseOutput _ -> release();
        };
    }

    private Event takeEpoch() {
        try {
            fence.check();
            return new Event.EpochTaken(epochs.next(), RingPlaces.newToken());
        } catch (CheckpointException e) {
            return new Event.TakenOver(e.getMessage());
        }
    }

    private Event findSnapshot() {
        try {
            Snapshot.Newest newest = Snapshot.newest(job.output());
            newest.skipped().forEach(why -> LOG.warn("skipped {}", why));
            try (Snapshot snapshot = newest.snapshot()) {
                return snapshot == null
                        ? new Event.SnapshotFound("", List.of())
                        : new Event.SnapshotFound(
                                snapshot.directory().toString(), snapshot.progress().shares());
            }
        } catch (CheckpointException e) {
            return new Event.FileFault(e.getMessage());
        }
    }

    private Event openMetrics(long step) {
        boolean goesOn = metrics != null && metrics.lastStep() <= step;
        try {
            if (!goesOn) {
                close();
                Files.createDirectories(job.output());
                metrics = new MetricsFile(job.output().resolve("metrics.jsonl"), step, fence);
            }
            return new Event.MetricsOpened(
                    goesOn, metrics.lastStep(), goesOn ? List.of() : metrics.earlier());
        } catch (IOException e) {
            return new Event.FileFault(Faults.sentence(e));
        }
    }

    private Event write(StepMetrics line) {
        try {
            metrics.add(line.at(Instant.now()));
            return null;
        } catch (IOException e) {
            return new Event.FileFault(Faults.sentence(e));
        }
    }

    private Event sync() {
        try {
            metrics.sync();
            return new Event.MetricsSynced();
        } catch (IOException e) {
            return new Event.FileFault(Faults.sentence(e));
        }
    }

    private Event release() {
        try {
            fence.release();
        } catch (CheckpointException e) {
            LOG.warn(e.getMessage());
        }
        return null;
    }

    @Override
    public void close() throws IOException {
        if (metrics != null) {
            metrics.close();
            metrics = null;
        }
    }
}
