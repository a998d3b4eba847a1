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
    private final Tensor[] memory = new Tensor[2];
    private final Lease[] leases = {new Lease(), new Lease()};
    private final Ring ring;
    private final Device device;
    private final RingPlan plan;
    private final Workspace scratch;
    private final long heads;
    private final long dim;
    private int turn;

    TravellingSums(
            Ring ring, Device device, RingPlan plan, Workspace scratch, long heads, long dim) {
        this.ring = ring;
        this.device = device;
        this.plan = plan;
        this.scratch = scratch;
        this.heads = heads;
        this.dim = dim;
    }

    /** For some tiles of origin, in place of the last but one; null where none was ever needed. */
    KvBlock next(int origin, BitSet tiles) {
        turn = 1 - turn;
        if (memory[turn] == null && !tiles.isEmpty()) {
            memory[turn] = scratch.take(DType.F32, 2L * plan.longest(), heads, dim);
        }
        leases[turn].awaitFree(ring, device);
        return memory[turn] == null ? null : KvBlock.in(memory[turn], plan.borders()[origin]);
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
