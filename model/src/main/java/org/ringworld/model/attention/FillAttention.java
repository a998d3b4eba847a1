package org.ringworld.model.attention;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.FillPlan.Way;
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
 * Attention of new tokens of sequences, each computed on the rank that has its page, to all that
 * stand in the pages of all ranks. What lies on one rank stays there. Else either the queries go to
 * all ranks and what they found comes back (pass-Q), or the pages' keys and values go to all
 * queries (pass-KV): Yang et al. 2024, Context Parallelism for Scalable Million-Token Inference
 * (arXiv 2411.01783), §3.
 */
public final class FillAttention implements Attention {
    private final Device device;
    private final Kernels kernels;
    private final LlamaConfig config;
    private final PageMemory memory;
    private final PagedAttention paged;
    private final Ring ring;
    private final DType dtype;
    private final boolean pageByPage;
    private final Workspace scratch;
    // The other ranks, each rank beginning with the one behind it.
    private final int[] others;
    private Batch batch;

    /**
     * Positions [from, to) of a sequence, whose keys and values are to be computed; those before
     * are there.
     *
     * @param asked position from which on outputs are asked for; of those before it the last layer
     *     gives keys and values alone
     */
    public record Fill(SequencePages pages, int from, int to, int asked) {
        Fill(SequencePages pages, int from, int to) {
            this(pages, from, to, from);
        }
    }

    /**
     * Tokens of a fill that lie together on one page.
     *
     * @param fill its place in what was begun
     * @param from position of the first
     * @param to behind the last
     */
    public record Tile(int fill, int from, int to) {
        int tokens() {
            return to - from;
        }
    }

    /**
     * Queries on the device.
     *
     * @param of each rank those that look into this one's pages; of this rank: all
     */
    private record Asking(FillPlan plan, List<PagedAttention.Queries> of) {
        List<Tile> tiles(int rank) {
            return plan.tiles().get(rank);
        }
    }

    /**
     * A batch on the device.
     *
     * @param borders of this rank's tiles, in rows
     * @param all that ask in every layer but the last
     * @param last that ask there
     */
    private record Batch(Frame frame, int[] borders, Asking all, Asking last) {}

    /**
     * @param ring of this rank
     * @param pageByPage whether the tokens of a page are computed alike, whatever is read with them
     * @param scratch for what is needed within a layer
     */
    public FillAttention(
            Device device,
            LlamaConfig config,
            PageMemory memory,
            PagedAttention paged,
            Ring ring,
            DType dtype,
            boolean pageByPage,
            Workspace scratch) {
        this.device = device;
        this.kernels = device.kernels();
        this.config = config;
        this.memory = memory;
        this.paged = paged;
        this.ring = ring;
        this.dtype = dtype;
        this.pageByPage = pageByPage;
        this.scratch = scratch;
        this.others = new int[ring.size() - 1];
        Arrays.setAll(others, i -> (ring.rank() + 1 + i) % ring.size());
    }

    /**
     * These tokens are computed next, by all ranks: all layers put their keys and values into the
     * pages.
     *
     * @param frame names what travels
     * @param workspace holds what the batch needs until the next one begins
     * @return this rank's tokens, in the order of its rows
     */
    public List<Tile> begin(List<Fill> fills, Frame frame, Workspace workspace) {
        FillPlan plan = FillPlan.of(fills, config, pageByPage, ring.size());
        boolean allAsked = fills.stream().allMatch(fill -> fill.asked == fill.from);
        List<Fill> asked =
                fills.stream().map(fill -> new Fill(fill.pages, fill.asked, fill.to)).toList();
        FillPlan last = allAsked ? plan : FillPlan.of(asked, config, pageByPage, ring.size());
        begin(plan, last, frame, workspace);
        return batch.all.tiles(ring.rank());
    }

    /** Of this rank's tokens those whose outputs are asked for, in the last layer's order. */
    public List<Tile> asked() {
        return batch.last.tiles(ring.rank());
    }

