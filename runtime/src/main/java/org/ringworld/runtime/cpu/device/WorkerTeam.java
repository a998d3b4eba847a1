package org.ringworld.runtime.cpu.device;

import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * The threads of one device: whoever calls {@link #run} is worker 0, the others are the team's own
 * daemon threads. Items are claimed one by one, so that a thread which is held up takes fewer; what
 * an item computes must therefore depend on the item alone. One caller at a time.
 */
public final class WorkerTeam implements AutoCloseable {
    /** What is done for each item; {@code worker} tells scratch memory apart, no more. */
    public interface Task {
        void run(int item, int worker);
    }

    /**
     * Idle workers look for work this long before they sleep: kernels follow each other closely.
     */
    private static final int SPINS = 20_000;

    private final Worker[] workers;
    private volatile Job job;
    private volatile long calls;
    private volatile boolean closed;

    /** A team of {@code threads} with the caller; {@code factory} makes the others. */
    public WorkerTeam(int threads, ThreadFactory factory) {
        workers = new Worker[threads - 1];
        for (int i = 0; i < workers.length; i++) {
            workers[i] = new Worker(i + 1);
            workers[i].thread = factory.newThread(workers[i]);
            workers[i].thread.start();
        }
    }

    /** Calls of {@link #run} so far. */
    public long calls() {
        return calls;
    }

    public int threads() {
        return workers.length + 1;
    }

    /**
     * Runs every item and returns when all are done.
     *
     * @throws RuntimeException or Error that an item threw, the first to be seen
     */
    public void run(int items, Task task) {
        calls++; // by the one caller alone
        if (items <= 1 || workers.length == 0) {
            for (int i = 0; i < items; i++) {
                task.run(i, 0);
            }
            return;
        }
        Job mine = new Job(items, task);
        job = mine;
        for (int i = 0; i < Math.min(workers.length, items - 1); i++) {
            if (workers[i].asleep) {
                LockSupport.unpark(workers[i].thread);
            }
        }
        mine.work(0);
        mine.awaitDone();
        if (mine.failure instanceof RuntimeException e) {
            throw e;
        }
        if (mine.failure instanceof Error e) {
            throw e;
        }
    }

    /** Runs every item, all of them on the calling thread where the work is too {@code small}. */
    public void run(boolean small, int items, Task task) {
        if (!small) {
            run(items, task);
            return;
        }
        for (int i = 0; i < items; i++) {
            task.run(i, 0);
        }
    }

    /** How many items to cut {@code units} into, so that each holds {@code least} at least. */
    public int items(long units, long least) {
        return (int) Math.clamp(units / Math.max(1, least), 1, 4L * threads());
    }

    @Override
    public void close() {
        closed = true;
        for (Worker w : workers) {
            LockSupport.unpark(w.thread);
        }
    }

    /** One call of {@link #run}. A worker that comes late finds nothing left and does no harm. */
    private static final class Job {
        final int items;
        final Task task;
        final Thread caller = Thread.currentThread();
        final AtomicInteger next = new AtomicInteger();
        final AtomicInteger done = new AtomicInteger();
        volatile boolean callerAsleep;
        volatile Throwable failure;

        Job(int items, Task task) {
            this.items = items;
            this.task = task;
        }

        void work(int worker) {
            for (int i = next.getAndIncrement(); i < items; i = next.getAndIncrement()) {
                try {
                    if (failure == null) {
                        task.run(i, worker);
                    }
                } catch (RuntimeException | Error e) {
                    failure = e;
                }
                if (done.incrementAndGet() == items && callerAsleep) {
                    LockSupport.unpark(caller);
                }
            }
        }

        void awaitDone() {
            for (int spins = 0; done.get() < items; spins++) {
                if (spins < SPINS) {
                    Thread.onSpinWait();
                } else {
                    callerAsleep = true;
                    // Bounded, because an interrupt or an early unpark may have used up the permit.
                    if (done.get() < items) {
                        LockSupport.parkNanos(this, 1_000_000);
                    }
                }
            }
        }
    }

    private final class Worker implements Runnable {
        final int index;
        Thread thread;
        volatile boolean asleep;

        Worker(int index) {
            this.index = index;
        }

        @Override
        public void run() {
            Job seen = null;
            int spins = 0;
            while (!closed) {
                Job now = job;
                if (now != seen) {
                    seen = now;
                    now.work(index);
                    spins = 0;
                } else if (spins++ < SPINS) {
                    Thread.onSpinWait();
                } else {
                    asleep = true;
                    if (job == seen && !closed) {
                        LockSupport.park(this);
                    }
                    asleep = false;
                    spins = 0;
                }
            }
        }
    }
}
