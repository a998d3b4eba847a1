package org.ringworld.actors.links;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.ringworld.runtime.Device;

/**
 * Memory of one device for what arrives over its links, used again and again. Sizes are rounded up
 * to a quarter of a power of two, so that tiles of nearly the same size share memory. At most
 * {@link #IDLE} bytes lie unused. What an ended epoch leaves lies here until {@link #trim}: a
 * neighbour of the same JVM may still read it.
 */
public final class ReceiveBuffers {
    private static final long IDLE = 64L << 20;

    private final Device device;
    private final List<MemorySegment> free = new ArrayList<>();
    private final Set<Long> reclaimed = new HashSet<>();
    private long idle;
    private long taken;
    private long most;

    public ReceiveBuffers(Device device) {
        this.device = device;
    }

    /** Memory of at least so many bytes, cut to them. */
    synchronized MemorySegment take(long bytes) {
        long rounded = rounded(bytes);
        taken += rounded;
        most = Math.max(most, taken);
        for (Iterator<MemorySegment> each = free.iterator(); each.hasNext(); ) {
            MemorySegment memory = each.next();
            if (memory.byteSize() == rounded) {
                each.remove();
                idle -= rounded;
                return memory;
            }
        }
        return device.allocate(rounded);
    }

    /** Gives back what {@link #take} gave. */
    synchronized void give(MemorySegment memory) {
        taken -= memory.byteSize();
        idle += memory.byteSize();
        free.add(memory);
        // The sizes of earlier stages go first.
        for (int oldest = 0; idle > IDLE && oldest < free.size(); ) {
            MemorySegment candidate = free.get(oldest);
            if (reclaimed.contains(candidate.address())) {
                oldest++;
            } else {
                free.remove(oldest);
                idle -= candidate.byteSize();
                device.free(candidate);
            }
        }
    }

    /** Takes back what an ended epoch did not give back: others may still read it, it stays. */
    synchronized void reclaim(MemorySegment memory) {
        taken -= memory.byteSize();
        idle += memory.byteSize();
        free.add(memory);
        reclaimed.add(memory.address());
    }

    /** Gives everything idle back to the device; nobody may read it any more. */
    public synchronized void trim() {
        free.forEach(device::free);
        free.clear();
        reclaimed.clear();
        idle = 0;
    }

    /** The most that was taken at once, bytes. */
    public synchronized long most() {
        return most;
    }

    private static long rounded(long bytes) {
        long step = Math.max(64, Long.highestOneBit(Math.max(1, bytes - 1)) / 2);
        return Math.ceilDiv(bytes, step) * step;
    }
}
