package org.ringworld.runtime.cpu.device;

import java.lang.foreign.MemorySegment;

/**
 * Working memory of the kernels of one device: a buffer for each worker, and one that all share
 * during a kernel. Buffers grow to the greatest request and stay until they are given back.
 */
public final class Scratch {
    private final HostMemory memory;
    private final MemorySegment[] buffers;

    public Scratch(HostMemory memory, int workers) {
        this.memory = memory;
        buffers = new MemorySegment[workers + 1];
    }

    /** Address of {@code bytes} that only this worker uses until its next request. */
    public long of(int worker, long bytes) {
        return grow(worker, bytes);
    }

    /** Address of {@code bytes} for all workers, good until the next request. */
    public long shared(long bytes) {
        return grow(buffers.length - 1, bytes);
    }

    /** Gives all buffers back; between kernels. */
    public void release() {
        for (int i = 0; i < buffers.length; i++) {
            if (buffers[i] != null) {
                memory.free(buffers[i]);
                buffers[i] = null;
            }
        }
    }

    private long grow(int i, long bytes) {
        MemorySegment buffer = buffers[i];
        if (buffer == null || buffer.byteSize() < bytes) {
            if (buffer != null) {
                memory.free(buffer);
            }
            long size = Math.max(1 << 16, Long.highestOneBit(Math.max(1, bytes - 1)) << 1);
            buffer = memory.allocate(size);
            buffers[i] = buffer;
        }
        return buffer.address();
    }
}
