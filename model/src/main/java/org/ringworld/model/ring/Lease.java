package org.ringworld.model.ring;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Event;

/**
 * Who still reads memory that was sent by reference. The sender may write to it again when the last
 * reader has released it; the readers' devices may run behind, so a release carries their event.
 */
public final class Lease {
    private final AtomicInteger readers = new AtomicInteger();
    private final List<Event> reads = new ArrayList<>();
    private final Runnable whenFree;
    private volatile Thread waiter;

    public Lease() {
        this(() -> {});
    }

    /** A lease whose last reader tells the memory's owner; that one's device reads it no more. */
    public Lease(Runnable whenFree) {
        this.whenFree = whenFree;
    }

    /** One more reader. */
    public void retain() {
        readers.incrementAndGet();
    }

    /** One reader less; its last read is over once {@code read} has happened. */
    public void release(Event read) {
        if (read != Event.HAPPENED) {
            synchronized (reads) {
                reads.add(read);
            }
        }
        if (readers.decrementAndGet() == 0) {
            LockSupport.unpark(waiter);
            whenFree.run();
        }
    }

    /**
     * Waits until nobody reads; the device's later work follows the last read.
     *
     * @throws RingBrokenException when the ring broke meanwhile
     */
    public void awaitFree(Ring ring, Device device) {
        if (readers.get() > 0) {
            waiter = Thread.currentThread();
            ring.awaitUntil(() -> readers.get() == 0);
            waiter = null;
        }
        synchronized (reads) {
            reads.forEach(device::await);
            reads.clear();
        }
    }
}
