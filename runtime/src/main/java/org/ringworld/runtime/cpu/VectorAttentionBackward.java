package org.ringworld.runtime.cpu;

import static org.ringworld.runtime.cpu.AttentionTile.SCORES_ROW;
import static org.ringworld.runtime.cpu.AttentionTile.SIDE;
import static org.ringworld.runtime.cpu.Lanes.COUNT;
import static org.ringworld.runtime.cpu.Lanes.get;
import static org.ringworld.runtime.cpu.Lanes.load;
import static org.ringworld.runtime.cpu.Lanes.set;
import static org.ringworld.runtime.cpu.Lanes.store;

import jdk.incubator.vector.FloatVector;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.TileRanges.Sight;

/**
 * Attention backward. A thread takes a KV head and, where there are fewer of those than would keep
 * the team busy, one of several classes of its tiles of keys. dk and dv are its own; dq of the
 * first class is added in place and that of the others in a copy each, which are added in order at
 * the end.
 */
final class VectorAttentionBackward {
    private static final float LN_2 = (float) Math.log(2);

    /** Floating point operations worth waking another thread for. */
    private static final long LEAST = 1 << 20;

    /** Bytes of the copies of dq; longer blocks of queries are worked off in pieces. */
    private static final long COPIES_BYTES = 128L << 20;

    private final WorkerTeam team;
    private final Scratch scratch;

    VectorAttentionBackward(WorkerTeam team, Scratch scratch) {
        this.team = team;
        this.scratch = scratch;
    }

    /** One call. */
    record Call(
            KernelShapes.Attention shape,
            Tensor q,
            Tensor qPositions,
            Tensor qSegments,
            TileRanges queries,
            Tensor k,
            Tensor v,
            Tensor kPositions,
            Tensor kSegments,
            TileRanges keys,
            float scale,
            Tensor dOut,
            Tensor lse,
            Tensor delta,
            Tensor dq,
            Tensor dk,
            Tensor dv) {}

    void run(Call call) {
        var shape = call.shape;
        int classes = classes(shape.g(), team.threads(), call.keys.tiles());
        long tileBytes = 4L * SIDE * shape.h() * shape.d();
        long most = classes == 1 ? Long.MAX_VALUE : COPIES_BYTES / tileBytes / (classes - 1);
        int piece = Math.clamp(most, 1, Math.max(1, call.queries.tiles()));
        for (int from = 0; from < call.queries.tiles(); from += piece) {
            int first = from;
            int end = Math.min(call.queries.tiles(), from + piece);
            long firstRow = (long) from * SIDE;
            long rows = Math.min(shape.s(), (long) end * SIDE) - firstRow;
            long copyBytes = 4 * rows * shape.h() * shape.d();
            long copies = scratch.shared((classes - 1) * copyBytes);
            Lanes.MEMORY.asSlice(copies, (classes - 1) * copyBytes).fill((byte) 0);
            long dq = call.dq.address() + 4 * firstRow * shape.h() * shape.d();
            team.run(
                    10 * rows * shape.t() * shape.h() * shape.d() < LEAST,
                    shape.g() * classes,
                    (item, worker) -> {
                        int of = item / shape.g();
                        long into = of == 0 ? dq : copies + (of - 1) * copyBytes;
                        head(call, item % shape.g(), of, classes, first, end, into, worker);
                    });
            for (int c = 0; c < classes - 1; c++) {
                addCopy(dq, copies + c * copyBytes, copyBytes / 4);
            }
        }
    }

    /** As few as keep all threads busy to the end. */
    private static int classes(int heads, int threads, int tiles) {
        int classes = 1;
        while (heads * classes % threads != 0
                && heads * classes < 4 * threads
                && classes < Math.max(1, tiles)) {
            classes++;
        }
        return classes;
    }

