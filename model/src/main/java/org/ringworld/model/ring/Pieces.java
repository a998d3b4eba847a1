package org.ringworld.model.ring;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.IntConsumer;
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
        IntFunction<Ring.Transfer> ask =
                piece -> ring.receive(name.apply(piece), x.dtype(), piece(x, piece).size());
        receive(device, count(x), ask, each);
    }

    /**
     * Replaces x by the pieces that come under these names, in their order.
     *
     * @param free returns when a piece of x may be written to
     * @param replaced is told of each piece
     */
    static void replace(
            Ring ring,
            Device device,
            Tensor x,
            IntFunction<Frame> name,
            IntConsumer free,
            IntConsumer replaced) {
        IntFunction<Ring.Transfer> ask =
                piece -> {
                    free.accept(piece);
                    return ring.receiveInto(piece(x, piece), name.apply(piece));
                };
        receive(
                device,
                count(x),
                ask,
                (piece, arrived) -> {
                    Tensor place = piece(x, piece);
                    if (!arrived.memory().equals(place.memory())) {
                        device.kernels().copy(arrived, place);
                    }
                    replaced.accept(piece);
                });
    }

    private static void receive(
            Device device, int pieces, IntFunction<Ring.Transfer> ask, OnPiece each) {
        Deque<Ring.Transfer> coming = new ArrayDeque<>();
        int asked = 0;
        for (int piece = 0; piece < pieces; piece++) {
            for (; asked < Math.min(pieces, piece + WINDOW); asked++) {
                coming.add(ask.apply(asked));
            }
            Ring.Transfer next = coming.remove();
            each.arrived(piece, next.await(device));
            next.lease().release(device.record());
        }
    }
}
