package org.ringworld.model;

import java.util.BitSet;
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

    /** The block of one origin on a rank at one hop: its own, or tiles that arrive one by one. */
    private final class Held {
        private final int hop;
        private final int origin;
        private final KvBlock block;
        private final Lease own;
        private final Ring.Transfer[] coming;

        /** This rank's own block, at hop 0. */
        Held(KvBlock block, Lease own) {
            this(block, own, 0, ring.rank());
        }

        /** A block in this rank's own memory. */
        Held(KvBlock block, Lease own, int hop, int origin) {
            this.hop = hop;
            this.origin = origin;
            this.block = block;
            this.own = own;
            this.coming = new Ring.Transfer[plan.tiles()];
        }

        /** What the previous rank sends on from {@code hop − 1}. */
        Held(Frame frame, Pass pass, int hop, BitSet tiles, DType dtype, KvBlock like) {
            this.hop = hop;
            this.origin = plan.origin(ring.rank(), hop);
            this.block = new KvBlock(plan.tiles());
            this.own = null;
            this.coming = new Ring.Transfer[plan.tiles()];
            for (int t : tiles(tiles)) {
                long[] shape = like.tiles()[t].shape();
                coming[t] = ring.receive(frame.of(pass, hop - 1, origin, t), dtype, shape);
            }
        }

        boolean hasArrived(int tile) {
            return block.has(tile) || coming[tile].hasArrived();
        }

        KvBlock await(int tile) {
            if (!block.has(tile)) {
                block.set(tile, coming[tile].await(device));
            }
            return block;
        }

        /** Sends a tile on to the next rank; it must be here. */
        void send(Frame frame, Pass pass, int tile) {
            ring.send(
                    frame.of(pass, hop, origin, tile),
                    await(tile).tiles()[tile],
                    device.record(),
                    own != null ? own : coming[tile].lease());
        }

        void release() {
            for (Ring.Transfer transfer : coming) {
                if (transfer != null) {
                    transfer.lease().release(device.record());
                }
            }
        }
    }

    /** Sends on, in their order, the tiles of what is held that a later rank sees. */
    private final class Onward {
        private final Frame frame;
        private final Pass pass;
        private final Held held;
        private final int[] tiles;
        private int sent;

        Onward(Frame frame, Pass pass, Held held) {
            this.frame = frame;
            this.pass = pass;
            this.held = held;
            this.tiles = tiles(plan.keysSent(held.hop, held.origin));
        }

        void sendArrived() {
            while (sent < tiles.length && held.hasArrived(tiles[sent])) {
                held.send(frame, pass, tiles[sent++]);
            }
        }

        void sendRest() {
            while (sent < tiles.length) {
                held.send(frame, pass, tiles[sent++]);
            }
        }
    }

    private Held expectKeys(Frame frame, Pass pass, int hop, KvBlock own) {
        BitSet tiles = plan.keysSent(hop - 1, plan.origin(ring.rank(), hop));
        return new Held(frame, pass, hop, tiles, own.tiles()[0].dtype(), own);
    }

    /** The sums of the ranks before this one, of the block it holds at {@code hop}. */
    private Held expectSums(Frame frame, int hop, KvBlock own) {
        BitSet tiles =
                hop < 2 ? new BitSet() : plan.gradientsSent(hop - 1, plan.origin(ring.rank(), hop));
        return new Held(frame, Pass.GRADIENT, hop, tiles, DType.F32, own);
    }

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
            boolean last = hop + 1 == plan.size();
            Held next = last ? null : expectKeys(frame, Pass.FORWARD, hop + 1, own);
            Onward onward = new Onward(frame, Pass.FORWARD, held);
            for (int t : tiles(plan.sees()[ring.rank()][held.origin])) {
                onward.sendArrived();
                KvBlock keys = held.await(t);
                kernels.attention(
                        q,
                        block.positions(),
                        block.segments(),
                        keys.keys()[t],
                        keys.values()[t],
                        block.keyPositions(held.origin, plan, t),
                        block.keySegments(held.origin, plan, t),
                        scale,
                        out,
                        lse);
            }
            onward.sendRest();
            held.release();
            held = next;
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
            boolean last = hop + 1 == plan.size();
            Held earlier = expectSums(frame, hop, own);
            Held next = last ? null : expectKeys(frame, Pass.BACKWARD, hop + 1, own);
            Onward onward = new Onward(frame, Pass.BACKWARD, held);
            BitSet here = hop == 0 ? all() : plan.gradientsSent(hop, held.origin);
            KvBlock gradient = hop == 0 ? dOwn : sums.next(here);
            for (int t : tiles(here)) {
                kernels.fill(gradient.tiles()[t], 0);
            }
            for (int t : tiles(plan.sees()[rank][held.origin])) {
                onward.sendArrived();
                KvBlock keys = held.await(t);
                kernels.attentionBackward(
                        q,
                        block.positions(),
                        block.segments(),
                        keys.keys()[t],
                        keys.values()[t],
                        block.keyPositions(held.origin, plan, t),
                        block.keySegments(held.origin, plan, t),
                        scale,
                        dOut,
                        lse,
                        delta,
                        dq,
                        gradient.keys()[t],
                        gradient.values()[t]);
            }
            onward.sendRest();
            held.release();
            if (hop > 0) {
                Held mine = new Held(gradient, sums.lease(), hop, held.origin);
                for (int t : tiles(here)) {
                    addSum(earlier, gradient, t);
                    mine.send(frame, Pass.GRADIENT, t);
                }
                earlier.release();
            }
            held = next;
        }
        Held home = expectSums(frame, plan.size(), own);
        for (int t : tiles(all())) {
            addSum(home, dOwn, t);
        }
        home.release();
        sums.awaitFree();
    }

    /** Adds what the ranks before this one summed up of a tile, if they touched it. */
    private void addSum(Held earlier, KvBlock into, int tile) {
        if (earlier.coming[tile] != null) {
            kernels.add(earlier.await(tile).tiles()[tile], into.tiles()[tile]);
        }
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
}
