package org.ringworld.model.ring;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import org.ringworld.model.ring.Frame.Pass;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/** One rank's tensor goes around the ring until all hold it, in pieces, each sent on at once. */
public final class Broadcast {
    private Broadcast() {}

    /**
     * Replaces x on all ranks by that of {@code root}.
     *
     * @param number tells tensors apart that travel under the same step
     */
    public static void from(int root, Ring ring, Device device, Tensor x, long step, int number) {
        int hop = Math.floorMod(ring.rank() - root, ring.size());
        List<Lease> leases = new ArrayList<>();
        IntConsumer sendOn =
                piece -> {
                    if (hop + 1 < ring.size()) {
                        Lease lease = new Lease();
                        leases.add(lease);
                        Frame frame = new Frame(step, number, 0, Pass.STATE, hop, root, piece);
                        ring.send(frame, Pieces.piece(x, piece), device.record(), lease);
                    }
                };
        if (hop == 0) {
            for (int piece = 0; piece < Pieces.count(x); piece++) {
                sendOn.accept(piece);
            }
        } else {
            Pieces.replace(
                    ring,
                    device,
                    x,
                    piece -> new Frame(step, number, 0, Pass.STATE, hop - 1, root, piece),
                    _ -> {},
                    sendOn);
        }
        leases.forEach(lease -> lease.awaitFree(ring, device));
    }
}
