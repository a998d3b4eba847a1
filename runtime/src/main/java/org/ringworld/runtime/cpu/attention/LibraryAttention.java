package org.ringworld.runtime.cpu.attention;

import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.load;
import static org.ringworld.runtime.cpu.device.Lanes.store;

import jdk.incubator.vector.FloatVector;
import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;
import org.ringworld.runtime.cpu.elementwise.Staging;
import org.ringworld.runtime.cpu.elementwise.VectorMath;
import org.ringworld.runtime.cpu.matmul.OneDnn;

/**
 * Attention forward in BF16: oneDNN multiplies tiles where they lie, between its two products the
 * softmax is ours. The scores are F32, the probabilities BF16, their sums with the values F32 in
 * the result itself.
 */
public final class LibraryAttention {
    /** Queries of a tile, and keys at most: its scores and probabilities fill half a cache. */
    private static final int QUERIES = 192;

    private static final int KEYS = 256;

    private static final int GRAINS = QUERIES / VisibleTiles.GRAIN;

    private final OneDnn library;
    private final WorkerTeam team;
    private final Scratch scratch;

    public LibraryAttention(OneDnn library, WorkerTeam team, Scratch scratch) {
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
            Tensor max,
            Tensor sum) {}

    /** Addresses of a worker's tiles. */
    private record Room(long scores, long p, long staged, SoftmaxState state) {
        static final long BYTES = 6L * QUERIES * KEYS + 8L * KEYS + SoftmaxState.bytes(QUERIES);

        static Room at(long base) {
            long p = base + 4L * QUERIES * KEYS;
            long staged = p + 2L * QUERIES * KEYS;
            return new Room(base, p, staged, new SoftmaxState(QUERIES, staged + 8L * KEYS));
        }
    }

    public void run(
            KernelShapes.Attention shape,
            Tensor q,
            VisibleTiles visible,
            Tensor k,
            Tensor v,
            float scale,
            Tensor out,
            Tensor max,
            Tensor sum) {
        Call call = new Call(shape, q, visible, k, v, scale * VectorMath.LOG2_E, out, max, sum);
        int tiles = (visible.queryGrains() + GRAINS - 1) / GRAINS;
        // In causal order the last queries have the most to do: they go first.
        team.run(
                tiles * shape.h(),
                (item, worker) ->
                        tile(
                                call,
                                tiles - 1 - item / shape.h(),
                                item % shape.h(),
                                Room.at(scratch.of(worker, Room.BYTES))));
    }

    /** All keys for one tile of queries of one head. */
    private void tile(Call call, int tile, int head, Room room) {
        int from = tile * GRAINS;
        int end = Math.min(call.visible.queryGrains(), from + GRAINS);
        long first = call.visible.firstQuery(from);
        int n = (int) (call.visible.firstQuery(end) - first);
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
        library.bf16(
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
                    room.state,
                    row + i,
                    result + 4 * i * qStride,
                    d,
                    room.p + 2L * i * stride);
        }
        library.bf16(
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
            long scores,
            int n,
            float scale,
            SoftmaxState state,
            int row,
            long sums,
            int d,
            long p) {
        float base = state.follow(row, scores, n, 1 / scale, sums, d);
        exponentials(scores, n, scale, base, state.total(row), p);
    }

    private static void exponentials(
            long scores, int n, float scale, float base, long total, long p) {
        FloatVector sum = load(total);
        FloatVector by = FloatVector.broadcast(Lanes.F32, scale);
        FloatVector least = FloatVector.broadcast(Lanes.F32, -base);
        for (int k = 0; k < n; k += COUNT) {
            FloatVector e = VectorMath.exp2(load(scores + 4L * k).fma(by, least));
            Staging.rounded(e, p + 2L * k);
            sum = sum.add(e);
        }
        store(sum, total);
    }

    private static void loadState(Call call, int head, long first, int n, Room room) {
        if (room.state.begin(call.max, call.sum, call.shape.h(), head, first, n)) {
            scaleRows(call, head, first, n, room.state);
        }
    }

    private static void storeState(Call call, int head, long first, int n, Room room) {
        room.state.end(call.max, call.sum, call.shape.h(), head, first, n);
        scaleRows(call, head, first, n, room.state);
    }

    /** Results times their factors; a row that has seen nothing keeps its zeros. */
    private static void scaleRows(Call call, int head, long first, int n, SoftmaxState state) {
        int d = call.shape.d();
        for (int i = 0; i < n; i++) {
            if (!state.sawNothing(i)) {
                long row = call.out.address() + 4 * ((first + i) * call.shape.h() + head) * d;
                SoftmaxState.scale(row, d, state.factor(i), row);
            }
        }
    }
}
