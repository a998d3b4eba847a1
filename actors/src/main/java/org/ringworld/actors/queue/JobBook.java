package org.ringworld.actors.queue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.ringworld.actors.job.Epochs;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.model.training.job.Job;

/** The queue's jobs in the order of submission, as its directory has them. */
final class JobBook {
    private final Path directory;
    private final long leader;
    private final Epochs epochs;
    private final Map<String, QueuedJob> jobs = new LinkedHashMap<>();

    /**
     * Takes the queue over: a leader that was stopped and wakes up begins no epoch and writes
     * nothing any more.
     */
    JobBook(Path directory, String cluster) throws IOException {
        this.directory = directory;
        Fence fence = Fence.claim(directory, cluster);
        this.leader = fence.number();
        this.epochs = Epochs.of(fence);
        for (QueuedJob job : QueuedJob.all(directory)) {
            jobs.put(job.id(), job);
        }
    }

    /** The number of this leader of the queue, greater than that of any before it. */
    long leader() {
        return leader;
    }

    /** Numbers of epochs, for as long as this is the queue's leader. */
    Epochs epochs() {
        return epochs;
    }

    List<QueuedJob> all() {
        return List.copyOf(jobs.values());
    }

    /** Null where there is none of that name. */
    QueuedJob job(String id) {
        return jobs.get(id);
    }

    Set<String> ids() {
        return jobs.keySet();
    }

    /** The sentence that says so where there is no such job. */
    String unknown(String id) {
        return "there is no job %s; there are %s".formatted(id, ids());
    }

    /** A job that is not over and writes into that place; null: none does. */
    QueuedJob writerInto(String output) {
        Collection<QueuedJob> all = jobs.values();
        return all.stream()
                .filter(other -> !other.state().isOver() && other.output().equals(output))
                .findFirst()
                .orElse(null);
    }

    /** A new job, the last in line. */
    QueuedJob add(String text, Job job, String output) throws IOException {
        int number = jobs.values().stream().mapToInt(QueuedJob::number).max().orElse(0) + 1;
        String id = number + "-" + job.name().replaceAll("[^A-Za-z0-9_.-]", "_");
        QueuedJob.State state = QueuedJob.State.QUEUED;
        return keep(
                new QueuedJob(id, text, output, job.ringSize(), state, "waits for devices", null));
    }

    /**
     * Writes down what has become of a job.
     *
     * @throws IOException also where another keeps the queue by now, who alone may
     */
    QueuedJob keep(QueuedJob job) throws IOException {
        epochs.next();
        job.write(directory);
        jobs.put(job.id(), job);
        return job;
    }
}
