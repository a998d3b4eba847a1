package org.ringworld.model.ring;

import org.ringworld.model.ring.Frame.Pass;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * Sum over all ranks by a ring (reduce-scatter, then all-gather): every rank sends 2(N−1)/N of the
 * tensor. Slice c is summed in the order c, c+1, … around the ring, and all ranks copy the one
 * result, so they agree to the last bit. Slices travel in pieces: one is added while the next is on
 * its way.
 */
public final class AllReduce {
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
    public static void sum(Ring ring, Device device, Tensor x, long step) {
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
        Pieces.receive(
                ring,
                device,
                slice(slice),
                piece -> frame(Pass.REDUCE, hop, slice, piece),
                (piece, arrived) -> {
                    device.kernels().add(arrived, piece(slice, piece));
                    boolean whole = hop + 2 == size;
                    send(whole ? Pass.GATHER : Pass.REDUCE, whole ? 0 : hop + 1, slice, piece);
                });
    }

    /** Takes the whole sum of a slice and sends it on. */
    private void gather(int hop, int slice) {
        Pieces.replace(
                ring,
                device,
                slice(slice),
                piece -> frame(Pass.GATHER, hop, slice, piece),
                // The partial sum that stands there may still be read by the next rank.
                piece -> leases[slice][piece].awaitFree(ring, device),
                piece -> {
                    if (hop + 2 < size) {
                        send(Pass.GATHER, hop + 1, slice, piece);
                    }
                });
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
        return Pieces.count(slice(slice));
    }

    private Tensor piece(int slice, int piece) {
        return Pieces.piece(slice(slice), piece);
    }

    private Tensor slice(int slice) {
        long from = Math.min(x.size(), slice * width);
        return x.rows(from, Math.min(x.size(), from + width));
    }
}
