package org.ringworld.runtime;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Bump allocation on a device: tensors are taken one after the other and released together, back to
 * a {@link #mark}. Chunks stay with the workspace, so that a step that takes the same tensors as
 * the last one allocates nothing.
 */
public final class Workspace implements AutoCloseable {
    private static final long ALIGNMENT = 64;
    private static final long CHUNK = 32L << 20;

    private final Device device;
    private final List<MemorySegment> chunks = new ArrayList<>();
    private long[] used = new long[0];

    public Workspace(Device device) {
        this.device = device;
    }

    /** A point to release back to: the bytes used of each chunk. */
    public static final class Mark {
        private final long[] used;

        private Mark(long[] used) {
            this.used = used;
        }
    }

    public Mark mark() {
        return new Mark(used.clone());
    }

    /** Gives back everything taken since {@code mark}. */
    public void release(Mark mark) {
        Arrays.fill(used, 0);
        System.arraycopy(mark.used, 0, used, 0, mark.used.length);
    }

    /** A tensor with undefined contents, good until the release of an earlier mark. */
    public Tensor take(DType dtype, long... shape) {
        long bytes = Math.multiplyExact(Tensor.count(shape), dtype.bytes());
        int chunk = 0;
        // The first with room: small tensors fill what the large ones leave.
        while (chunk < used.length && used[chunk] + bytes > chunks.get(chunk).byteSize()) {
            chunk++;
        }
        if (chunk == used.length) {
            chunks.add(device.allocate(Math.max(CHUNK, bytes)));
            used = Arrays.copyOf(used, chunk + 1);
        }
        MemorySegment memory = chunks.get(chunk).asSlice(used[chunk], bytes);
        used[chunk] = (used[chunk] + bytes + ALIGNMENT - 1) & -ALIGNMENT;
        return new Tensor(device, dtype, memory, shape);
    }

    /** Bytes held, used or not. */
    public long bytes() {
        return chunks.stream().mapToLong(MemorySegment::byteSize).sum();
    }

    @Override
    public void close() {
        chunks.forEach(device::free);
        chunks.clear();
        used = new long[0];
    }
}
