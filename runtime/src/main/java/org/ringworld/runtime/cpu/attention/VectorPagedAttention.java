package org.ringworld.runtime.cpu.attention;

import static org.ringworld.runtime.cpu.attention.AttentionTile.SCORES_ROW;
import static org.ringworld.runtime.cpu.device.Lanes.get;
import static org.ringworld.runtime.cpu.device.Lanes.getInt;
import static org.ringworld.runtime.cpu.device.Lanes.load;
import static org.ringworld.runtime.cpu.device.Lanes.set;

import java.lang.foreign.MemorySegment;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;
import org.ringworld.runtime.cpu.elementwise.Staging;
import org.ringworld.runtime.cpu.elementwise.VectorMath;
import org.ringworld.runtime.cpu.matmul.MicroKernel;

/**
 * Attention to pages, as in decoding: memory is read once, from end to end, and that is its speed.
 * An item is some pages of one sequence with all heads: a few keys at a time come to F32 rows in
 * the second cache, where the queries of every head find them. The partial results of a sequence
 * are merged when all are there.
 */
public final class VectorPagedAttention {
    /** Keys of an item: enough to be worth a merge, few enough to keep all threads busy. */
    private static final int KEYS_OF_ITEM = 512;

    /** Keys and values that are staged together: a share of a second cache. */
    private static final int STAGED_BYTES = 256 << 10;

    /** Places that a page is a multiple of. */
    private static final int PAGE = KernelShapes.PAGE_GRAIN;

    /** Rows of queries of one KV head that are computed together. */
    private static final int ROWS = AttentionTile.SIDE;

    private final WorkerTeam team;
    private final Scratch scratch;

    public VectorPagedAttention(WorkerTeam team, Scratch scratch) {
        this.team = team;
        this.scratch = scratch;
    }

    /** Keys that are staged together: a page is whole numbers of them. */
    private static int stagedKeys(KernelShapes.Paged shape) {
        long bytes = 8L * shape.g() * Lanes.pad(shape.d());
        int most = Math.clamp(STAGED_BYTES / bytes, 1, AttentionTile.SIDE);
        int step = Integer.highestOneBit(most);
        return step > PAGE && shape.t() % step == 0 ? step : PAGE;
    }

    /** Bytes of a row of a partial result: the mean, the greatest score, the sum. */
    private static long partialBytes(KernelShapes.Paged shape) {
        return 4L * (Lanes.pad(shape.d()) + 2);
    }

    /**
     * How a call is cut, whatever the team: item i is of sequence {@code sequence[i]}.
     *
     * @param first the first item of each sequence [B+1]
     * @param at where its partial results begin, in rows
     */
    private record Cut(int[] sequence, int[] first, long[] at, int pages) {
        static Cut of(PagedCall call) {
            int pages = Math.max(1, KEYS_OF_ITEM / call.shape().t());
            int sequences = call.table().sequences();
            int[] first = new int[sequences + 1];
            for (int b = 0; b < sequences; b++) {
                int all = call.border(b + 1) - call.border(b);
                first[b + 1] = first[b] + Math.max(1, (all + pages - 1) / pages);
            }
            int[] sequence = new int[first[sequences]];
            long[] at = new long[sequence.length + 1];
            for (int b = 0; b < sequences; b++) {
                long rows = (long) (call.query(b + 1) - call.query(b)) * call.shape().h();
                for (int item = first[b]; item < first[b + 1]; item++) {
                    sequence[item] = b;
                    at[item + 1] = at[item] + rows;
                }
            }
            return new Cut(sequence, first, at, pages);
        }

        int items() {
            return sequence.length;
        }
    }

    public void run(PagedCall call) {
        Cut cut = Cut.of(call);
        long partials = scratch.shared(cut.at[cut.items()] * partialBytes(call.shape()));
        team.run(cut.items(), (item, worker) -> item(call, cut, item, partials, worker));
        team.run(call.table().sequences(), (b, _) -> merge(call, cut, b, partials));
    }

