package org.ringworld.checkpoints;

import java.lang.foreign.MemorySegment;

/** Where a writer takes the weights from, one tensor at a time and in the order of their specs. */
@FunctionalInterface
public interface TensorSource {
    /** The tensor's bytes in the dtype being written; read before the next call. */
    MemorySegment bytes(TensorSpec spec);
}
