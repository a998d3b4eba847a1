package org.ringworld.model.attention;

import java.util.BitSet;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Frame.Pass;
import org.ringworld.model.ring.Lease;
import org.ringworld.model.ring.Ring;
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
public final class RingAttention implements Attention {
    private final Device device;
    private final Kernels kernels;
    private final Ring ring;
    private final RingPlan plan;
    private final BlockTensors block;
    private final Frame pass;
    private final LlamaConfig config;
    private final DType dtype;
    private final float scale;

    /** Of a layer's own keys and values, which the next rank reads. */
    private final Lease lease = new Lease();

    /**
     * @param pass names step and part
     * @param dtype of keys and values
     */
    public RingAttention(
            Device device,
            Ring ring,
            RingPlan plan,
            BlockTensors block,
            Frame pass,
            LlamaConfig config,
            DType dtype) {
        this.device = device;
        this.kernels = device.kernels();
        this.ring = ring;
        this.plan = plan;
        this.block = block;
        this.pass = pass;
        this.config = config;
        this.dtype = dtype;
        this.scale = (float) (1 / Math.sqrt(config.headDim()));
    }

    /** The block of one origin on a rank at one hop: its own, or tiles that arrive one by one. */
    private final class Held {
        private final int hop;
        private final int origin;
        private final KvBlock block;
        private final Lease own;
        private final Ring.Transfer[] coming;

        /** A block in this rank's own memory. */
        Held(KvBlock block, Lease own, int hop, int origin) {
            this.hop = hop;
            this.origin = origin;
            this.block = block;
            this.own = own;
            this.coming = new Ring.Transfer[plan.tiles(origin)];
        }

        /** This rank's own block, at hop 0. */
        Held(KvBlock block) {
            this(block, lease, 0, ring.rank());
        }

        /** What will come at {@code hop} from the previous rank. */
        Held(int hop) {
            this(hop, plan.origin(ring.rank(), hop));
        }

        private Held(int hop, int origin) {
            this(new KvBlock(plan.borders()[origin]), null, hop, origin);
        }

        /** The previous rank sends on a tile from {@code hop − 1}. */
        void expect(Frame frame, Pass pass, int tile, DType dtype) {
            coming[tile] =
                    ring.receive(
                            frame.of(pass, hop - 1, origin, tile),
                            dtype,
                            2L * plan.keys(origin, tile),
                            config.numKvHeads(),
                            config.headDim());
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
            for (int t = 0; t < coming.length; t++) {
                release(t);
            }
        }