    /** As {@link #begin(List, Frame, Workspace)}, whatever would be cheaper. */
    void begin(FillPlan plan, FillPlan last, Frame frame, Workspace workspace) {
        memory.settle();
        List<Tile> own = plan.tiles().get(ring.rank());
        int[] borders = new int[own.size() + 1];
        for (int t = 0; t < own.size(); t++) {
            Tile tile = own.get(t);
            int number = plan.fills().get(tile.fill).pages.number(tile.from);
            memory.place(number, tile.from % PageMemory.TOKENS, tile.from, tile.tokens());
            borders[t + 1] = borders[t] + tile.tokens();
        }
        Asking all = asking(plan, workspace);
        batch = new Batch(frame, borders, all, last == plan ? all : asking(last, workspace));
    }

    private Asking asking(FillPlan plan, Workspace workspace) {
        List<PagedAttention.Queries> queries = new ArrayList<>();
        for (int rank = 0; rank < ring.size(); rank++) {
            boolean all = rank == ring.rank();
            List<Tile> some =
                    plan.tiles().get(rank).stream()
                            .filter(tile -> all || plan.ways().get(tile.fill) == Way.PASS_QUERIES)
                            .toList();
            queries.add(some.isEmpty() ? null : queries(plan.fills(), some, workspace));
        }
        return new Asking(plan, queries);
    }

    /** What these tokens look for in this rank's pages. */
    private PagedAttention.Queries queries(
            List<Fill> fills, List<Tile> tiles, Workspace workspace) {
        List<PagedAttention.Part> parts = new ArrayList<>();
        int[] positions = new int[tiles.stream().mapToInt(Tile::tokens).sum()];
        int row = 0;
        for (int first = 0; first < tiles.size(); ) {
            int f = tiles.get(first).fill;
            int end = first;
            int begin = row;
            while (end < tiles.size()
                    && tiles.get(end).fill == f
                    && (end == first || !pageByPage)) {
                for (int at = tiles.get(end).from; at < tiles.get(end).to; at++) {
                    positions[row++] = at;
                }
                end++;
            }
            Fill fill = fills.get(f);
            int to = pageByPage ? tiles.get(first).to : fill.to;
            parts.add(new PagedAttention.Part(row - begin, fill.pages.of(ring.rank(), to)));
            first = end;
        }
        return paged.prepare(parts, positions, workspace);
    }

    /** Positions of this rank's tokens, I32 [S]; null where it has none. */
    public Tensor positions() {
        return positions(batch.all);
    }

    /** Positions of the tokens that are {@link #asked}, likewise. */
    public Tensor askedPositions() {
        return positions(batch.last);
    }

    private Tensor positions(Asking asking) {
        PagedAttention.Queries own = asking.of.get(ring.rank());
        return own == null ? null : own.positions();
    }

    private Asking asking(int layer) {
        return layer == config.numLayers() - 1 ? batch.last : batch.all;
    }

    @Override
    public KvBlock own(int layer, Workspace workspace) {
        List<Tile> own = batch.all.tiles(ring.rank());
        Tensor[] keys = new Tensor[own.size()];
        Tensor[] values = new Tensor[own.size()];
        for (int t = 0; t < keys.length; t++) {
            Tile tile = own.get(t);
            int number = batch.all.plan.fills().get(tile.fill).pages.number(tile.from);
            int place = tile.from % PageMemory.TOKENS;
            keys[t] = memory.keys(layer, number, place, tile.tokens());
            values[t] = memory.values(layer, number, place, tile.tokens());
        }
        return new KvBlock(batch.borders, new Tensor[keys.length], keys, values);
    }

    @Override
    public void forward(int layer, Tensor q, KvBlock own, Tensor out, Tensor max, Tensor sum) {
        paged.attend(layer, asking(layer).of.get(ring.rank()), q, out, max, sum);
        passQueries(layer, q, out, max, sum);
        passKeys(layer, q, out, max, sum);
        memory.complete(layer);
    }