    private void item(PagedCall call, Cut cut, int item, long partials, int worker) {
        int b = cut.sequence[item];
        int from = call.border(b) + (item - cut.first[b]) * cut.pages;
        int end = Math.min(call.border(b + 1), from + cut.pages);
        int queries = Math.max(1, ROWS / call.shape().group());
        long to = partials + cut.at[item] * partialBytes(call.shape());
        for (int q = call.query(b); q < call.query(b + 1); q += queries) {
            int n = Math.min(queries, call.query(b + 1) - q);
            new Block(call, q, n, scratch, worker).run(from, end, to);
            to += (long) n * call.shape().h() * partialBytes(call.shape());
        }
    }

    /** Puts the parts of a sequence together, in their order, and writes them out. */
    private static void merge(PagedCall call, Cut cut, int b, long partials) {
        int d = call.shape().d();
        long rows = cut.at[cut.first[b] + 1] - cut.at[cut.first[b]];
        long mean = 4L * Lanes.pad(d);
        for (long row = 0; row < rows; row++) {
            long own = partials + (cut.at[cut.first[b]] + row) * partialBytes(call.shape());
            for (int item = cut.first[b] + 1; item < cut.first[b + 1]; item++) {
                long other = partials + (cut.at[item] + row) * partialBytes(call.shape());
                VectorAttentionMerge.row(
                        other,
                        get(other + mean),
                        get(other + mean + 4),
                        own,
                        own + mean,
                        own + mean + 4,
                        d);
            }
            long to = (long) call.query(b) * call.shape().h() + row;
            MemorySegment.copy(
                    Lanes.MEMORY, own, Lanes.MEMORY, call.out().address() + 4 * to * d, 4L * d);
            set(call.max().address() + 4 * to, get(own + mean));
            set(call.sum().address() + 4 * to, get(own + mean + 4));
        }
    }

    /** Some queries of a sequence and their state, of all heads. */
    private static final class Block {
        private final PagedCall call;
        private final int firstQuery;
        private final int queries;
        private final int d;
        private final int group;
        private final int step;
        private final int rows;
        private final int whole;
        private final long row;
        private final long keyRow;
        private final long headBytes;
        private final long heads;
        private final long keys;
        private final long values;
        private final long scores;
        private final long spans;

        Block(PagedCall call, int firstQuery, int queries, Scratch scratch, int worker) {
            this.call = call;
            this.firstQuery = firstQuery;
            this.queries = queries;
            this.d = call.shape().d();
            this.group = call.shape().group();
            this.step = stagedKeys(call.shape());
            this.rows = queries * group;
            this.whole = AttentionTile.wholeRows(rows);
            this.row = 4L * Lanes.pad(d);
            this.headBytes = 2 * whole * row + SoftmaxState.bytes(whole);
            this.keyRow = call.shape().g() * row + Lanes.BYTES;
            long staged = step * keyRow;
            this.heads =
                    scratch.of(
                            worker,
                            call.shape().g() * headBytes
                                    + 2 * staged
                                    + whole * SCORES_ROW
                                    + Spans.BYTES
                                    + 4 * Lanes.BYTES);
            this.keys = heads + call.shape().g() * headBytes;
            this.values = keys + staged;
            this.scores = values + staged;
            this.spans = scores + whole * SCORES_ROW;
        }

        /** Attends to pages [from, end) of the table and writes the partial result. */
        void run(int from, int end, long to) {
            begin();
            for (int i = from; i < end; i++) {
                long page = call.page(i);
                for (int key = 0; key < call.shape().t(); key += step) {
                    step(page, key);
                }
            }
            write(to);
        }

        private void begin() {
            Lanes.MEMORY.asSlice(heads, call.shape().g() * headBytes).fill((byte) 0);
            Lanes.MEMORY.asSlice(scores, whole * SCORES_ROW).fill((byte) 0);
            for (int g = 0; g < call.shape().g(); g++) {
                for (int r = 0; r < rows; r++) {
                    AttentionTile.stageRow(
                            call.q(),
                            g * group + r % group,
                            firstQuery + r / group,
                            call.scale() * VectorMath.LOG2_E,
                            queriesOf(g) + r * row);
                    set(softmax(g).maximum(r), Float.NEGATIVE_INFINITY);
                }
            }
            Spans.all(spans, whole / MicroKernel.ROWS, step);
        }

