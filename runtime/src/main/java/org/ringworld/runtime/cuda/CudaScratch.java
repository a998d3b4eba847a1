package org.ringworld.runtime.cuda;

import java.lang.foreign.MemorySegment;

/**
 * Memory that a kernel needs while it runs. There is one piece: what the next kernel writes there
 * is queued behind what this one reads.
 */
final class CudaScratch {
    private final CudaMemory memory;
    private MemorySegment piece;

    CudaScratch(CudaMemory memory) {
        this.memory = memory;
    }

    /** Undefined contents, aligned to 256 bytes, good until the next call. */
    MemorySegment take(long bytes) {
        if (piece == null || piece.byteSize() < bytes) {
            trim();
            piece = memory.take(bytes);
        }
        return piece.asSlice(0, bytes);
    }

    void trim() {
        if (piece != null) {
            memory.free(piece);
            piece = null;
        }
    }
}
