package org.ringworld.runtime.cpu;

import static org.ringworld.runtime.cpu.Lanes.BYTES;
import static org.ringworld.runtime.cpu.Lanes.COUNT;
import static org.ringworld.runtime.cpu.Lanes.get;
import static org.ringworld.runtime.cpu.Lanes.load;
import static org.ringworld.runtime.cpu.Lanes.set;
import static org.ringworld.runtime.cpu.Lanes.store;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import org.ringworld.runtime.Tensor;

/**
 * Attention forward in BF16: oneDNN multiplies tiles where they lie, between its two products the
 * softmax is ours. The scores are F32, the probabilities BF16, their sums with the values F32 in
 * the result itself.
 */
final class LibraryAttention {
    private static final double LN_2 = Math.log(2);

    /** Queries of a tile, and keys at most: its scores and probabilities fill half a cache. */
    private static final int QUERIES = 192;

    private static final int KEYS = 512;

    private final OneDnn library;
    private final WorkerTeam team;
    private final Scratch scratch;

    LibraryAttention(OneDnn library, WorkerTeam team, Scratch scratch) {
        this.library = library;
        this.team = team;
        this.scratch = scratch;
    }

    /** One call. */
    private record Call(
            KernelShapes.Attention shape,
            Tensor q,
            VisibleTiles visible,
            Tensor k,
            Tensor v,
            float scale,
            Tensor out,
            Tensor lse) {}

    /** Addresses of a worker's tiles. */
    private record Room(long scores, long p, long staged, long maxima, long totals) {
        static final long BYTES_OF_ALL =
                6L * QUERIES * KEYS + 8L * KEYS + 4L * QUERIES * (1 + COUNT);

        static Room at(long base) {
            long p = base + 4L * QUERIES * KEYS;
            long staged = p + 2L * QUERIES * KEYS;
            long maxima = staged + 8L * KEYS;
            return new Room(base, p, staged, maxima, maxima + 4L * QUERIES);
        }
    }

    void run(
            KernelShapes.Attention shape,
            Tensor q,
            VisibleTiles visible,
            Tensor k,
            Tensor v,
            float scale,
            Tensor out,
            Tensor lse) {
        Call call = new Call(shape, q, visible, k, v, (float) (scale / LN_2), out, lse);
        int grains = QUERIES / VisibleTiles.GRAIN;
        int tiles = (visible.queryGrains() + grains - 1) / grains;
        // In causal order the last queries have the most to do: they go first.
        team.run(
                tiles * shape.h(),
                (item, worker) ->
                        tile(
                                call,
                                tiles - 1 - item / shape.h(),
                                item % shape.h(),
                                Room.at(scratch.of(worker, Room.BYTES_OF_ALL))));
    }

    /** All keys for one tile of queries of one head. */
    private void tile(Call call, int tile, int head, Room room) {
        int grains = QUERIES / VisibleTiles.GRAIN;
        int from = tile * grains;
        int end = Math.min(call.visible.queryGrains(), from + grains);
        long first = (long) from * VisibleTiles.GRAIN;
        int n = (int) Math.min(QUERIES, call.shape.s() - first);
        boolean any = false;
        VisibleTiles.Cursor cursor =
                call.visible.cursor(from, end, 0, call.visible.keyGrains(), KEYS);
        while (cursor.next()) {
            if (!any) {
                loadState(call, head, first, n, room);
                any = true;
            }
            step(call, head, first, cursor, room);
        }
        if (any) {
            storeState(call, head, first, n, room);
        }
    }

