package org.ringworld.runtime;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
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
    private int chunk = -1;
    private long offset;

    public Workspace(Device device) {
        this.device = device;
    }

    /** A point to release back to. */
    public record Mark(int chunk, long offset) {}

    public Mark mark() {
        return new Mark(chunk, offset);
    }

    /** Gives back everything taken since {@code mark}. */
    public void release(Mark mark) {
        chunk = mark.chunk;
        offset = mark.offset;
    }

    /** A tensor with undefined contents, good until the release of an earlier mark. */
    public Tensor take(DType dtype, long... shape) {
        long bytes = Math.multiplyExact(Tensor.count(shape), dtype.bytes());
        while (chunk < 0 || offset + bytes > chunks.get(chunk).byteSize()) {
            chunk++;
            offset = 0;
            if (chunk == chunks.size() || chunks.get(chunk).byteSize() < bytes) {
                chunks.add(chunk, device.allocate(Math.max(CHUNK, bytes)));
            }
        }
        MemorySegment memory = chunks.get(chunk).asSlice(offset, bytes);
        offset = (offset + bytes + ALIGNMENT - 1) & -ALIGNMENT;
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
        chunk = -1;
        offset = 0;
    }
}