    /** A rank that asks nothing itself in a layer answers others' queries. */
    public void help(int layer) {
        passQueries(layer, null, null, null, null);
        passKeys(layer, null, null, null, null);
        memory.complete(layer);
    }

    private void passQueries(int layer, Tensor q, Tensor out, Tensor max, Tensor sum) {
        Workspace.Mark mark = scratch.mark();
        int me = ring.rank();
        Frame frame = batch.frame.ofLayer(layer);
        FillPlan plan = asking(layer).plan;
        int sent = plan.sent()[me];
        List<Lease> leases = new ArrayList<>();
        Lease asked = new Lease();
        leases.add(asked);
        for (int other : others) {
            if (plan.helps()[other][me]) {
                ring.send(
                        other,
                        frame.of(Pass.QUERIES, 0, me, 0),
                        q.rows(0, sent),
                        device.record(),
                        asked);
            }
        }
        for (int other : others) {
            if (plan.helps()[me][other]) {
                leases.add(answer(layer, other, frame));
            }
        }
        for (int other : others) {
            if (plan.helps()[other][me]) {
                Ring.Transfer found =
                        ring.receive(
                                other,
                                frame.of(Pass.FOUND, 0, other, 0),
                                DType.F32,
                                AttentionState.size(sent, heads(), dim()));
                AttentionState state = AttentionState.in(found.await(device), sent, heads(), dim());
                kernels.attentionMerge(
                        state.out(),
                        state.max(),
                        state.sum(),
                        out.rows(0, sent),
                        max.rows(0, sent),
                        sum.rows(0, sent));
                found.lease().release(device.record());
            }
        }
        leases.forEach(lease -> lease.awaitFree(ring, device));
        scratch.release(mark);
    }

    /** What another rank's queries find in this one's pages. */
    private Lease answer(int layer, int other, Frame frame) {
        Asking asking = asking(layer);
        int n = asking.plan.sent()[other];
        Ring.Transfer asked =
                ring.receive(other, frame.of(Pass.QUERIES, 0, other, 0), dtype, n, heads(), dim());
        AttentionState state = AttentionState.take(scratch, n, heads(), dim());
        paged.attend(
                layer,
                asking.of.get(other),
                asked.await(device),
                state.out(),
                state.max(),
                state.sum());
        asked.lease().release(device.record());
        Lease lease = new Lease();
        ring.send(
                other,
                frame.of(Pass.FOUND, 0, ring.rank(), 0),
                state.flat(),
                device.record(),
                lease);
        return lease;
    }

    private void passKeys(int layer, Tensor q, Tensor out, Tensor max, Tensor sum) {
        Asking asking = asking(layer);
        int row = asking.plan.sent()[ring.rank()];
        for (int f = 0; f < asking.plan.fills().size(); f++) {
            if (asking.plan.ways().get(f) == Way.PASS_KEYS) {
                int fill = f;
                int rows =
                        asking.tiles(ring.rank()).stream()
                                .filter(tile -> tile.fill == fill)
                                .mapToInt(Tile::tokens)
                                .sum();
                int end = row + rows;
                passKeys(
                        layer,
                        f,
                        rows == 0 ? null : q.rows(row, end),
                        rows == 0 ? null : positions(asking).rows(row, end),
                        rows == 0 ? null : out.rows(row, end),
                        rows == 0 ? null : max.rows(row, end),
                        rows == 0 ? null : sum.rows(row, end));
                row = end;
            }
        }
    }

