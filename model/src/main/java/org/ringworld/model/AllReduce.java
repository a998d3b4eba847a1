package org.ringworld.model;

import java.util.List;
import org.ringworld.model.Frame.Pass;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * Sum over all ranks by a ring (reduce-scatter, then all-gather): every rank sends 2(N−1)/N of the
 * tensor. Slice c is summed in the order c, c+1, … around the ring, and all ranks copy the one
 * result, so they agree to the last bit.
 */
final class AllReduce {
    private AllReduce() {}

    /** Replaces x, F32 [n], by the sum of all ranks' x. */
    static void sum(Ring ring, Device device, Tensor x, long step) {
        int size = ring.size();
        if (size == 1) {
            return;
        }
        Lease[] leases = new Lease[size];
        for (int hop = 0; hop + 1 < size; hop++) {
            int outgoing = Math.floorMod(ring.rank() - hop, size);
            int incoming = Math.floorMod(ring.rank() - hop - 1, size);
            leases[outgoing] = send(ring, device, x, step, Pass.REDUCE, hop, outgoing);
            Ring.Transfer arriving = ring.receive(frame(step, Pass.REDUCE, hop, incoming));
            device.kernels().add(arriving.await(device).getFirst(), slice(x, size, incoming));
            arriving.lease().release(device.record());
        }
        for (int hop = 0; hop + 1 < size; hop++) {
            int outgoing = Math.floorMod(ring.rank() + 1 - hop, size);
            int incoming = Math.floorMod(ring.rank() - hop, size);
            Lease last = send(ring, device, x, step, Pass.GATHER, hop, outgoing);
            Ring.Transfer arriving = ring.receive(frame(step, Pass.GATHER, hop, incoming));
            List<Tensor> whole = arriving.await(device);
            // The partial sum that stands here may still be read by the next rank.
            leases[incoming].awaitFree(ring, device);
            device.kernels().copy(whole.getFirst(), slice(x, size, incoming));
            arriving.lease().release(device.record());
            leases[outgoing] = last;
        }
        for (Lease lease : leases) {
            if (lease != null) {
                lease.awaitFree(ring, device);
            }
        }
    }

    private static Lease send(
            Ring ring, Device device, Tensor x, long step, Pass pass, int hop, int slice) {
        Lease lease = new Lease();
        ring.send(
                frame(step, pass, hop, slice),
                List.of(slice(x, ring.size(), slice)),
                device.record(),
                lease);
        return lease;
    }

    private static Frame frame(long step, Pass pass, int hop, int slice) {
        return new Frame(step, 0, 0, pass, hop, slice);
    }

    private static Tensor slice(Tensor x, int size, int slice) {
        // Slices begin at multiples of 16 elements: whole cache lines.
        long width = Math.ceilDiv(Math.ceilDiv(x.size(), size), 16L) * 16;
        long from = Math.min(x.size(), slice * width);
        return x.rows(from, Math.min(x.size(), from + width));
    }
}
