package org.ringworld.actors.queue.book;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.ringworld.model.training.coordination.Progress;

/**
 * A job of a cluster's queue, a file of the queue's directory: whoever keeps the queue next finds
 * it there, even if every node was down in between.
 *
 * @param id {@code <number>-<name>}; numbers are the order of submission
 * @param text the resolved configuration
 * @param sentence how it ended, or what it waits for
 * @param end the last that it told; null while it goes on
 */
public record QueuedJob(
        String id,
        String text,
        String output,
        int ringSize,
        State state,
        String sentence,
        Progress end) {
    private static final QueueFile<QueuedJob> FILE =
            new QueueFile<>(".job.json", QueuedJob.class, QueuedJob::id);

    /** What has become of it. */
    public enum State {
        QUEUED,
        RUNNING,
        DONE,
        STOPPED,
        FAILED;

        public boolean isOver() {
            return compareTo(RUNNING) > 0;
        }
    }

    public QueuedJob now(State next, String why) {
        return new QueuedJob(id, text, output, ringSize, next, why, end);
    }

    /** Whether it has begun: then it goes on with fewer devices than it asks for. */
    public boolean hasBegun() {
        return state == State.RUNNING;
    }

    /** After the last that was heard of it. */
    public QueuedJob ended(Progress last) {
        return switch (last) {
            case Progress.Completed c -> ended(c, "its model is " + c.model());
            case Progress.Interrupted i -> ended(i, "stopped after step " + i.step());
            case Progress.Failed f -> ended(f, f.sentence());
            default -> throw new IllegalArgumentException("the job goes on: " + last);
        };
    }

    /** There is nothing to do: its model stands there. */
    public QueuedJob endedBefore() {
        Path model = Path.of(output).resolve("final");
        return ended(new Progress.Completed(model), "it was finished already");
    }

    /** Stopped while it waited for devices. */
    public QueuedJob neverBegun() {
        return ended(new Progress.Interrupted(0, null), "stopped before it began");
    }

    private QueuedJob ended(Progress last, String why) {
        State how =
                switch (last) {
                    case Progress.Completed _ -> State.DONE;
                    case Progress.Interrupted _ -> State.STOPPED;
                    default -> State.FAILED;
                };
        return new QueuedJob(id, text, output, ringSize, how, why, last);
    }

    int number() {
        return QueueFile.number(id);
    }

    /** All jobs of a queue, in the order of submission. */
    static List<QueuedJob> all(Path queue) throws IOException {
        return FILE.all(queue);
    }

    /** Writes it into the queue's directory, whole or not at all. */
    void write(Path queue) throws IOException {
        FILE.write(queue, this);
    }
}
