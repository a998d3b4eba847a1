package org.ringworld.model.attention;

import java.util.BitSet;
import org.ringworld.model.ring.Lease;
import org.ringworld.model.ring.Ring;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * The sums of dK and dV of other ranks' blocks, which a rank adds to and sends on: two blocks in
 * turn, one being read by the next rank while the other is written.
 */
final class TravellingSums {
    private final KvBlock[] blocks = new KvBlock[2];
    private final Lease[] leases = {new Lease(), new Lease()};
    private final Ring ring;
    private final Device device;
    private final RingPlan plan;
    private final Workspace scratch;
    private final Tensor like;
    private int turn;

    /**
     * @param own whose tiles have the heads and dimension of all
     */
    TravellingSums(Ring ring, Device device, RingPlan plan, Workspace scratch, KvBlock own) {
        this.ring = ring;
        this.device = device;
        this.plan = plan;
        this.scratch = scratch;
        this.like = own.size() == 0 ? null : own.keys()[0];
    }

    /** The other block, once it is no longer read; null where none was ever needed. */
    KvBlock next(BitSet tiles) {
        turn = 1 - turn;
        if (blocks[turn] == null && !tiles.isEmpty()) {
            blocks[turn] = KvBlock.take(scratch, DType.F32, plan, like.dim(1), like.dim(2));
        }
        leases[turn].awaitFree(ring, device);
        return blocks[turn];
    }

    /** Of the block that {@link #next} gave last. */
    Lease lease() {
        return leases[turn];
    }

    void awaitFree() {
        leases[0].awaitFree(ring, device);
        leases[1].awaitFree(ring, device);
    }
}
