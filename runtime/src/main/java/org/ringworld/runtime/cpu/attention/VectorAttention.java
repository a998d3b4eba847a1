package org.ringworld.runtime.cpu.attention;

import static org.ringworld.runtime.cpu.attention.AttentionTile.SCORES_ROW;
import static org.ringworld.runtime.cpu.attention.AttentionTile.SIDE;
import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.load;
import static org.ringworld.runtime.cpu.device.Lanes.store;
import static org.ringworld.runtime.cpu.matmul.MicroKernel.ROWS;

import jdk.incubator.vector.FloatVector;
import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.attention.TileRanges.Sight;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;
import org.ringworld.runtime.cpu.elementwise.VectorMath;
import org.ringworld.runtime.cpu.matmul.MicroKernel;

/**
 * Attention forward. A thread takes some tiles of queries of the heads that share one KV head, and
 * goes once over the keys with them: each tile of keys is packed once per such group. Scores are in
 * units of log 2, so that the exponential needs no product.
 */
public final class VectorAttention {
    /** Scratch of the queries and results of one thread: half of a second cache. */
    private static final long STATE_BYTES = 512 << 10;

    /** Floating point operations worth waking another thread for. */
    private static final long LEAST = 1 << 20;

    private final WorkerTeam team;
    private final Scratch scratch;

    public VectorAttention(WorkerTeam team, Scratch scratch) {
        this.team = team;
        this.scratch = scratch;
    }

    /** One call. */
    private record Call(
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
            Tensor out,
            Tensor max,
            Tensor sum) {
        /** Bytes of the state of one head and tile: q, sums and their softmax. */
        long stateBytes() {
            return 2 * AttentionTile.rowsBytes(shape.d()) + SoftmaxState.bytes(SIDE);
        }
    }

    public void run(
            KernelShapes.Attention shape,
            Tensor q,
            Tensor qPositions,
            Tensor qSegments,
            Tensor k,
            Tensor v,
            Tensor kPositions,
            Tensor kSegments,
            float scale,
            Tensor out,
            Tensor max,
            Tensor sum) {
        var queries = new TileRanges(qPositions, qSegments, SIDE);
        var keys = new TileRanges(kPositions, kSegments, SIDE);
        Call call =
                new Call(
                        shape,
                        q,
                        qPositions,
                        qSegments,
                        queries,
                        k,
                        v,
                        kPositions,
                        kSegments,
                        keys,
                        scale,
                        out,
                        max,
                        sum);
        long work = 4 * shape.s() * shape.t() * shape.h() * shape.d();
        int tiles = queries.tiles();
        int wanted = (tiles * shape.g() + 4 * team.threads() - 1) / (4 * team.threads());
        int most = (int) Math.max(1, STATE_BYTES / shape.group() / call.stateBytes());
        int chunk = Math.clamp(wanted, 1, most);
        int chunks = (tiles + chunk - 1) / chunk;
        // In causal order the last queries have the most to do: they go first.
        WorkerTeam.Task task =
                (item, worker) -> {
                    int from = (chunks - 1 - item / shape.g()) * chunk;
                    int end = Math.min(tiles, from + chunk);
                    chunk(call, item % shape.g(), from, end, worker);
                };
        team.run(work < LEAST, chunks * shape.g(), task);
    }

    private void chunk(Call call, int kvHead, int from, int end, int worker) {
        int d = call.shape.d();
        int group = call.shape.group();
        long rows = AttentionTile.rowsBytes(d);
        long keyRows =
                scratch.of(
                        worker,
                        3 * rows
                                + SIDE * (SCORES_ROW + 8)
                                + Spans.BYTES
                                + (end - from) * group * call.stateBytes());
        long panels = keyRows + rows;
        long values = panels + rows;
        long scores = values + rows;
        long staged = scores + SIDE * SCORES_ROW;
        long spans = staged + 8 * SIDE;
        long states = spans + Spans.BYTES;
        boolean any = false;
        for (int key = 0; key < call.keys.tiles(); key++) {
            boolean packed = false;
            long firstKey = call.keys.start(key);
            int keys = call.keys.size(key);
            for (int tile = from; tile < end; tile++) {
                Sight sight = call.queries.see(tile, call.keys, key);
                if (sight == Sight.NOTHING) {
                    continue;
                }
                if (!any) {
                    eachState(call, kvHead, from, end, states, true);
                    any = true;
                }
                if (!packed) {
                    AttentionTile.stage(call.k, kvHead, firstKey, keys, 1, keyRows);
                    if (call.shape.s() > AttentionTile.FEW) {
                        AttentionTile.transpose(keyRows, keys, d, panels);
                    }
                    AttentionTile.stage(call.v, kvHead, firstKey, keys, 1, values);
                    AttentionTile.stageKeys(
                            call.kPositions, call.kSegments, firstKey, keys, SIDE, staged);
                    packed = true;
                }
                boolean hidden = sight == Sight.SOME || keys % MicroKernel.COLUMNS != 0;
                spans(call, tile, sight, staged, keys, spans);
                for (int h = 0; h < group; h++) {
                    long state = states + ((tile - from) * group + h) * call.stateBytes();
                    step(call, tile, hidden, state, keyRows, values, staged, keys, spans, scores);
                }
            }
        }
        if (any) {
            eachState(call, kvHead, from, end, states, false);
        }
    }

