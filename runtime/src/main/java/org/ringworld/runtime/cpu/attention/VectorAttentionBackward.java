package org.ringworld.runtime.cpu.attention;

import static jdk.incubator.vector.FloatVector.fromMemorySegment;
import static org.ringworld.runtime.cpu.attention.AttentionTile.SCORES_ROW;
import static org.ringworld.runtime.cpu.attention.AttentionTile.SIDE;
import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.get;
import static org.ringworld.runtime.cpu.device.Lanes.load;
import static org.ringworld.runtime.cpu.device.Lanes.set;
import static org.ringworld.runtime.cpu.device.Lanes.store;
import static org.ringworld.runtime.cpu.elementwise.VectorMath.LN_2;
import static org.ringworld.runtime.cpu.elementwise.VectorMath.LOG2_E;
import static org.ringworld.runtime.cpu.matmul.MicroKernel.ROWS;

import jdk.incubator.vector.FloatVector;
import org.ringworld.runtime.cpu.attention.TileRanges.Sight;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.elementwise.VectorMath;
import org.ringworld.runtime.cpu.matmul.MicroKernel;

/** Attention backward by the vector micro-kernel: operands staged as F32 tiles. */
public final class VectorAttentionBackward implements KeyClasses.Backward {
    /** Tiles of keys that a tile of queries, once staged, is taken through. */
    private static final int KEY_TILES = 4;

    private final Scratch scratch;
    private final AttentionGradients call;
    private final TileRanges queries;
    private final TileRanges keys;

    public VectorAttentionBackward(Scratch scratch, AttentionGradients call) {
        this.scratch = scratch;
        this.call = call;
        this.queries = new TileRanges(call.qPositions(), call.qSegments(), SIDE);
        this.keys = new TileRanges(call.kPositions(), call.kSegments(), SIDE);
    }

    @Override
    public int queriesOfATile() {
        return SIDE;
    }

    @Override
    public int tiles() {
        return queries.tiles();
    }

    @Override
    public long firstQuery(int tile) {
        return queries.start(tile);
    }

    @Override
    public int keyTiles() {
        return keys.tiles();
    }

    /** Addresses of a worker's tile of queries and what it forms with a tile of keys. */
    private record Queries(long q, long dOut, long dq, long p, long ds, long max, long delta) {
        static long bytes(int d) {
            return 3 * AttentionTile.rowsBytes(d) + 2 * SIDE * SCORES_ROW + 8 * SIDE;
        }

        static Queries at(long base, int d) {
            long rows = AttentionTile.rowsBytes(d);
            long p = base + 3 * rows;
            long max = p + 2 * SIDE * SCORES_ROW;
            return new Queries(
                    base,
                    base + rows,
                    base + 2 * rows,
                    p,
                    p + SIDE * SCORES_ROW,
                    max,
                    max + 4 * SIDE);
        }
    }

    /** Addresses of a worker's tile of keys. */
    private record Keys(
            long k,
            long kPanels,
            long vPanels,
            long dk,
            long dv,
            long staged,
            long spans,
            long keySpans) {
        static long bytes(int d) {
            return 5 * AttentionTile.rowsBytes(d) + 8 * SIDE + 2 * Spans.BYTES;
        }

        static Keys at(long base, int d) {
            long rows = AttentionTile.rowsBytes(d);
            long staged = base + 5 * rows;
            return new Keys(
                    base,
                    base + rows,
                    base + 2 * rows,
                    base + 3 * rows,
                    base + 4 * rows,
                    staged,
                    staged + 8 * SIDE,
                    staged + 8 * SIDE + Spans.BYTES);
        }
    }

    @Override
    public void run(int kvHead, int of, int classes, int from, int end, long dq, int worker) {
        int d = call.shape().d();
        long base = scratch.of(worker, Queries.bytes(d) + KEY_TILES * Keys.bytes(d));
        Queries tile = Queries.at(base, d);
        Keys[] keyTiles = new Keys[KEY_TILES];
        for (int i = 0; i < KEY_TILES; i++) {
            keyTiles[i] = Keys.at(base + Queries.bytes(d) + i * Keys.bytes(d), d);
        }
        for (int first = of; first < keys.tiles(); first += classes * KEY_TILES) {
            keyTiles(kvHead, first, classes, from, end, dq, tile, keyTiles);
        }
    }

