package org.ringworld.model;

import java.util.ArrayDeque;
import java.util.Deque;
import org.ringworld.model.Frame.Pass;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * Sum over all ranks by a ring (reduce-scatter, then all-gather): every rank sends 2(N−1)/N of the
 * tensor. Slice c is summed in the order c, c+1, … around the ring, and all ranks copy the one
 * result, so they agree to the last bit. Slices travel in pieces: one is added while the next is on
 * its way.
 *
 * <p>It may go on beside other work of its rank. Memory for all that will come is therefore set
 * aside when it begins: whatever another rank sends on later, no frame of that other work has to
 * wait behind it.
 */
final class AllReduce {
    private final Ring ring;
    private final Device device;
    private final Tensor x;
    private final Frame name;
    private final int size;
    private final long width;
    private final Lease[][] leases;
    private final Deque<Coming> coming = new ArrayDeque<>();

    /**
     * A piece that the previous rank will send; they come in the order in which they are queued.
     */
    private record Coming(Pass pass, int hop, int slice, int piece, Ring.Transfer transfer) {}

    /**
     * Begins to replace x, F32 [n], by the sum of all ranks' x; it must be whole, and belongs to
     * the sum until {@link #finish}.
     *
     * @param name what its frames have in common
     */
    AllReduce(Ring ring, Device device, Tensor x, Frame name) {
        this.ring = ring;
        this.device = device;
        this.x = x;
        this.name = name;
        this.size = ring.size();
        // Slices begin at multiples of 16 elements: whole cache lines.
        this.width = Math.ceilDiv(Math.ceilDiv(x.size(), size), 16L) * 16;
        this.leases = new Lease[size][];
        for (int slice = 0; slice < size; slice++) {
            leases[slice] = new Lease[Pieces.count(slice(slice))];
        }
        for (int hop = 0; hop + 1 < size; hop++) {
            expect(Pass.REDUCE, hop, Math.floorMod(ring.rank() - hop - 1, size));
        }
        for (int hop = 0; hop + 1 < size; hop++) {
            expect(Pass.GATHER, hop, Math.floorMod(ring.rank() - hop, size));
        }
        for (int piece = 0; size > 1 && piece < leases[ring.rank()].length; piece++) {
            send(Pass.REDUCE, 0, ring.rank(), piece);
        }
    }

    /** Adds and sends on what has arrived; waits for no other rank's work. */
    void advance() {
        while (!coming.isEmpty() && coming.peek().transfer.hasArrived()) {
            take(coming.remove());
        }
    }

    /** Waits for the whole sum; x may be written again. */
    void finish() {
        while (!coming.isEmpty()) {
            take(coming.remove());
        }
        for (Lease[] slice : leases) {
            for (Lease lease : slice) {
                if (lease != null) {
                    lease.awaitFree(ring, device);
                }
            }
        }
    }

    private void expect(Pass pass, int hop, int slice) {
        for (int piece = 0; piece < leases[slice].length; piece++) {
            Tensor like = piece(slice, piece);
            Frame frame = name.of(pass, hop, slice, piece);
            coming.add(
                    new Coming(
                            pass, hop, slice, piece, ring.receive(frame, x.dtype(), like.size())));
        }
    }

    private void take(Coming next) {
        Tensor arrived = next.transfer.await(device);
        Tensor own = piece(next.slice, next.piece);
        if (next.pass == Pass.REDUCE) {
            device.kernels().add(arrived, own);
            boolean whole = next.hop + 2 == size;
            Pass onward = whole ? Pass.GATHER : Pass.REDUCE;
            send(onward, whole ? 0 : next.hop + 1, next.slice, next.piece);
        } else {
            // The partial sum that stands here may still be read by the next rank.
            Lease partial = leases[next.slice][next.piece];
            partial.awaitFree(ring, device);
            device.kernels().copy(arrived, own);
            if (next.hop + 2 < size) {
                send(Pass.GATHER, next.hop + 1, next.slice, next.piece);
            }
        }
        next.transfer.lease().release(device.record());
    }

    private void send(Pass pass, int hop, int slice, int piece) {
        Lease lease = new Lease();
        leases[slice][piece] = lease;
        Frame frame = name.of(pass, hop, slice, piece);
        ring.send(frame, piece(slice, piece), device.record(), lease);
    }

    private Tensor piece(int slice, int piece) {
        return Pieces.piece(slice(slice), piece);
    }

    private Tensor slice(int slice) {
        long from = Math.min(x.size(), slice * width);
        return x.rows(from, Math.min(x.size(), from + width));
    }
}
