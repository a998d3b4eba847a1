package org.ringworld.runtime.cpu;

import static org.ringworld.runtime.cpu.AttentionTile.SCORES_ROW;
import static org.ringworld.runtime.cpu.AttentionTile.SIDE;
import static org.ringworld.runtime.cpu.Lanes.BYTES;
import static org.ringworld.runtime.cpu.Lanes.COUNT;
import static org.ringworld.runtime.cpu.Lanes.get;
import static org.ringworld.runtime.cpu.Lanes.load;
import static org.ringworld.runtime.cpu.Lanes.set;
import static org.ringworld.runtime.cpu.Lanes.store;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.TileRanges.Sight;

/**
 * Attention forward. A thread takes some tiles of queries of the heads that share one KV head, and
 * goes once over the keys with them: each tile of keys is packed once per such group. Scores are in
 * units of log 2, so that the exponential needs no product.
 */
final class VectorAttention {
    private static final double LN_2 = Math.log(2);

    /** Scratch of the queries and results of one thread: half of a second cache. */
    private static final long STATE_BYTES = 512 << 10;

    /** Floating point operations worth waking another thread for. */
    private static final long LEAST = 1 << 20;

    /**
     * A new maximum is taken only when it is so much greater (log 2): until then the exponentials
     * grow to 256, which F32 holds as well, and no row is rescaled.
     */
    static final float SLACK = 8;

    private final WorkerTeam team;
    private final Scratch scratch;

    VectorAttention(WorkerTeam team, Scratch scratch) {
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
            Tensor lse) {
        /** Bytes of the state of one head and tile: q, sums, maxima, and totals lane by lane. */
        long stateBytes() {
            return 2 * AttentionTile.rowsBytes(shape.d()) + 4L * SIDE * (1 + COUNT);
        }
    }

