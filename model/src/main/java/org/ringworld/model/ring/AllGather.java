package org.ringworld.model.ring;

import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * Small parts of all ranks come together on each: everyone sends to everyone, so that it takes one
 * message's time. What is large goes around the ring instead.
 */
public final class AllGather {
    private AllGather() {}

    /**
     * Takes a rank's part, good until it returns: elements in the order in which they were sent.
     */
    public interface Taker {
        void take(int rank, Tensor part);
    }

    /**
     * Sends this rank's part to all others and takes theirs, in the order of ranks, its own too.
     *
     * @param frame its origin is each rank
     * @param own null where it has none
     * @param sizes elements that each rank sends; 0: none
     * @return until when the others read this rank's part
     */
    public static Lease run(
            Ring ring,
            Device device,
            Frame frame,
            DType dtype,
            Tensor own,
            long[] sizes,
            Taker taker) {
        Lease lease = new Lease();
        if (own != null) {
            for (int i = 1; i < ring.size(); i++) {
                int to = (ring.rank() + i) % ring.size();
                ring.send(to, frame.from(ring.rank()), own, device.record(), lease);
            }
        }
        Ring.Transfer[] coming = new Ring.Transfer[ring.size()];
        for (int rank = 0; rank < ring.size(); rank++) {
            if (rank != ring.rank() && sizes[rank] > 0) {
                coming[rank] = ring.receive(rank, frame.from(rank), dtype, sizes[rank]);
            }
        }
        for (int rank = 0; rank < ring.size(); rank++) {
            if (rank == ring.rank() && own != null) {
                taker.take(rank, own);
            } else if (coming[rank] != null) {
                taker.take(rank, coming[rank].await(device));
                coming[rank].lease().release(device.record());
            }
        }
        return lease;
    }
}