    private void addCopy(long dq, long copy, long elements) {
        int pieces = team.items(elements, 1 << 16);
        team.run(
                pieces,
                (piece, _) -> {
                    long i = elements * piece / pieces;
                    long end = elements * (piece + 1) / pieces;
                    for (; i <= end - COUNT; i += COUNT) {
                        store(load(dq + 4 * i).add(load(copy + 4 * i)), dq + 4 * i);
                    }
                    for (; i < end; i++) {
                        set(dq + 4 * i, get(dq + 4 * i) + get(copy + 4 * i));
                    }
                });
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

    private void head(
            Call call, int kvHead, int of, int classes, int from, int end, long dq, int worker) {
        int d = call.shape.d();
        int group = call.shape.group();
        Room room = Room.at(scratch.of(worker, Room.bytes(d)), d);
        for (int key = of; key < call.keys.tiles(); key += classes) {
            boolean packed = false;
            long firstKey = (long) key * SIDE;
            int keys = (int) Math.min(SIDE, call.shape.t() - firstKey);
            for (int tile = from; tile < end; tile++) {
                Sight sight = call.queries.see(tile, call.keys, key);
                if (sight == Sight.NOTHING) {
                    continue;
                }
                if (!packed) {
                    pack(call, kvHead, firstKey, keys, room);
                    packed = true;
                }
                for (int h = kvHead * group; h < (kvHead + 1) * group; h++) {
                    step(call, h, tile, sight, keys, room);
                    addRows(
                            room.dq,
                            call.shape.h(),
                            h,
                            tileRows(call, tile),
                            d,
                            call.scale,
                            dq + 4 * (long) (tile - from) * SIDE * call.shape.h() * d);
                }
            }
            if (packed) {
                long home = 4 * firstKey * call.shape.g() * d;
                // The queries that dk was formed with carry scale / ln 2.
                addRows(room.dk, call.shape.g(), kvHead, keys, d, LN_2, call.dk.address() + home);
                addRows(room.dv, call.shape.g(), kvHead, keys, d, 1, call.dv.address() + home);
            }
        }
    }

    private static int tileRows(Call call, int tile) {
        return (int) Math.min(SIDE, call.shape.s() - (long) tile * SIDE);
    }

    private static void pack(Call call, int kvHead, long firstKey, int keys, Room room) {
        int d = call.shape.d();
        AttentionTile.stage(call.k, kvHead, firstKey, keys, 1, room.k);
        AttentionTile.transpose(room.k, keys, d, room.kPanels);
        AttentionTile.stage(call.v, kvHead, firstKey, keys, 1, room.v);
        AttentionTile.transpose(room.v, keys, d, room.vPanels);
        AttentionTile.stageKeys(call.kPositions, call.kSegments, firstKey, keys, room.staged);
        Lanes.MEMORY.asSlice(room.dk, 2 * AttentionTile.rowsBytes(d)).fill((byte) 0);
    }

    /** dv += pᵀ dOut; dk += dsᵀ q; room.dq = ds k. */
    private static void step(Call call, int head, int tile, Sight sight, int keys, Room room) {
        int d = call.shape.d();
        long first = (long) tile * SIDE;
        int n = tileRows(call, tile);
        int rows = AttentionTile.wholeRows(n);
        int width = AttentionTile.wholeKeys(keys);
        AttentionTile.stage(call.q, head, first, n, call.scale / LN_2, room.q);
        AttentionTile.stage(call.dOut, head, first, n, 1, room.dOut);
        for (int i = 0; i < SIDE; i++) {
            long at = 4 * ((first + i) * call.shape.h() + head);
            float lse = i < n ? get(call.lse.address() + at) : Float.NEGATIVE_INFINITY;
            // A row that has seen nothing: every p becomes 2^−∞.
            boolean blind = lse == Float.NEGATIVE_INFINITY;
            set(room.lse + 4L * i, blind ? Float.POSITIVE_INFINITY : lse / LN_2);
            set(room.delta + 4L * i, blind ? 0 : get(call.delta.address() + at));
        }
        AttentionTile.scores(room.q, rows, d, room.kPanels, width, room.p);
        AttentionTile.scores(room.dOut, rows, d, room.vPanels, width, room.ds);
        if (sight == Sight.SOME) {
            AttentionTile.hide(
                    call.qPositions, call.qSegments, first, n, room.staged, width, room.p);
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