    /** Some pages of each rank at a time, so that what is on its way needs bounded memory. */
    private void passKeys(
            int layer, int f, Tensor q, Tensor positions, Tensor out, Tensor max, Tensor sum) {
        Workspace.Mark mark = scratch.mark();
        Asking asking = asking(layer);
        Fill fill = asking.plan.fills().get(f);
        int[][] pages = new int[ring.size()][];
        int most = 0;
        for (int rank = 0; rank < pages.length; rank++) {
            pages[rank] = fill.pages.of(rank, fill.to);
            most = Math.max(most, Math.ceilDiv(pages[rank].length, PagedAttention.TOGETHER));
        }
        Outgoing[] outgoing = {new Outgoing(), new Outgoing()};
        Tensor one = q == null ? null : asking.of.get(ring.rank()).one();
        for (int tile = 0; tile < most; tile++) {
            Frame frame = batch.frame.ofLayer(layer).of(Pass.FORWARD, f, 0, 2 * tile);
            send(layer, f, pages[ring.rank()], tile, frame, outgoing[tile % 2]);
            for (int other : others) {
                int n = tokens(pages[other], tile);
                if (q == null || n == 0) {
                    continue;
                }
                Ring.Transfer keys =
                        ring.receive(other, frame.from(other), dtype, 2L * n, kvHeads(), dim());
                Ring.Transfer where =
                        ring.receive(
                                other,
                                batch.frame.ofLayer(layer).of(Pass.FORWARD, f, other, 2 * tile + 1),
                                DType.I32,
                                n);
                Tensor both = keys.await(device);
                kernels.attention(
                        q,
                        positions,
                        one.rows(0, q.dim(0)),
                        both.rows(0, n),
                        both.rows(n, 2L * n),
                        where.await(device),
                        one.rows(0, n),
                        paged.scale(),
                        out,
                        max,
                        sum);
                keys.lease().release(device.record());
                where.lease().release(device.record());
            }
        }
        for (Outgoing sent : outgoing) {
            sent.lease.awaitFree(ring, device);
        }
        scratch.release(mark);
    }

    /** Memory that goes to other ranks, and who still reads it. */
    private static final class Outgoing {
        private Lease lease = new Lease();
        private Tensor both;
        private Tensor where;
    }

    private void send(int layer, int f, int[] pages, int tile, Frame frame, Outgoing to) {
        int n = tokens(pages, tile);
        if (n == 0) {
            return;
        }
        to.lease.awaitFree(ring, device);
        if (to.both == null) {
            long most = PagedAttention.TOGETHER * PageMemory.TOKENS;
            to.both = scratch.take(dtype, 2 * most, kvHeads(), dim());
            to.where = scratch.take(DType.I32, most);
        }
        int from = tile * PagedAttention.TOGETHER;
        int end = from + n / PageMemory.TOKENS;
        Tensor both = to.both.rows(0, 2L * n);
        paged.together(layer, pages, from, end, both);
        Tensor where = to.where.rows(0, n);
        int[] some = Arrays.copyOfRange(pages, from, end);
        BlockTensors.copy(device, memory.positions(some), where);
        to.lease = new Lease();
        int me = ring.rank();
        for (int other : others) {
            boolean asks = asking(layer).tiles(other).stream().anyMatch(t -> t.fill == f);
            if (asks) {
                ring.send(other, frame.from(me), both, device.record(), to.lease);
                Frame second = batch.frame.ofLayer(layer).of(Pass.FORWARD, f, me, 2 * tile + 1);
                ring.send(other, second, where, device.record(), to.lease);
            }
        }
    }

    /** Places of a rank's pages that go together as its tile. */
    private static int tokens(int[] pages, int tile) {
        int left = pages.length - tile * PagedAttention.TOGETHER;
        return Math.clamp(left, 0, PagedAttention.TOGETHER) * PageMemory.TOKENS;
    }

    private long heads() {
        return config.numHeads();
    }

    private long kvHeads() {
        return config.numKvHeads();
    }

    private long dim() {
        return config.headDim();
    }

    @Override
    public void awaitFree() {
        // Nobody else reads the pages.
    }
}
