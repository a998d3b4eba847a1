package org.ringworld.model;

import java.util.BitSet;
import java.util.List;
import org.ringworld.model.Frame.Pass;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * Blockwise attention whose key/value blocks travel around a ring (Liu et al. 2023, alg. 1): at
 * every hop a rank sends on the block it holds, attends to it meanwhile, and takes the next one.
 * Nothing of size sequence × sequence exists; the result is that of one device but for rounding.
 *
 * <p>The running state and the travelling dK and dV are F32 whatever the model's dtype, so the
 * error does not grow with the ring.
 */
final class RingAttention {
    private final Device device;
    private final Kernels kernels;
    private final Ring ring;
    private final RingPlan plan;
    private final BlockTensors block;
    private final float scale;

    RingAttention(Device device, Ring ring, RingPlan plan, BlockTensors block, int headDim) {
        this.device = device;
        this.kernels = device.kernels();
        this.ring = ring;
        this.plan = plan;
        this.block = block;
        this.scale = (float) (1 / Math.sqrt(headDim));
    }

    /** What a rank holds at one hop: a block and, unless it is its own, the lease it came under. */
    private record Held(KvBlock block, Lease lease) {}

    /**
     * Attends to all keys of the ring.
     *
     * @param frame names step, part and layer
     * @param q values [S,H,D], rotated
     * @param own this rank's keys and values; they may be written to again when {@code lease} is
     *     free
     * @param out F32 [S,H,D], written
     * @param lse F32 [S,H], written: log of the sum of exponentials, −∞ where nothing is seen
     */
    void forward(Frame frame, Tensor q, KvBlock own, Lease lease, Tensor out, Tensor lse) {
        kernels.fill(out, 0);
        kernels.fill(lse, Float.NEGATIVE_INFINITY);
        Held held = new Held(own, lease);
        for (int hop = 0; hop < plan.size(); hop++) {
            int origin = plan.origin(ring.rank(), hop);
            Ring.Transfer arriving = pass(frame, Pass.FORWARD, hop, held);
            for (int t : tiles(plan.sees()[ring.rank()][origin])) {
                kernels.attention(
                        q,
                        block.positions(),
                        block.segments(),
                        held.block.keys()[t],
                        held.block.values()[t],
                        block.keyPositions(origin, plan, t),
                        block.keySegments(origin, plan, t),
                        scale,
                        out,
                        lse);
            }
            held = take(held, hop, arriving);
        }
    }

    /**
     * The gradients of {@link #forward}: dq, F32 [S,H,D], and dOwn, the F32 gradients of this
     * rank's keys and values, are written.
     *
     * @param dOut values [S,H,D]
     * @param delta F32 [S,H]: dOut · out of each query and head
     */
    void backward(
            Frame frame,
            Tensor q,
            KvBlock own,
            Lease lease,
            Tensor dOut,
            Tensor lse,
            Tensor delta,
            Tensor dq,
            KvBlock dOwn,
            Workspace scratch) {
        int rank = ring.rank();
        kernels.fill(dq, 0);
        Held held = new Held(own, lease);
        Travelling sums = new Travelling(scratch, own);
        for (int hop = 0; hop < plan.size(); hop++) {
            int origin = plan.origin(rank, hop);
            Ring.Transfer arriving = pass(frame, Pass.BACKWARD, hop, held);
            BitSet here = hop == 0 ? all() : plan.gradientsSent(hop, origin);
            KvBlock gradient = hop == 0 ? dOwn : sums.next(here);
            for (int t : tiles(here)) {
                kernels.fill(gradient.keys()[t], 0);
                kernels.fill(gradient.values()[t], 0);
            }
            for (int t : tiles(plan.sees()[rank][origin])) {
                kernels.attentionBackward(
                        q,
                        block.positions(),
                        block.segments(),
                        held.block.keys()[t],
                        held.block.values()[t],
                        block.keyPositions(origin, plan, t),
                        block.keySegments(origin, plan, t),
                        scale,
                        dOut,
                        lse,
                        delta,
                        dq,
                        gradient.keys()[t],
                        gradient.values()[t]);
            }
            held = take(held, hop, arriving);
            if (hop > 0) {
                addSums(frame, hop - 1, origin, gradient);
                if (!here.isEmpty()) {
                    ring.send(
                            frame(frame, Pass.GRADIENT, hop, origin),
                            gradient.tensors(here),
                            device.record(),
                            sums.lease());
                }
            }
        }
        if (plan.size() > 1) {
            addSums(frame, plan.size() - 1, rank, dOwn);
        }
        sums.awaitFree();
    }