        void release(int tile) {
            if (coming[tile] != null) {
                coming[tile].lease().release(device.record());
                coming[tile] = null;
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

    private Held expectKeys(Frame frame, Pass pass, int hop) {
        Held held = new Held(hop);
        for (int t : tiles(plan.keysSent(hop - 1, held.origin))) {
            held.expect(frame, pass, t, dtype);
        }
        return held;
    }

    @Override
    public KvBlock own(int layer, Workspace workspace) {
        return take(workspace, dtype);
    }

    /** Room for the F32 gradients of a layer's own keys and values. */
    public KvBlock ownGradients(Workspace workspace) {
        return take(workspace, DType.F32);
    }

    private KvBlock take(Workspace workspace, DType dtype) {
        int[] borders = plan.borders()[ring.rank()];
        return KvBlock.take(workspace, dtype, borders, config.numKvHeads(), config.headDim());
    }

    @Override
    public void awaitFree() {
        lease.awaitFree(ring, device);
    }

    @Override
    public void forward(int layer, Tensor q, KvBlock own, Tensor out, Tensor max, Tensor sum) {
        Frame frame = pass.ofLayer(layer);
        kernels.fill(out, 0);
        kernels.fill(max, Float.NEGATIVE_INFINITY);
        kernels.fill(sum, 0);
        Held held = new Held(own);
        for (int hop = 0; hop < plan.size(); hop++) {
            boolean last = hop + 1 == plan.size();
            Held next = last ? null : expectKeys(frame, Pass.FORWARD, hop + 1);
            Onward onward = new Onward(frame, Pass.FORWARD, held);
            for (int t : tiles(plan.sees()[ring.rank()][held.origin])) {
                onward.sendArrived();
                KvBlock keys = held.await(t);
                kernels.attention(
                        q,
                        block.sees(),
                        block.segments(),
                        keys.keys()[t],
                        keys.values()[t],
                        block.keyPositions(held.origin, plan, t),
                        block.keySegments(held.origin, plan, t),
                        scale,
                        out,
                        max,
                        sum);
            }
            onward.sendRest();
            held.release();
            held = next;
        }
    }

    /**
     * The gradients of {@link #forward}: dq, F32 [S,H,D], and dOwn, the F32 gradients of this
     * rank's keys and values, are written. The own keys and values are not to be written to before
     * {@link #awaitFree}.
     *
     * @param dOut values [S,H,D]
     * @param max and sum, as forward wrote them
     * @param delta F32 [S,H]: dOut · out of each query and head
     */
    public void backward(
            int layer,
            Tensor q,
            KvBlock own,
            Tensor dOut,
            Tensor max,
            Tensor sum,
            Tensor delta,
            Tensor dq,
            KvBlock dOwn,
            Workspace scratch) {
        Frame frame = pass.ofLayer(layer);
        kernels.fill(dq, 0);
        Queries queries = new Queries(q, dOut, max, sum, delta, dq);
        int[] seenOwn = tiles(plan.sees()[ring.rank()][ring.rank()]);
        // One tile of its own is left for the time in which the last sums travel home.
        int left = plan.size() == 1 ? 0 : Math.min(1, seenOwn.length);
        TravellingSums sums =
                new TravellingSums(
                        ring, device, plan, scratch, config.numKvHeads(), config.headDim());
        Held held = new Held(own);
        Held earlier = new Held(0);
        for (int hop = 0; hop < plan.size(); hop++) {
            boolean last = hop + 1 == plan.size();
            Held next = last ? null : expectKeys(frame, Pass.BACKWARD, hop + 1);
            Onward onward = new Onward(frame, Pass.BACKWARD, held);
            BitSet here = hop == 0 ? allOwn() : plan.gradientsSent(hop, held.origin);
            KvBlock gradient = hop == 0 ? dOwn : sums.next(held.origin, here);
            for (int t : tiles(here)) {
                kernels.fill(gradient.tiles()[t], 0);
            }
            Homeward homeward = new Homeward(frame, hop, gradient, sums.lease(), earlier);
            int[] seen = tiles(plan.sees()[ring.rank()][held.origin]);
            for (int i = 0; i < seen.length - (hop == 0 ? left : 0); i++) {
                onward.sendArrived();
                queries.backward(held, seen[i], gradient);
                homeward.finished(seen[i]);
            }
            onward.sendRest();
            homeward.sendRest();
            held.release();
            held = next;
            earlier = homeward.following;
        }
        if (left == 1) {
            queries.backward(new Held(own), seenOwn[seenOwn.length - 1], dOwn);
        }
        for (int t : tiles(allOwn())) {
            addSum(earlier, dOwn, t);
        }
        sums.awaitFree();
    }

    /** What each query brings to backward, and what it gets. */
    private final class Queries {
        private final Tensor q;
        private final Tensor dOut;
        private final Tensor max;
        private final Tensor sum;
        private final Tensor delta;
        private final Tensor dq;

        Queries(Tensor q, Tensor dOut, Tensor max, Tensor sum, Tensor delta, Tensor dq) {
            this.q = q;
            this.dOut = dOut;
            this.max = max;
            this.sum = sum;
            this.delta = delta;
            this.dq = dq;
        }

        void backward(Held held, int tile, KvBlock gradient) {
            KvBlock keys = held.await(tile);
            kernels.attentionBackward(
                    q,
                    block.sees(),
                    block.segments(),
                    keys.keys()[tile],
                    keys.values()[tile],
                    block.keyPositions(held.origin, plan, tile),
                    block.keySegments(held.origin, plan, tile),
                    scale,
                    dOut,
                    max,
                    sum,
                    delta,
                    dq,
                    gradient.keys()[tile],
                    gradient.values()[tile]);
        }
    }

    /**
     * Sums of one hop on their way home: to a tile that this rank has done it adds what the ranks
     * before it summed up, and sends it on while the next tile is worked on. With each tile that
     * goes, memory for the one of the next hop is set aside.
     */
    private final class Homeward {
        private final Frame frame;
        private final Held sums;
        private final Held earlier;
        private final BitSet left;

        /** What comes from the ranks before this one at the next hop, at last of its own block. */
        private final Held following;

        private final BitSet expected;

        Homeward(Frame frame, int hop, KvBlock sums, Lease lease, Held earlier) {
            this.frame = frame;
            this.sums = new Held(sums, lease, hop, plan.origin(ring.rank(), hop));
            this.earlier = earlier;
            this.left = plan.gradientsSent(hop, this.sums.origin);
            this.following = new Held(hop + 1);
            this.expected = plan.gradientsSent(hop, following.origin);
        }

        /** This rank has done a tile; it goes unless one must be waited for that comes to it. */
        void finished(int tile) {
            if (left.get(tile) && (earlier.coming[tile] == null || earlier.hasArrived(tile))) {
                send(tile);
            }
        }

        void sendRest() {
            for (int t : tiles(left)) {
                send(t);
            }
            for (int t : tiles(expected)) {
                expect(t);
            }
        }

        private void send(int tile) {
            left.clear(tile);
            addSum(earlier, sums.block, tile);
            sums.send(frame, Pass.GRADIENT, tile);
            if (expected.get(tile)) {
                expect(tile);
            }
        }

        private void expect(int tile) {
            expected.clear(tile);
            following.expect(frame, Pass.GRADIENT, tile, DType.F32);
        }
    }

    /** Adds what the ranks before this one summed up of a tile, if they touched it. */
    private void addSum(Held earlier, KvBlock into, int tile) {
        if (earlier.coming[tile] != null) {
            kernels.add(earlier.await(tile).tiles()[tile], into.tiles()[tile]);
            earlier.release(tile);
        }
    }

    private BitSet allOwn() {
        BitSet tiles = new BitSet();
        tiles.set(0, plan.tiles(ring.rank()));
        return tiles;
    }

    private static int[] tiles(BitSet set) {
        return set.stream().toArray();
    }
}