    private static void spans(Call call, int tile, Sight sight, long staged, int keys, long spans) {
        long first = call.queries.start(tile);
        int n = call.queries.size(tile);
        if (sight == Sight.SOME) {
            Spans.visible(call.qPositions, call.qSegments, first, n, staged, keys, spans);
        } else {
            Spans.all(spans, AttentionTile.wholeRows(n) / ROWS, AttentionTile.wholeKeys(keys));
        }
    }

    private static void step(
            Call call,
            int tile,
            boolean hidden,
            long state,
            long keyRows,
            long values,
            long staged,
            int keys,
            long spans,
            long scores) {
        int d = call.shape.d();
        long first = call.queries.start(tile);
        int n = call.queries.size(tile);
        int rows = AttentionTile.wholeRows(n);
        int width = AttentionTile.wholeKeys(keys);
        long sums = state + AttentionTile.rowsBytes(d);
        SoftmaxState softmax = softmax(state, d);
        long row = 4L * Lanes.pad(d);
        long panels = keyRows + AttentionTile.rowsBytes(d);
        if (call.shape.s() > AttentionTile.FEW) {
            AttentionTile.scores(state, rows, d, panels, width, spans, scores);
        } else {
            AttentionTile.fewScores(state, n, d, keyRows, row, width, panels, scores);
        }
        if (hidden) {
            AttentionTile.hide(call.qPositions, call.qSegments, first, n, staged, spans, scores);
        }
        for (int i = 0; i < n; i++) {
            int from = Spans.from(spans, i / ROWS);
            int end = Spans.end(spans, i / ROWS);
            if (from < end) {
                softmaxRow(
                        scores + i * SCORES_ROW + 4L * from,
                        end - from,
                        softmax,
                        i,
                        sums + 4L * i * Lanes.pad(d),
                        Lanes.pad(d));
            }
        }
        AttentionTile.combine(scores, SCORES_ROW, 4, rows, spans, values, row, d, sums, true);
    }

    /** scores → their exponentials relative to the row's maximum so far; the rest follows it. */
    static void softmaxRow(long scores, int n, SoftmaxState state, int row, long sums, int d) {
        float base = state.follow(row, scores, n, 1, sums, d);
        exponentials(scores, n, base, state.total(row));
    }

    private static void exponentials(long scores, int n, float base, long total) {
        FloatVector sum = load(total);
        for (int k = 0; k < n; k += COUNT) {
            FloatVector p = VectorMath.exp2(load(scores + 4L * k).sub(base));
            store(p, scores + 4L * k);
            sum = sum.add(p);
        }
        store(sum, total);
    }

    /** Behind the queries and the sums. */
    private static SoftmaxState softmax(long state, int d) {
        return new SoftmaxState(SIDE, state + 2 * AttentionTile.rowsBytes(d));
    }

    /** Loads the states of a chunk from out, max and sum, or stores them there. */
    private static void eachState(
            Call call, int kvHead, int from, int end, long states, boolean load) {
        int group = call.shape.group();
        for (int tile = from; tile < end; tile++) {
            for (int h = 0; h < group; h++) {
                long state = states + ((tile - from) * group + h) * call.stateBytes();
                if (load) {
                    loadState(call, kvHead * group + h, tile, state);
                } else {
                    storeState(call, kvHead * group + h, tile, state);
                }
            }
        }
    }

    private static void loadState(Call call, int head, int tile, long state) {
        int d = call.shape.d();
        long first = call.queries.start(tile);
        int n = call.queries.size(tile);
        long sums = state + AttentionTile.rowsBytes(d);
        SoftmaxState softmax = softmax(state, d);
        AttentionTile.stage(call.q, head, first, n, call.scale * VectorMath.LOG2_E, state);
        if (!softmax.begin(call.max, call.sum, call.shape.h(), head, first, n)) {
            long rows = 4L * AttentionTile.wholeRows(n) * Lanes.pad(d);
            Lanes.MEMORY.asSlice(sums, rows).fill((byte) 0);
            return;
        }
        AttentionTile.stage(call.out, head, first, n, 1, sums);
        for (int i = 0; i < n; i++) {
            long row = sums + 4L * i * Lanes.pad(d);
            SoftmaxState.scale(row, Lanes.pad(d), softmax.factor(i), row);
        }
    }

    private static void storeState(Call call, int head, int tile, long state) {
        int d = call.shape.d();
        long first = call.queries.start(tile);
        int n = call.queries.size(tile);
        long sums = state + AttentionTile.rowsBytes(d);
        SoftmaxState softmax = softmax(state, d);
        softmax.end(call.max, call.sum, call.shape.h(), head, first, n);
        for (int i = 0; i < n; i++) {
            if (!softmax.sawNothing(i)) {
                long row = (first + i) * call.shape.h() + head;
                long to = call.out.address() + 4 * row * d;
                SoftmaxState.scale(sums + 4L * i * Lanes.pad(d), d, softmax.factor(i), to);
            }
        }
    }
}