        private long queriesOf(int g) {
            return heads + g * headBytes;
        }

        private long sumsOf(int g) {
            return queriesOf(g) + whole * row;
        }

        private SoftmaxState softmax(int g) {
            return new SoftmaxState(whole, sumsOf(g) + whole * row);
        }

        /** Some keys of a page, of all heads. */
        private void step(long page, int key) {
            long positions = call.kPositions().address() + 4 * (page * call.shape().t() + key);
            int least = Integer.MAX_VALUE;
            int greatest = Integer.MIN_VALUE;
            for (int k = 0; k < step; k++) {
                int position = getInt(positions + 4L * k);
                least = Math.min(least, position);
                greatest = Math.max(greatest, position);
            }
            if (least > position(queries - 1)) {
                return; // queries are in order: nobody sees any of them
            }
            Tensor pool = call.tensorOf(page);
            stage(pool, 2 * call.rowOf(page), key, keys);
            stage(pool, 2 * call.rowOf(page) + 1, key, values);
            boolean hidden = greatest > position(0);
            for (int g = 0; g < call.shape().g(); g++) {
                head(g, hidden, positions);
            }
        }

        private int position(int query) {
            return call.qPosition(firstQuery + query);
        }

        /**
         * Keys, or values, of the half of a page from {@code first} on as [step, G, d] in F32. One
         * vector lies between the rows: at a power of two they would meet in a few sets of the
         * cache.
         */
        private void stage(Tensor pool, long half, int first, long to) {
            DType dtype = pool.dtype();
            int heads = call.shape().g();
            long bytes = (long) heads * d * dtype.bytes();
            long from = pool.address() + (half * call.shape().t() + first) * bytes;
            for (int k = 0; k < step; k++) {
                if (dtype != DType.I8 && d % Lanes.COUNT == 0) {
                    Staging.load(dtype, from + k * bytes, heads * d, to + k * keyRow);
                    continue;
                }
                for (int g = 0; g < heads; g++) {
                    float scale = pool.scales() == null ? 1 : scale(pool, half * heads + g);
                    long head = from + k * bytes + (long) g * d * dtype.bytes();
                    AttentionTile.stageRow(dtype, head, d, scale, to + k * keyRow + g * row);
                }
            }
        }

        private static float scale(Tensor pool, long group) {
            return get(pool.scales().address() + 4 * group);
        }

        private void head(int g, boolean hidden, long positions) {
            AttentionTile.fewScores(
                    queriesOf(g),
                    rows,
                    d,
                    keys + g * row,
                    keyRow,
                    step,
                    spans + Spans.BYTES,
                    scores);
            SoftmaxState state = softmax(g);
            for (int r = 0; r < rows; r++) {
                long own = scores + r * SCORES_ROW;
                if (hidden) {
                    hide(position(r / group), positions, own);
                }
                VectorAttention.softmaxRow(own, step, state, r, sumsOf(g) + r * row, Lanes.pad(d));
            }
            AttentionTile.combine(
                    scores,
                    SCORES_ROW,
                    4,
                    whole,
                    spans,
                    values + g * row,
                    keyRow,
                    d,
                    sumsOf(g),
                    true);
        }

        private void hide(int position, long positions, long row) {
            for (int k = 0; k < step; k++) {
                if (getInt(positions + 4L * k) > position) {
                    set(row + 4L * k, Float.NEGATIVE_INFINITY);
                }
            }
        }

        private void write(long to) {
            for (int r = 0; r < rows; r++) {
                for (int g = 0; g < call.shape().g(); g++) {
                    SoftmaxState state = softmax(g);
                    float total = Lanes.sum(load(state.total(r)));
                    int head = g * group + r % group;
                    long at =
                            to
                                    + ((long) (r / group) * call.shape().h() + head)
                                            * partialBytes(call.shape());
                    SoftmaxState.scale(
                            sumsOf(g) + r * row, Lanes.pad(d), total == 0 ? 0 : 1 / total, at);
                    set(at + row, get(state.maximum(r)));
                    set(at + row + 4, total);
                }
            }
        }
    }
}
