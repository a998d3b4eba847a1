package org.ringworld.model;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.IntFunction;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/** Long tensors travel in pieces: one is worked on while the next is on its way. */
final class Pieces {
    /** Elements of a piece: 4 MiB of F32. */
    private static final long PIECE = 1 << 20;

    /** Pieces that may be on their way to a rank at once. */
    private static final int WINDOW = 4;

    private Pieces() {}

    static int count(Tensor x) {
        return Math.toIntExact(Math.ceilDiv(x.size(), PIECE));
    }

    static Tensor piece(Tensor x, int piece) {
        long from = piece * PIECE;
        return x.rows(from, Math.min(x.size(), from + PIECE));
    }

    interface OnPiece {
        void arrived(int piece, Tensor tensor);
    }

    /** Receives all pieces of a tensor like x, in their order, under these names. */
    static void receive(Ring ring, Device device, Tensor x, IntFunction<Frame> name, OnPiece each) {
        Deque<Ring.Transfer> coming = new ArrayDeque<>();
        int pieces = count(x);
        int asked = 0;
        for (int piece = 0; piece < pieces; piece++) {
            for (; asked < Math.min(pieces, piece + WINDOW); asked++) {
                coming.add(ring.receive(name.apply(asked), x.dtype(), piece(x, asked).size()));
            }
            Ring.Transfer next = coming.remove();
            each.arrived(piece, next.await(device));
            next.lease().release(device.record());
        }
    }
}
