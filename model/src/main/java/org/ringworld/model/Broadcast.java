package org.ringworld.model;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.ringworld.model.Frame.Pass;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/** One rank's tensor goes around the ring until all hold it, in pieces, each sent on at once. */
final class Broadcast {
    private static final long PIECE = 1 << 20;
    private static final int WINDOW = 4;

    private Broadcast() {}

    /**
     * Replaces x on all ranks by that of {@code root}.
     *
     * @param number tells tensors apart that travel under the same step
     */
    static void from(int root, Ring ring, Device device, Tensor x, long step, int number) {
        int hop = Math.floorMod(ring.rank() - root, ring.size());
        int pieces = Math.toIntExact(Math.ceilDiv(x.size(), PIECE));
        boolean sends = hop + 1 < ring.size();
        List<Lease> leases = new ArrayList<>();
        Deque<Ring.Transfer> coming = new ArrayDeque<>();
        int asked = 0;
        for (int piece = 0; piece < pieces; piece++) {
            Tensor mine = piece(x, piece);
            if (hop > 0) {
                for (; asked < Math.min(pieces, piece + WINDOW); asked++) {
                    Frame frame = new Frame(step, number, 0, Pass.STATE, hop - 1, root, asked);
                    long size = piece(x, asked).size();
                    coming.add(ring.receive(frame, x.dtype(), size));
                }
                Ring.Transfer next = coming.remove();
                device.kernels().copy(next.await(device), mine);
                next.lease().release(device.record());
            }
            if (sends) {
                Lease lease = new Lease();
                leases.add(lease);
                Frame frame = new Frame(step, number, 0, Pass.STATE, hop, root, piece);
                ring.send(frame, mine, device.record(), lease);
            }
        }
        leases.forEach(lease -> lease.awaitFree(ring, device));
    }

    private static Tensor piece(Tensor x, int piece) {
        long from = piece * PIECE;
        return x.rows(from, Math.min(x.size(), from + PIECE));
    }
}
