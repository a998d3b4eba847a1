package org.ringworld.model;

import java.util.ArrayDeque;
import java.util.Deque;
import org.ringworld.model.Frame.Pass;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * Sum over all ranks by a ring (reduce-scatter, then all-gather): every rank sends 2(N−1)/N of the
 * tensor. Slice c is summed in the order c, c+1, … around the ring, and all ranks copy the one
 * result, so they agree to the last bit. Slices travel in pieces: one is added while the next is on
 * its way.
 */
final class AllReduce {
    /** Elements of a piece: 4 MiB. */
    private static final long PIECE = 1 << 20;

    /** Pieces that may be on their way to this rank at once. */
    private static final int WINDOW = 4;

    private final Ring ring;
    private final Device device;
    private final Tensor x;
    private final long step;
    private final int size;
    private final long width;
    private final Lease[][] leases;

    private AllReduce(Ring ring, Device device, Tensor x, long step) {
        this.ring = ring;
        this.device = device;
        this.x = x;
        this.step = step;
        this.size = ring.size();
        // Slices begin at multiples of 16 elements: whole cache lines.
        this.width = Math.ceilDiv(Math.ceilDiv(x.size(), size), 16L) * 16;
        this.leases = new Lease[size][];
        for (int slice = 0; slice < size; slice++) {
            leases[slice] = new Lease[pieces(slice)];
        }
    }

    /** Replaces x, F32 [n], by the sum of all ranks' x. */
    static void sum(Ring ring, Device device, Tensor x, long step) {
        if (ring.size() > 1) {
            new AllReduce(ring, device, x, step).run();
        }
    }

    private void run() {
        for (int piece = 0; piece < pieces(ring.rank()); piece++) {
            send(Pass.REDUCE, 0, ring.rank(), piece);
        }
        for (int hop = 0; hop + 1 < size; hop++) {
            reduce(hop, Math.floorMod(ring.rank() - hop - 1, size));
        }
        for (int hop = 0; hop + 1 < size; hop++) {
            gather(hop, Math.floorMod(ring.rank() - hop, size));
        }
        for (Lease[] slice : leases) {
            for (Lease lease : slice) {
                if (lease != null) {
                    lease.awaitFree(ring, device);
                }
            }
        }
    }

    /** Adds this rank's part to the sum of a slice and sends it on. */
    private void reduce(int hop, int slice) {
        receive(
                Pass.REDUCE,
                hop,
                slice,
                (piece, arrived) -> {
                    device.kernels().add(arrived, piece(slice, piece));
                    boolean whole = hop + 2 == size;
                    send(whole ? Pass.GATHER : Pass.REDUCE, whole ? 0 : hop + 1, slice, piece);
                });
    }

    /** Takes the whole sum of a slice and sends it on. */
    private void gather(int hop, int slice) {
        receive(
                Pass.GATHER,
                hop,
                slice,
                (piece, arrived) -> {
                    // The partial sum that stands here may still be read by the next rank.
                    leases[slice][piece].awaitFree(ring, device);
                    device.kernels().copy(arrived, piece(slice, piece));
                    if (hop + 2 < size) {
                        send(Pass.GATHER, hop + 1, slice, piece);
                    }
                });
    }

    private interface OnPiece {
        void arrived(int piece, Tensor tensor);
    }

    private void receive(Pass pass, int hop, int slice, OnPiece each) {
        Deque<Ring.Transfer> coming = new ArrayDeque<>();
        int pieces = pieces(slice);
        int asked = 0;
        for (int piece = 0; piece < pieces; piece++) {
            for (; asked < Math.min(pieces, piece + WINDOW); asked++) {
                long length = piece(slice, asked).size();
                coming.add(ring.receive(frame(pass, hop, slice, asked), DType.F32, length));
            }
            Ring.Transfer next = coming.remove();
            each.arrived(piece, next.await(device));
            next.lease().release(device.record());
        }
    }

    private void send(Pass pass, int hop, int slice, int piece) {
        Lease lease = new Lease();
        leases[slice][piece] = lease;
        ring.send(frame(pass, hop, slice, piece), piece(slice, piece), device.record(), lease);
    }

    private Frame frame(Pass pass, int hop, int slice, int piece) {
        return new Frame(step, 0, 0, pass, hop, slice, piece);
    }

    private int pieces(int slice) {
        return Math.toIntExact(Math.ceilDiv(end(slice) - start(slice), PIECE));
    }

    private Tensor piece(int slice, int piece) {
        long from = start(slice) + piece * PIECE;
        return x.rows(from, Math.min(end(slice), from + PIECE));
    }

    private long start(int slice) {
        return Math.min(x.size(), slice * width);
    }

    private long end(int slice) {
        return Math.min(x.size(), (slice + 1) * width);
    }
}