    /** Tiles of keys {@code first}, first + step, …, as many as there is room for. */
    private void keyTiles(
            int kvHead,
            int first,
            int step,
            int from,
            int end,
            long dq,
            Queries tile,
            Keys[] keyTiles) {
        int group = call.shape().group();
        int packed = 0;
        for (int query = from; query < end; query++) {
            int seen = 0;
            for (int i = 0; i < KEY_TILES && first + i * step < keys.tiles(); i++) {
                int key = first + i * step;
                Sight sight = queries.see(query, keys, key);
                if (sight != Sight.NOTHING) {
                    if ((packed & 1 << i) == 0) {
                        pack(kvHead, key, keyTiles[i]);
                        packed |= 1 << i;
                    }
                    spans(query, sight, key, keyTiles[i]);
                    seen |= 1 << i;
                }
            }
            for (int h = kvHead * group; h < (kvHead + 1) * group && seen != 0; h++) {
                stage(h, query, tile);
                boolean add = false;
                for (int i = 0; i < KEY_TILES; i++) {
                    if ((seen & 1 << i) != 0) {
                        step(query, first + i * step, tile, keyTiles[i], add);
                        add = true;
                    }
                }
                int d = call.shape().d();
                long home = dq + 4 * (firstQuery(query) - firstQuery(from)) * call.shape().h() * d;
                int n = queries.size(query);
                addRows(tile.dq, call.shape().h(), h, n, d, call.scale(), home);
            }
        }
        for (int i = 0; i < KEY_TILES; i++) {
            if ((packed & 1 << i) != 0) {
                unpack(kvHead, first + i * step, keyTiles[i]);
            }
        }
    }

    private void pack(int kvHead, int key, Keys room) {
        int d = call.shape().d();
        long first = keys.start(key);
        int n = keys.size(key);
        // dv's place holds the values until they are in panels.
        AttentionTile.stage(call.v(), kvHead, first, n, 1, room.dv);
        AttentionTile.transpose(room.dv, n, d, room.vPanels);
        AttentionTile.stage(call.k(), kvHead, first, n, 1, room.k);
        AttentionTile.transpose(room.k, n, d, room.kPanels);
        AttentionTile.stageKeys(call.kPositions(), call.kSegments(), first, n, SIDE, room.staged);
        Lanes.MEMORY.asSlice(room.dk, 2 * AttentionTile.rowsBytes(d)).fill((byte) 0);
    }

    private void unpack(int kvHead, int key, Keys room) {
        int d = call.shape().d();
        int heads = call.shape().g();
        int n = keys.size(key);
        long home = 4L * keys.start(key) * heads * d;
        // The queries that dk was formed with carry scale · log2(e).
        addRows(room.dk, heads, kvHead, n, d, LN_2, call.dk().address() + home);
        addRows(room.dv, heads, kvHead, n, d, 1, call.dv().address() + home);
    }

    private void stage(int head, int query, Queries room) {
        long first = queries.start(query);
        int n = queries.size(query);
        AttentionTile.stage(call.q(), head, first, n, call.scale() * LOG2_E, room.q);
        long row = 4L * Lanes.pad(call.shape().d());
        for (int i = 0; i < AttentionTile.wholeRows(n); i++) {
            long at = 4 * ((first + i) * call.shape().h() + head);
            float sum = i < n ? get(call.sum().address() + at) : 0;
            // A row that has seen nothing: every p becomes 2^−∞.
            boolean blind = sum == 0;
            float max = blind ? Float.POSITIVE_INFINITY : get(call.max().address() + at);
            // The sum divides dOut and delta, once, and not each p.
            float factor = blind ? 0 : 1 / sum;
            set(room.max + 4L * i, max);
            set(room.delta + 4L * i, blind ? 0 : factor * get(call.delta().address() + at));
            if (i < n) {
                AttentionTile.stageRow(call.dOut(), head, first + i, factor, room.dOut + i * row);
            }
        }
        AttentionTile.clearBehind(n, row, room.dOut);
    }