    void run(
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
            Tensor lse) {
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
                        lse);
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
                                + (end - from) * group * call.stateBytes());
        long panels = keyRows + rows;
        long values = panels + rows;
        long scores = values + rows;
        long staged = scores + SIDE * SCORES_ROW;
        long states = staged + 8 * SIDE;
        boolean any = false;
        for (int key = 0; key < call.keys.tiles(); key++) {
            boolean packed = false;
            long firstKey = (long) key * SIDE;
            int keys = (int) Math.min(SIDE, call.shape.t() - firstKey);
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
                            call.kPositions, call.kSegments, firstKey, keys, staged);
                    packed = true;
                }
                for (int h = 0; h < group; h++) {
                    long state = states + ((tile - from) * group + h) * call.stateBytes();
                    step(call, tile, sight, state, keyRows, values, staged, keys, scores);
                }
            }
        }
        if (any) {
            eachState(call, kvHead, from, end, states, false);
        }
    }

    private static void step(
            Call call,
            int tile,
            Sight sight,
            long state,
            long keyRows,
            long values,
            long staged,
            int keys,
            long scores) {
        int d = call.shape.d();
        long first = (long) tile * SIDE;
        int n = (int) Math.min(SIDE, call.shape.s() - first);
        int rows = AttentionTile.wholeRows(n);
        int width = AttentionTile.wholeKeys(keys);
        long sums = state + AttentionTile.rowsBytes(d);
        long maxima = sums + AttentionTile.rowsBytes(d);
        long totals = maxima + 4L * SIDE;
        if (call.shape.s() > AttentionTile.FEW) {
            long panels = keyRows + AttentionTile.rowsBytes(d);
            AttentionTile.scores(state, rows, d, panels, width, scores);
        } else {
            AttentionTile.fewScores(state, n, d, keyRows, width, scores);
        }
        if (sight == Sight.SOME) {
            AttentionTile.hide(call.qPositions, call.qSegments, first, n, staged, width, scores);
        }
        for (int i = 0; i < n; i++) {
            softmaxRow(
                    scores + i * SCORES_ROW,
                    width,
                    maxima + 4L * i,
                    totals + (long) i * BYTES,
                    sums + 4L * i * Lanes.pad(d),
                    Lanes.pad(d));
        }
        AttentionTile.combine(scores, SCORES_ROW, 4, rows, width, values, d, sums, true);
    }

    /** scores → their exponentials relative to the row's maximum so far; the rest follows it. */
    private static void softmaxRow(long scores, int n, long maximum, long total, long sums, int d) {
        float base = get(maximum);
        if (base == Float.NEGATIVE_INFINITY || exceeds(scores, n, base + SLACK)) {
            float max = Math.max(base, max(scores, n));
            set(maximum, max);
            // Where nothing was seen before, sums and totals are 0 and stay so.
            if (base != Float.NEGATIVE_INFINITY) {
                float fade = (float) Math.exp((base - max) * LN_2);
                scale(total, COUNT, fade);
                scale(sums, d, fade);
            }
            base = max == Float.NEGATIVE_INFINITY ? 0 : max;
        }
        exponentials(scores, n, base, total);
    }

    private static boolean exceeds(long scores, int n, float limit) {
        FloatVector greatest = load(scores);
        for (int k = COUNT; k < n; k += COUNT) {
            FloatVector x = load(scores + 4L * k);
            greatest = greatest.blend(x, x.compare(VectorOperators.GT, greatest));
        }
        return greatest.compare(VectorOperators.GT, limit).anyTrue();
    }

    /** Rarely needed; Java's maximum minds NaN and the sign of 0, which costs five instructions. */
    private static float max(long scores, int n) {
        FloatVector max = load(scores);
        for (int k = COUNT; k < n; k += COUNT) {
            max = max.max(load(scores + 4L * k));
        }
        return max.reduceLanes(VectorOperators.MAX);
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

    /** Loads the states of a chunk from out and lse, or stores them there. */
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

    /** A carried lse is a maximum, and the little that its rounding to log 2 leaves a total. */
    private static void loadState(Call call, int head, int tile, long state) {
        int d = call.shape.d();
        long first = (long) tile * SIDE;
        int n = (int) Math.min(SIDE, call.shape.s() - first);
        long sums = state + AttentionTile.rowsBytes(d);
        long maxima = sums + AttentionTile.rowsBytes(d);
        long totals = maxima + 4L * SIDE;
        float scale = (float) (call.scale / LN_2);
        AttentionTile.stage(call.q, head, first, n, scale, state);
        AttentionTile.stage(call.out, head, first, n, 1, sums);
        Lanes.MEMORY.asSlice(totals, (long) SIDE * BYTES).fill((byte) 0);
        for (int i = 0; i < n; i++) {
            float lse = get(call.lse.address() + 4 * ((first + i) * call.shape.h() + head));
            float max = (float) (lse / LN_2);
            set(maxima + 4L * i, max);
            if (lse != Float.NEGATIVE_INFINITY) {
                float total = (float) Math.exp(lse - max * LN_2);
                set(totals + (long) i * BYTES, total);
                scale(sums + 4L * i * Lanes.pad(d), Lanes.pad(d), total);
            }
        }
    }

    private static void storeState(Call call, int head, int tile, long state) {
        int d = call.shape.d();
        long first = (long) tile * SIDE;
        int n = (int) Math.min(SIDE, call.shape.s() - first);
        long sums = state + AttentionTile.rowsBytes(d);
        long maxima = sums + AttentionTile.rowsBytes(d);
        long totals = maxima + 4L * SIDE;
        for (int i = 0; i < n; i++) {
            float max = get(maxima + 4L * i);
            if (max == Float.NEGATIVE_INFINITY) {
                continue; // has seen nothing yet
            }
            float total = Lanes.sum(load(totals + (long) i * BYTES));
            long row = (first + i) * call.shape.h() + head;
            set(call.lse.address() + 4 * row, (float) (max * LN_2 + Math.log(total)));
            long sum = sums + 4L * i * Lanes.pad(d);
            scale(sum, Lanes.pad(d), 1 / total);
            Staging.store(call.out.dtype(), sum, d, call.out.address() + 4 * row * d);
        }
    }

    private static void scale(long x, int n, float by) {
        for (int i = 0; i < n; i += COUNT) {
            store(load(x + 4L * i).mul(by), x + 4L * i);
        }
    }
}
