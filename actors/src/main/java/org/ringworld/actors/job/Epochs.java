package org.ringworld.actors.job;

import java.util.concurrent.atomic.AtomicLong;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.files.Fence;

/**
 * Numbers of epochs, each greater than all before it, of whatever job: a device follows the highest
 * number that it was told, and none is ever given twice.
 */
public interface Epochs {
    /**
     * @throws CheckpointException where another process gives the numbers now
     */
    long next() throws CheckpointException;

    /** Those of one JVM and one job. */
    static Epochs from(long first) {
        return new AtomicLong(first)::getAndIncrement;
    }

    /** Those of a cluster: the fencing numbers of its queue, which only the queue's leader has. */
    static Epochs of(Fence queue) {
        Fence[] now = {queue};
        return () -> {
            synchronized (now) {
                now[0] = now[0].next();
                return now[0].number();
            }
        };
    }
}