    /** dv += pᵀ dOut; dk += dsᵀ q; dq (+)= ds k; here p is not divided by its sum, but dOut is. */
    private void step(int query, int key, Queries x, Keys y, boolean add) {
        int d = call.shape().d();
        int n = queries.size(query);
        int rows = AttentionTile.wholeRows(n);
        int width = AttentionTile.wholeKeys(keys.size(key));
        AttentionTile.scores(x.q, rows, d, y.kPanels, width, y.spans, x.p);
        AttentionTile.scores(x.dOut, rows, d, y.vPanels, width, y.spans, x.ds);
        if (width != keys.size(key) || queries.see(query, keys, key) == Sight.SOME) {
            long first = queries.start(query);
            AttentionTile.hide(
                    call.qPositions(), call.qSegments(), first, n, y.staged, y.spans, x.p);
        }
        for (int i = 0; i < rows; i++) {
            int from = Spans.from(y.spans, i / ROWS);
            int end = Spans.end(y.spans, i / ROWS);
            long p = x.p + i * SCORES_ROW;
            long ds = x.ds + i * SCORES_ROW;
            float max = get(x.max + 4L * i);
            float delta = get(x.delta + 4L * i);
            gradientRow(p + 4L * from, ds + 4L * from, max, delta, end - from);
            if (end - from < width) {
                zero(p, from, end, width);
                zero(ds, from, end, width);
            }
        }
        int keyRows = AttentionTile.wholeRows(keys.size(key));
        long row = 4L * Lanes.pad(d);
        AttentionTile.combine(x.p, 4, SCORES_ROW, keyRows, y.keySpans, x.dOut, row, d, y.dv, true);
        AttentionTile.combine(x.ds, 4, SCORES_ROW, keyRows, y.keySpans, x.q, row, d, y.dk, true);
        AttentionTile.combine(x.ds, SCORES_ROW, 4, rows, y.spans, y.k, row, d, x.dq, add);
    }

    /** Zeros in [0, from) and [end, width) of a row. */
    private static void zero(long row, int from, int end, int width) {
        for (int k = 0; k < width; k += COUNT) {
            if (k < from || k >= end) {
                store(Lanes.zero(), row + 4L * k);
            }
        }
    }

    private void spans(int query, Sight sight, int key, Keys room) {
        int blocks = AttentionTile.wholeRows(queries.size(query)) / ROWS;
        int n = keys.size(key);
        int keyRows = AttentionTile.wholeRows(n);
        if (sight == Sight.SOME) {
            Spans.visible(
                    call.qPositions(),
                    call.qSegments(),
                    queries.start(query),
                    queries.size(query),
                    room.staged,
                    n,
                    room.spans);
            Spans.turn(room.spans, blocks, keyRows, room.keySpans);
        } else {
            Spans.all(room.spans, blocks, AttentionTile.wholeKeys(n));
            Spans.all(room.keySpans, keyRows / ROWS, blocks * ROWS);
        }
    }

    /**
     * s → p = 2^(s − max); dp → ds = p (dp − delta). Two loops: in one, the compiler keeps what
     * both need in objects on the heap, gigabytes in a step.
     */
    private static void gradientRow(long p, long ds, float max, float delta, int n) {
        probabilities(p, max, n);
        for (int k = 0; k < n; k += COUNT) {
            store(load(ds + 4L * k).sub(delta).mul(load(p + 4L * k)), ds + 4L * k);
        }
    }

    private static void probabilities(long p, float max, int n) {
        for (int k = 0; k < n; k += COUNT) {
            store(VectorMath.exp2(load(p + 4L * k).sub(max)), p + 4L * k);
        }
    }

    /** y[i, head] += by · x[i]; y is F32 [.,heads,d]. */
    private static void addRows(long x, int heads, int head, int n, int d, float by, long y) {
        for (int i = 0; i < n; i++) {
            addRow(x + 4L * i * Lanes.pad(d), d, by, y + 4 * ((long) i * heads + head) * d);
        }
    }

    /** The Vector API is called directly here, as in {@link MicroKernel}, for the same reason. */
    private static void addRow(long from, int d, float by, long to) {
        FloatVector factor = FloatVector.broadcast(Lanes.F32, by);
        int j = 0;
        for (; j <= d - COUNT; j += COUNT) {
            FloatVector x = fromMemorySegment(Lanes.F32, Lanes.MEMORY, from + 4L * j, Lanes.ORDER);
            FloatVector y = fromMemorySegment(Lanes.F32, Lanes.MEMORY, to + 4L * j, Lanes.ORDER);
            x.fma(factor, y).intoMemorySegment(Lanes.MEMORY, to + 4L * j, Lanes.ORDER);
        }
        for (; j < d; j++) {
            set(to + 4L * j, get(to + 4L * j) + get(from + 4L * j) * by);
        }
    }
}
