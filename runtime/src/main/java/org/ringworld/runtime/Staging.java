package org.ringworld.runtime;

import java.lang.foreign.MemorySegment;

/**
 * How a thread that does not drive a device carries bytes of its tensors: in place where the host
 * reaches them, through pinned memory elsewhere. Each is for one thread at a time. Whoever uses it
 * sees to it that no kernel that is queued writes what is read here, or uses what is written.
 */
public interface Staging extends AutoCloseable {
    /** That of devices whose memory is the host's. */
    Staging IN_PLACE =
            new Staging() {
                @Override
                public boolean inPlace() {
                    return true;
                }

                @Override
                public MemorySegment read(Tensor tensor, long from, long bytes) {
                    return tensor.device().hostView(tensor).asSlice(from, bytes);
                }

                @Override
                public MemorySegment space(Tensor tensor, long from, long bytes) {
                    return read(tensor, from, bytes);
                }

                @Override
                public void write() {}

                @Override
                public void close() {}
            };

    /** Whether what is read and written is the tensors' own memory. */
    boolean inPlace();

    /** Bytes of a tensor, from {@code from} on; good until the next call. */
    MemorySegment read(Tensor tensor, long from, long bytes);

    /** Where to put bytes of a tensor, from {@code from} on; {@link #write} follows. */
    MemorySegment space(Tensor tensor, long from, long bytes);

    /** What was put there is the tensor's when it returns, for whatever is queued from then on. */
    void write();

    @Override
    void close();
}
