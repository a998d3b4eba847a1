package org.ringworld.actors.queue;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.ringworld.model.training.coordination.Progress;

/**
 * The last things that jobs told, numbered, for those who follow a job from another process. Each
 * leader of the queue begins above all numbers of the one before it, so that whoever has heard up
 * to some number goes on with the next leader from there.
 */
final class ProgressLog {
    /** Of all jobs together: more than the fastest tells in the second in which nobody asks. */
    private static final int KEPT = 4096;

    /** One thing that a job told. */
    record Entry(long number, String id, Progress progress) {}

    private final Deque<Entry> entries = new ArrayDeque<>();
    private long last;

    /**
     * @param leader the number of the queue's leader
     */
    ProgressLog(long leader) {
        last = leader << Integer.SIZE;
    }

    void add(String id, Progress progress) {
        Progress kept = progress instanceof Progress.Formed formed ? light(formed) : progress;
        entries.add(new Entry(++last, id, kept));
        if (entries.size() > KEPT) {
            entries.remove();
        }
    }

    /** Earlier steps may be a million, and stand in metrics.jsonl: an empty list says so. */
    private static Progress light(Progress.Formed formed) {
        return new Progress.Formed(
                formed.epoch(),
                formed.size(),
                formed.device(),
                formed.step(),
                formed.earlier() == null ? null : List.of());
    }

    /** What is kept of what a job told after the thing of a number. */
    List<Entry> after(long number, String id) {
        return entries.stream().filter(e -> e.number > number && e.id.equals(id)).toList();
    }
}
