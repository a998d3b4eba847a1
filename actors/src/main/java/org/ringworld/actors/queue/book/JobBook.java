package org.ringworld.actors.queue.book;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.ringworld.actors.job.Epochs;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.snapshot.RunDirectory.SavedModel;
import org.ringworld.model.training.job.Job;

/** The queue's jobs and servings in the order of submission, as its directory has them. */
public final class JobBook {
    private final Path directory;
    private final long leader;
    private final Epochs epochs;
    private final Map<String, QueuedJob> jobs = new LinkedHashMap<>();
    private final Map<String, QueuedServing> servings = new LinkedHashMap<>();

    /**
     * Takes the queue over: a leader that was stopped and wakes up begins no epoch and writes
     * nothing any more.
     */
    public JobBook(Path directory, String cluster) throws IOException {
        this.directory = directory;
        Fence fence = Fence.claim(directory, cluster);
        this.leader = fence.number();
        this.epochs = Epochs.of(fence);
        for (QueuedJob job : QueuedJob.all(directory)) {
            jobs.put(job.id(), job);
        }
        for (QueuedServing serving : QueuedServing.FILE.all(directory)) {
            servings.put(serving.id(), serving);
        }
    }

    /** The number of this leader of the queue, greater than that of any before it. */
    public long leader() {
        return leader;
    }

    /** Numbers of epochs, for as long as this is the queue's leader. */
    public Epochs epochs() {
        return epochs;
    }

    public List<QueuedJob> all() {
        return List.copyOf(jobs.values());
    }

    /** Null where there is none of that name. */
    public QueuedJob job(String id) {
        return jobs.get(id);
    }

    /** Null where there is none of that name. */
    public QueuedServing serving(String id) {
        return servings.get(id);
    }

    /** Jobs and servings, in the order of submission. */
    public List<String> inOrder() {
        return Stream.concat(jobs.keySet().stream(), servings.keySet().stream())
                .sorted(Comparator.comparingInt(QueueFile::number))
                .toList();
    }

    /** The sentence that says so where there is no such job. */
    public String unknown(String id) {
        if (servings.containsKey(id)) {
            return "%s serves a model: it has no steps, and its log is its nodes' own"
                    .formatted(id);
        }
        return "there is no job %s; there are %s".formatted(id, inOrder());
    }

    /** The serving that has a name in the API; null: none has. */
    public QueuedServing serves(String name) {
        Collection<QueuedServing> all = servings.values();
        return all.stream()
                .filter(other -> !other.state().isOver() && other.name().equals(name))
                .findFirst()
                .orElse(null);
    }

    /** A job that is not over and writes into that place; null: none does. */
    public QueuedJob writerInto(String output) {
        Collection<QueuedJob> all = jobs.values();
        return all.stream()
                .filter(other -> !other.state().isOver() && other.output().equals(output))
                .findFirst()
                .orElse(null);
    }

    /** A new job, the last in line. */
    public QueuedJob add(String text, Job job, String output) throws IOException {
        QueuedJob.State state = QueuedJob.State.QUEUED;
        String sentence = "waits for devices";
        return keep(
                new QueuedJob(
                        nextId(job.name()), text, output, job.ringSize(), state, sentence, null));
    }

    /**
     * A new serving, which has begun.
     *
     * @param run to be followed; null: none is
     */
    public QueuedServing add(
            String name, SavedModel model, String run, String settings, int ringSize, long capacity)
            throws IOException {
        return keep(
                new QueuedServing(
                        nextId(name),
                        name,
                        model.path().toString(),
                        model.at(),
                        run,
                        null,
                        0,
                        settings,
                        ringSize,
                        capacity,
                        QueuedJob.State.RUNNING,
                        ""));
    }

    private String nextId(String name) {
        List<String> all = inOrder();
        int last = all.isEmpty() ? 0 : QueueFile.number(all.getLast());
        return last + 1 + "-" + name.replaceAll("[^A-Za-z0-9_.-]", "_");
    }

    /**
     * Writes down what has become of a job.
     *
     * @throws IOException also where another keeps the queue by now, who alone may
     */
    public QueuedJob keep(QueuedJob job) throws IOException {
        epochs.next();
        job.write(directory);
        jobs.put(job.id(), job);
        return job;
    }

    /** Likewise of a serving. */
    public QueuedServing keep(QueuedServing serving) throws IOException {
        epochs.next();
        QueuedServing.FILE.write(directory, serving);
        servings.put(serving.id(), serving);
        return serving;
    }
}