    private void step(Call call, int head, long first, VisibleTiles.Cursor at, Room room) {
        int d = call.shape.d();
        int row = at.firstQuery();
        int rows = at.queries();
        int keys = at.keys();
        int stride = Lanes.pad(keys);
        long qStride = (long) call.shape.h() * d;
        long kStride = (long) call.shape.g() * d;
        long query = (first + row) * qStride + (long) head * d;
        long key = at.firstKey() * kStride + (long) (head / call.shape.group()) * d;
        library.gemm(
                true,
                'n',
                't',
                rows,
                keys,
                d,
                call.q.address() + 2 * query,
                qStride,
                call.k.address() + 2 * key,
                kStride,
                0,
                room.scores,
                stride);
        if (!at.everything()) {
            at.hide(room.staged, room.scores, 4L * stride);
        }
        long result = call.out.address() + 4 * query;
        for (int i = 0; i < rows; i++) {
            softmaxRow(
                    room.scores + 4L * i * stride,
                    stride,
                    call.scale,
                    room.maxima + 4L * (row + i),
                    room.totals + (long) (row + i) * BYTES,
                    result + 4 * i * qStride,
                    d,
                    room.p + 2L * i * stride);
        }
        library.gemm(
                true,
                'n',
                'n',
                rows,
                d,
                keys,
                room.p,
                stride,
                call.v.address() + 2 * key,
                kStride,
                1,
                result,
                qStride);
    }

    /** scores → p, their exponentials relative to the row's maximum so far; the rest follows it. */
    private static void softmaxRow(
            long scores, int n, float scale, long maximum, long total, long sums, int d, long p) {
        float base = get(maximum);
        float max = max(scores, n) * scale;
        if (base == Float.NEGATIVE_INFINITY || max > base + VectorAttention.SLACK) {
            max = Math.max(base, max);
            set(maximum, max);
            // Where nothing was seen before, sums and totals are 0 and stay so.
            if (base != Float.NEGATIVE_INFINITY) {
                float fade = (float) Math.exp((base - max) * LN_2);
                scale(total, COUNT, fade);
                scale(sums, d, fade);
            }
            base = max == Float.NEGATIVE_INFINITY ? 0 : max;
        }
        exponentials(scores, n, scale, base, total);
        Staging.narrow(scores, n, p);
    }

    private static float max(long scores, int n) {
        FloatVector greatest = load(scores);
        for (int k = COUNT; k < n; k += COUNT) {
            FloatVector x = load(scores + 4L * k);
            greatest = greatest.blend(x, x.compare(VectorOperators.GT, greatest));
        }
        return greatest.reduceLanes(VectorOperators.MAX);
    }

    private static void exponentials(long scores, int n, float scale, float base, long total) {
        FloatVector sum = load(total);
        FloatVector by = FloatVector.broadcast(Lanes.F32, scale);
        FloatVector least = FloatVector.broadcast(Lanes.F32, -base);
        for (int k = 0; k < n; k += COUNT) {
            FloatVector p = VectorMath.exp2(load(scores + 4L * k).fma(by, least));
            store(p, scores + 4L * k);
            sum = sum.add(p);
        }
        store(sum, total);
    }

    /** A carried lse is a maximum, and the little that its rounding to log 2 leaves a total. */
    private static void loadState(Call call, int head, long first, int n, Room room) {
        Lanes.MEMORY.asSlice(room.totals, (long) n * BYTES).fill((byte) 0);
        for (int i = 0; i < n; i++) {
            long row = (first + i) * call.shape.h() + head;
            float lse = get(call.lse.address() + 4 * row);
            float max = (float) (lse / LN_2);
            set(room.maxima + 4L * i, max);
            if (lse != Float.NEGATIVE_INFINITY) {
                float total = (float) Math.exp(lse - max * LN_2);
                set(room.totals + (long) i * BYTES, total);
                int d = call.shape.d();
                scale(call.out.address() + 4 * row * d, d, total);
            }
        }
    }

    private static void storeState(Call call, int head, long first, int n, Room room) {
        int d = call.shape.d();
        for (int i = 0; i < n; i++) {
            float max = get(room.maxima + 4L * i);
            if (max == Float.NEGATIVE_INFINITY) {
                continue; // has seen nothing yet
            }
            float total = Lanes.sum(load(room.totals + (long) i * BYTES));
            long row = (first + i) * call.shape.h() + head;
            set(call.lse.address() + 4 * row, (float) (max * LN_2 + Math.log(total)));
            scale(call.out.address() + 4 * row * d, d, 1 / total);
        }
    }

    private static void scale(long x, int n, float by) {
        int i = 0;
        for (; i <= n - COUNT; i += COUNT) {
            store(load(x + 4L * i).mul(by), x + 4L * i);
        }
        for (; i < n; i++) {
            set(x + 4L * i, get(x + 4L * i) * by);
        }
    }
}