    /** Sends on what is held, where a later rank sees it, and starts receiving the next block. */
    private Ring.Transfer pass(Frame frame, Pass pass, int hop, Held held) {
        if (hop + 1 == plan.size()) {
            return null;
        }
        int origin = plan.origin(ring.rank(), hop);
        BitSet onward = plan.keysSent(hop, origin);
        if (!onward.isEmpty()) {
            ring.send(
                    frame(frame, pass, hop, origin),
                    held.block.tensors(onward),
                    device.record(),
                    held.lease);
        }
        int next = plan.origin(ring.rank(), hop + 1);
        return plan.keysSent(hop, next).isEmpty()
                ? null
                : ring.receive(frame(frame, pass, hop, next));
    }

    /** Releases what was held at a hop and takes what arrived for the next, if anything comes. */
    private Held take(Held held, int hop, Ring.Transfer arriving) {
        if (hop > 0 && held != null) {
            held.lease.release(device.record());
        }
        if (arriving == null) {
            return null;
        }
        int origin = plan.origin(ring.rank(), hop + 1);
        List<Tensor> tensors = arriving.await(device);
        return new Held(KvBlock.of(tensors, plan.keysSent(hop, origin), plan), arriving.lease());
    }

    /**
     * Adds the sums that the previous rank sent on at a hop, those of the ranks before this one.
     */
    private void addSums(Frame frame, int hop, int origin, KvBlock into) {
        BitSet tiles = hop == 0 ? new BitSet() : plan.gradientsSent(hop, origin);
        if (tiles.isEmpty()) {
            return;
        }
        Ring.Transfer arriving = ring.receive(frame(frame, Pass.GRADIENT, hop, origin));
        KvBlock sums = KvBlock.of(arriving.await(device), tiles, plan);
        for (int t : tiles(tiles)) {
            kernels.add(sums.keys()[t], into.keys()[t]);
            kernels.add(sums.values()[t], into.values()[t]);
        }
        arriving.lease().release(device.record());
    }

    /**
     * Two blocks of sums in turn: one is being read by the next rank while the other is written.
     */
    private final class Travelling {
        private final KvBlock[] blocks = new KvBlock[2];
        private final Lease[] leases = {new Lease(), new Lease()};
        private final Workspace scratch;
        private final Tensor like;
        private int turn;

        Travelling(Workspace scratch, KvBlock own) {
            this.scratch = scratch;
            this.like = own.keys().length == 0 ? null : own.keys()[0];
        }

        KvBlock next(BitSet tiles) {
            turn = 1 - turn;
            if (blocks[turn] == null && !tiles.isEmpty()) {
                blocks[turn] = KvBlock.take(scratch, DType.F32, plan, like.dim(1), like.dim(2));
            }
            leases[turn].awaitFree(ring, device);
            return blocks[turn];
        }

        Lease lease() {
            return leases[turn];
        }

        void awaitFree() {
            leases[0].awaitFree(ring, device);
            leases[1].awaitFree(ring, device);
        }
    }

    private BitSet all() {
        BitSet tiles = new BitSet();
        tiles.set(0, plan.tiles());
        return tiles;
    }

    private static int[] tiles(BitSet set) {
        return set.stream().toArray();
    }

    private static Frame frame(Frame of, Pass pass, int hop, int origin) {
        return new Frame(of.step(), of.part(), of.layer(), pass, hop, origin);
    }
}
