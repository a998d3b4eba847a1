package org.ringworld.runtime.cpu;

import static org.ringworld.runtime.cpu.AttentionTile.SCORES_ROW;
import static org.ringworld.runtime.cpu.AttentionTile.SIDE;
import static org.ringworld.runtime.cpu.Lanes.COUNT;
import static org.ringworld.runtime.cpu.Lanes.get;
import static org.ringworld.runtime.cpu.Lanes.load;
import static org.ringworld.runtime.cpu.Lanes.set;
import static org.ringworld.runtime.cpu.Lanes.store;

import jdk.incubator.vector.FloatVector;
import org.ringworld.runtime.cpu.TileRanges.Sight;

/** Attention backward by the vector micro-kernel: operands staged as F32 tiles. */
final class VectorAttentionBackward implements KeyClasses.Backward {
    private static final float LN_2 = (float) Math.log(2);

    private final Scratch scratch;
    private final AttentionGradients call;
    private final TileRanges queries;
    private final TileRanges keys;

    VectorAttentionBackward(Scratch scratch, AttentionGradients call) {
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
    public int keysOfATile() {
        return SIDE;
    }

    /** Addresses of a worker's tiles. */
    private record Room(
            long k,
            long kPanels,
            long v,
            long vPanels,
            long dk,
            long dv,
            long q,
            long dOut,
            long dq,
            long p,
            long ds,
            long staged,
            long lse,
            long delta) {
        static long bytes(int d) {
            return 9 * AttentionTile.rowsBytes(d) + 2 * SIDE * SCORES_ROW + 16 * SIDE;
        }

        static Room at(long base, int d) {
            long rows = AttentionTile.rowsBytes(d);
            long scores = base + 9 * rows;
            long ints = scores + 2 * SIDE * SCORES_ROW;
            return new Room(
                    base,
                    base + rows,
                    base + 2 * rows,
                    base + 3 * rows,
                    base + 4 * rows,
                    base + 5 * rows,
                    base + 6 * rows,
                    base + 7 * rows,
                    base + 8 * rows,
                    scores,
                    scores + SIDE * SCORES_ROW,
                    ints,
                    ints + 8 * SIDE,
                    ints + 12 * SIDE);
        }
    }

    @Override
    public void run(int kvHead, int of, int classes, int from, int end, long dq, int worker) {
        int d = call.shape().d();
        int group = call.shape().group();
        Room room = Room.at(scratch.of(worker, Room.bytes(d)), d);
        for (int key = of; key < this.keys.tiles(); key += classes) {
            boolean packed = false;
            long firstKey = (long) key * SIDE;
            int keys = (int) Math.min(SIDE, call.shape().t() - firstKey);
            for (int tile = from; tile < end; tile++) {
                Sight sight = queries.see(tile, this.keys, key);
                if (sight == Sight.NOTHING) {
                    continue;
                }
                if (!packed) {
                    pack(kvHead, firstKey, keys, room);
                    packed = true;
                }
                for (int h = kvHead * group; h < (kvHead + 1) * group; h++) {
                    step(h, tile, sight, keys, room);
                    addRows(
                            room.dq,
                            call.shape().h(),
                            h,
                            tileRows(tile),
                            d,
                            call.scale(),
                            dq + 4 * (long) (tile - from) * SIDE * call.shape().h() * d);
                }
            }
            if (packed) {
                long home = 4 * firstKey * call.shape().g() * d;
                // The queries that dk was formed with carry scale / ln 2.
                addRows(
                        room.dk,
                        call.shape().g(),
                        kvHead,
                        keys,
                        d,
                        LN_2,
                        call.dk().address() + home);
                addRows(room.dv, call.shape().g(), kvHead, keys, d, 1, call.dv().address() + home);
            }
        }
    }

    private int tileRows(int tile) {
        return (int) Math.min(SIDE, call.shape().s() - (long) tile * SIDE);
    }

    private void pack(int kvHead, long firstKey, int keys, Room room) {
        int d = call.shape().d();
        AttentionTile.stage(call.k(), kvHead, firstKey, keys, 1, room.k);
        AttentionTile.transpose(room.k, keys, d, room.kPanels);
        AttentionTile.stage(call.v(), kvHead, firstKey, keys, 1, room.v);
        AttentionTile.transpose(room.v, keys, d, room.vPanels);
        AttentionTile.stageKeys(call.kPositions(), call.kSegments(), firstKey, keys, room.staged);
        Lanes.MEMORY.asSlice(room.dk, 2 * AttentionTile.rowsBytes(d)).fill((byte) 0);
    }

    /** dv += pᵀ dOut; dk += dsᵀ q; room.dq = ds k. */
    private void step(int head, int tile, Sight sight, int keys, Room room) {
        int d = call.shape().d();
        long first = (long) tile * SIDE;
        int n = tileRows(tile);
        int rows = AttentionTile.wholeRows(n);
        int width = AttentionTile.wholeKeys(keys);
        AttentionTile.stage(call.q(), head, first, n, call.scale() / LN_2, room.q);
        AttentionTile.stage(call.dOut(), head, first, n, 1, room.dOut);
        for (int i = 0; i < SIDE; i++) {
            long at = 4 * ((first + i) * call.shape().h() + head);
            float lse = i < n ? get(call.lse().address() + at) : Float.NEGATIVE_INFINITY;
            // A row that has seen nothing: every p becomes 2^−∞.
            boolean blind = lse == Float.NEGATIVE_INFINITY;
            set(room.lse + 4L * i, blind ? Float.POSITIVE_INFINITY : lse / LN_2);
            set(room.delta + 4L * i, blind ? 0 : get(call.delta().address() + at));
        }
        AttentionTile.scores(room.q, rows, d, room.kPanels, width, room.p);
        AttentionTile.scores(room.dOut, rows, d, room.vPanels, width, room.ds);
        if (sight == Sight.SOME) {
            AttentionTile.hide(
                    call.qPositions(), call.qSegments(), first, n, room.staged, width, room.p);
        }
        for (int i = 0; i < rows; i++) {
            float lse = get(room.lse + 4L * i);
            float delta = get(room.delta + 4L * i);
            gradientRow(room.p + i * SCORES_ROW, room.ds + i * SCORES_ROW, lse, delta, width);
        }
        int keyRows = AttentionTile.wholeRows(keys);
        AttentionTile.combine(room.p, 4, SCORES_ROW, keyRows, rows, room.dOut, d, room.dv, true);
        AttentionTile.combine(room.ds, 4, SCORES_ROW, keyRows, rows, room.q, d, room.dk, true);
        AttentionTile.combine(room.ds, SCORES_ROW, 4, rows, width, room.k, d, room.dq, false);
    }

    /**
     * s → p = 2^(s − lse); dp → ds = p (dp − delta). Two loops: in one, the compiler keeps what
     * both need in objects on the heap, gigabytes in a step.
     */
    private static void gradientRow(long p, long ds, float lse, float delta, int n) {
        probabilities(p, lse, n);
        for (int k = 0; k < n; k += COUNT) {
            store(load(ds + 4L * k).sub(delta).mul(load(p + 4L * k)), ds + 4L * k);
        }
    }

    private static void probabilities(long p, float lse, int n) {
        for (int k = 0; k < n; k += COUNT) {
            store(VectorMath.exp2(load(p + 4L * k).sub(lse)), p + 4L * k);
        }
    }

    /** y[i, head] += by · x[i]; y is F32 [.,heads,d]. */
    private static void addRows(long x, int heads, int head, int n, int d, float by, long y) {
        FloatVector factor = FloatVector.broadcast(Lanes.F32, by);
        for (int i = 0; i < n; i++) {
            long from = x + 4L * i * Lanes.pad(d);
            long to = y + 4 * ((long) i * heads + head) * d;
            int j = 0;
            for (; j <= d - COUNT; j += COUNT) {
                store(load(from + 4L * j).fma(factor, load(to + 4L * j)), to + 4L * j);
            }
            for (; j < d; j++) {
                set(to + 4L * j, Math.fma(get(from + 4L * j), by, get(to + 4L * j)));
            }
        }
    }
}
