package org.ringworld.runtime.cuda;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import jcuda.driver.JCudaDriver;

/**
 * Pinned host memory that copies go through, given out in a circle: a piece is taken again once the
 * copy that used it has run. The card copies from and to pinned memory while the host goes on.
 */
final class PinnedRing {
    private static final long BYTES = 8L << 20;

    /** The longest piece. So many fit that two may be in use beside one that is being taken. */
    static final long PIECE = BYTES / 4;

    private static final long ALIGNMENT = 256;

    private record Piece(long from, long to, CudaQueue.Point used) {}

    private final CudaContext context;
    private final HostPointer pointer = new HostPointer();
    private final MemorySegment memory;
    private final ArrayDeque<Piece> pieces = new ArrayDeque<>();
    private long next;

    PinnedRing(CudaContext context) {
        this.context = context;
        context.enter();
        context.check(
                JCudaDriver.cuMemAllocHost(pointer, BYTES),
                "pinning " + BYTES + " bytes of host memory");
        memory = MemorySegment.ofAddress(pointer.address()).reinterpret(BYTES);
    }

    /** A piece, of {@link #PIECE} bytes at most; {@link #used} says when it may be taken again. */
    MemorySegment take(long bytes) {
        long from = next + bytes > BYTES ? 0 : next;
        long to = Math.min(BYTES, (from + bytes + ALIGNMENT - 1) & -ALIGNMENT);
        if (from == 0) {
            // Those behind the place that is left over at the end come first.
            while (!pieces.isEmpty() && pieces.getFirst().from >= next) {
                pieces.removeFirst().used.reach();
            }
        }
        while (!pieces.isEmpty() && pieces.getFirst().from < to && pieces.getFirst().to > from) {
            pieces.removeFirst().used.reach();
        }
        next = to;
        return memory.asSlice(from, bytes);
    }

    /** The piece taken last is in use until {@code copied}. */
    void used(MemorySegment piece, CudaQueue.Point copied) {
        long from = piece.address() - memory.address();
        pieces.add(new Piece(from, from + piece.byteSize(), copied));
    }

    void close() {
        JCudaDriver.cuMemFreeHost(pointer);
    }
}
