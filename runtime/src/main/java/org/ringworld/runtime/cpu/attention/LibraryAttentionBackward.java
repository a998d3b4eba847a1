package org.ringworld.runtime.cpu.attention;

import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.get;
import static org.ringworld.runtime.cpu.device.Lanes.load;
import static org.ringworld.runtime.cpu.device.Lanes.store;

import jdk.incubator.vector.FloatVector;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.elementwise.Staging;
import org.ringworld.runtime.cpu.elementwise.VectorMath;
import org.ringworld.runtime.cpu.matmul.OneDnn;

/**
 * Attention backward in BF16: the five products of a tile by oneDNN, adding to dq, dk and dv where
 * they lie; what is between them is ours. Scores and their gradients are F32 until they are
 * factors.
 */
public final class LibraryAttentionBackward implements KeyClasses.Backward {
    /** Queries, and keys, of a tile: four tiles of scores fill half a second cache. */
    private static final int QUERIES = 192;

    private static final int KEYS = 256;

    private static final int GRAINS = QUERIES / VisibleTiles.GRAIN;
    private static final int KEY_GRAINS = KEYS / VisibleTiles.GRAIN;

    private final OneDnn library;
    private final Scratch scratch;
    private final AttentionGradients call;
    private final VisibleTiles visible;

    public LibraryAttentionBackward(OneDnn library, Scratch scratch, AttentionGradients call) {
        this.library = library;
        this.scratch = scratch;
        this.call = call;
        this.visible =
                new VisibleTiles(
                        call.qPositions(), call.qSegments(), call.kPositions(), call.kSegments());
    }

    @Override
    public int queriesOfATile() {
        return QUERIES;
    }

    @Override
    public int tiles() {
        return (visible.queryGrains() + GRAINS - 1) / GRAINS;
    }

    @Override
    public long firstQuery(int tile) {
        return visible.firstQuery(Math.min(visible.queryGrains(), tile * GRAINS));
    }

    @Override
    public int keyTiles() {
        return (visible.keyGrains() + KEY_GRAINS - 1) / KEY_GRAINS;
    }

    /** Addresses of a worker's tiles. */
    private record Room(long scores, long dScores, long p, long ds, long staged) {
        static final long BYTES = 12L * QUERIES * KEYS + 8L * KEYS;

        static Room at(long base) {
            long tile = (long) QUERIES * KEYS;
            return new Room(
                    base, base + 4 * tile, base + 8 * tile, base + 10 * tile, base + 12 * tile);
        }
    }

    @Override
    public void run(int kvHead, int of, int classes, int from, int end, long dq, int worker) {
        Room room = Room.at(scratch.of(worker, Room.BYTES));
        for (int key = of * KEY_GRAINS; key < visible.keyGrains(); key += classes * KEY_GRAINS) {
            int keyEnd = Math.min(visible.keyGrains(), key + KEY_GRAINS);
            for (int tile = from; tile < end; tile++) {
                int query = tile * GRAINS;
                int queryEnd = Math.min(visible.queryGrains(), query + GRAINS);
                VisibleTiles.Cursor at = visible.cursor(query, queryEnd, key, keyEnd, KEYS);
                while (at.next()) {
                    long row = firstQuery(tile) + at.firstQuery();
                    for (int h = 0; h < call.shape().group(); h++) {
                        int head = kvHead * call.shape().group() + h;
                        step(head, row, row - firstQuery(from), at, dq, room);
                    }
                }
            }
        }
    }

    /** dv += pᵀ dOut; dk += dsᵀ q; dq += ds k. {@code row} of q is {@code dqRow} of dq. */
    private void step(int head, long row, long dqRow, VisibleTiles.Cursor at, long dq, Room room) {
        int d = call.shape().d();
        int rows = at.queries();
        int keys = at.keys();
        int stride = Lanes.pad(keys);
        long qStride = (long) call.shape().h() * d;
        long kStride = (long) call.shape().g() * d;
        long query = row * qStride + (long) head * d;
        long key = at.firstKey() * kStride + (long) (head / call.shape().group()) * d;
        long q = call.q().address() + 2 * query;
        long dOut = call.dOut().address() + 2 * query;
        long k = call.k().address() + 2 * key;
        long v = call.v().address() + 2 * key;
        library.bf16('n', 't', rows, keys, d, q, qStride, k, kStride, 0, room.scores, stride);
        library.bf16('n', 't', rows, keys, d, dOut, qStride, v, kStride, 0, room.dScores, stride);
        if (!at.everything()) {
            at.hide(room.staged, room.scores, 4L * stride);
        }
        for (int i = 0; i < rows; i++) {
            long row4 = 4 * ((row + i) * call.shape().h() + head);
            float sum = get(call.sum().address() + row4);
            // A row that has seen nothing: every p becomes 2^−∞.
            boolean blind = sum == 0;
            long s = room.scores + 4L * i * stride;
            probabilities(
                    s,
                    stride,
                    call.scale() * VectorMath.LOG2_E,
                    blind ? Float.POSITIVE_INFINITY : get(call.max().address() + row4),
                    blind ? 0 : 1 / sum,
                    room.p + 2L * i * stride);
            gradients(
                    s,
                    room.dScores + 4L * i * stride,
                    stride,
                    call.scale(),
                    blind ? 0 : get(call.delta().address() + row4),
                    room.ds + 2L * i * stride);
        }
        long dv = call.dv().address() + 4 * key;
        long dk = call.dk().address() + 4 * key;
        library.bf16('t', 'n', keys, d, rows, room.p, stride, dOut, qStride, 1, dv, kStride);
        library.bf16('t', 'n', keys, d, rows, room.ds, stride, q, qStride, 1, dk, kStride);
        long into = dq + 4 * (dqRow * qStride + (long) head * d);
        library.bf16('n', 'n', rows, d, keys, room.ds, stride, k, kStride, 1, into, qStride);
    }

    /** p = factor · 2^(scale · s − max), which replaces s too. */
    private static void probabilities(long s, int n, float scale, float max, float factor, long p) {
        FloatVector by = FloatVector.broadcast(Lanes.F32, scale);
        FloatVector less = FloatVector.broadcast(Lanes.F32, -max);
        for (int k = 0; k < n; k += COUNT) {
            FloatVector e = VectorMath.exp2(load(s + 4L * k).fma(by, less)).mul(factor);
            store(e, s + 4L * k);
        }
        Staging.rounded(s, n, p);
    }

    /** ds = scale · p (dp − delta). */
    private static void gradients(long p, long dp, int n, float scale, float delta, long ds) {
        FloatVector by = FloatVector.broadcast(Lanes.F32, scale);
        FloatVector less = FloatVector.broadcast(Lanes.F32, -delta * scale);
        for (int k = 0; k < n; k += COUNT) {
            FloatVector factor =
                    FloatVector.fromMemorySegment(Lanes.F32, Lanes.MEMORY, p + 4L * k, Lanes.ORDER);
            FloatVector.fromMemorySegment(Lanes.F32, Lanes.MEMORY, dp + 4L * k, Lanes.ORDER)
                    .fma(by, less)
                    .mul(factor)
                    .intoMemorySegment(Lanes.MEMORY, dp + 4L * k, Lanes.ORDER);
        }
        Staging.rounded(dp, n, ds);
    }
}
