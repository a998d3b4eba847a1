package org.ringworld.runtime.cuda;

import static org.ringworld.runtime.cuda.CudaKernels.suffix;

import java.util.stream.Stream;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.KernelShapes.Attention;
import org.ringworld.runtime.KernelShapes.Paged;
import org.ringworld.runtime.PageTable;
import org.ringworld.runtime.Tensor;

/**
 * Attention on a card: on its tensor cores ({@code attention.cu}) for BF16 heads of 64 or 128, else
 * a row a warp ({@code attention_rows.cu}).
 */
final class CudaAttention {
    /** Rows of a tile, of a block of gradients, and of a block of queries. */
    private static final int TILE = 64;

    private static final int QUERIES = 128;

    private static final int THREADS = 128;

    /** Bytes of a tile's bounds. */
    private static final long BOUNDS = 16;

    /** Shared memory for maximum, sum and delta of two tiles of queries. */
    private static final int STATISTICS = 2 * 3 * TILE * Float.BYTES;

    /** The most that a warp's lanes hold of a row. */
    private static final int GREATEST_HEAD = 256;

    private final CudaDevice device;

    CudaAttention(CudaDevice device) {
        this.device = device;
    }

    void attention(
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
        Attention shape =
                KernelShapes.attention(
                        "attention",
                        q,
                        qPositions,
                        qSegments,
                        k,
                        v,
                        kPositions,
                        kSegments,
                        out,
                        max,
                        sum);
        if (shape.s() == 0 || shape.t() == 0) {
            return;
        }
        Object[] state = {out, max, sum};
        if (onTensorCores(shape, q, k, v)) {
            Object[] call =
                    tileCall(shape, q, qPositions, qSegments, k, v, kPositions, kSegments, scale);
            long blocks = Math.ceilDiv(shape.s(), QUERIES);
            int shared = tileBytes(shape, QUERIES + 4 * TILE);
            tiles("forward", shape, Grid.of(blocks, shape.h()), shared, call, state);
        } else {
            Object[] call = {q, qPositions, qSegments, k, v, kPositions, kSegments, scale};
            rows("forward_" + suffix(q), shape, shape.s() * shape.h(), call, state);
        }
    }

    void attentionBackward(
            Tensor q,
            Tensor qPositions,
            Tensor qSegments,
            Tensor k,
            Tensor v,
            Tensor kPositions,
            Tensor kSegments,
            float scale,
            Tensor dOut,
            Tensor max,
            Tensor sum,
            Tensor delta,
            Tensor dq,
            Tensor dk,
            Tensor dv) {
        Attention shape =
                KernelShapes.attention(
                        "attentionBackward",
                        q,
                        qPositions,
                        qSegments,
                        k,
                        v,
                        kPositions,
                        kSegments,
                        dOut,
                        max,
                        sum);
        KernelShapes.attentionGradients(q, k, sum, delta, dq, dk, dv);
        if (dOut.dtype() != q.dtype()) {
            throw new IllegalArgumentException(
                    "attentionBackward: dOut %s of queries %s".formatted(dOut, q));
        }
        if (shape.s() == 0 || shape.t() == 0) {
            return;
        }
        Object[] ofQueries = {dOut, max, sum, delta, dq};
        Object[] ofKeys = {dOut, max, sum, delta, dk, dv};
        if (onTensorCores(shape, q, k, v, dOut)) {
            Object[] call =
                    tileCall(shape, q, qPositions, qSegments, k, v, kPositions, kSegments, scale);
            int shared = tileBytes(shape, 6 * TILE);
            Grid queries = Grid.of(Math.ceilDiv(shape.s(), TILE), shape.h());
            tiles("gradientOfQueries", shape, queries, shared, call, ofQueries);
            Grid keys = Grid.of(Math.ceilDiv(shape.t(), TILE), shape.g());
            tiles("gradientOfKeys", shape, keys, shared + STATISTICS, call, ofKeys);
        } else {
            Object[] call = {q, qPositions, qSegments, k, v, kPositions, kSegments, scale};
            long queries = shape.s() * shape.h();
            rows("gradientOfQueries_" + suffix(q), shape, queries, call, ofQueries);
            long keys = shape.t() * shape.g();
            rows("gradientOfKeys_" + suffix(q), shape, keys, call, ofKeys);
        }
    }

    private static boolean onTensorCores(Attention shape, Tensor... rows) {
        return rows[0].dtype() == DType.BF16
                && (shape.d() == 64 || shape.d() == 128)
                && Stream.of(rows).allMatch(t -> t.address() % 16 == 0);
    }

    /** Bytes of so many rows of BF16 heads. */
    private static int tileBytes(Attention shape, int rows) {
        return rows * shape.d() * DType.BF16.bytes();
    }

    /** What the kernels of tiles take first; the bounds of all tiles are queued before them. */
    private Object[] tileCall(
            Attention shape,
            Tensor q,
            Tensor qPositions,
            Tensor qSegments,
            Tensor k,
            Tensor v,
            Tensor kPositions,
            Tensor kSegments,
            float scale) {
        long queryTiles = Math.ceilDiv(shape.s(), TILE);
        long keyTiles = Math.ceilDiv(shape.t(), TILE);
        long qBounds = device.scratch(BOUNDS * (queryTiles + keyTiles)).address();
        long kBounds = qBounds + BOUNDS * queryTiles;
        bounds(qPositions, qSegments, qBounds, queryTiles, shape.s());
        bounds(kPositions, kSegments, kBounds, keyTiles, shape.t());
        return new Object[] {
            q,
            qPositions,
            qSegments,
            qBounds,
            shape.s(),
            k,
            v,
            kPositions,
            kSegments,
            kBounds,
            shape.t(),
            scale,
            shape.h(),
            shape.g()
        };
    }

    private void bounds(Tensor positions, Tensor segments, long bounds, long tiles, long n) {
        device.launch("attention.bounds", warps(tiles), THREADS, 0, positions, segments, bounds, n);
    }

    private void tiles(
            String kernel,
            Attention shape,
            Grid grid,
            int shared,
            Object[] call,
            Object[] results) {
        device.launch(
                "attention.%s_%d".formatted(kernel, shape.d()),
                grid,
                THREADS,
                shared,
                Stream.of(call, results).flatMap(Stream::of).toArray());
    }

    private void rows(String kernel, Attention shape, long rows, Object[] call, Object[] results) {
        Object[] sizes = {shape.s(), shape.t(), shape.h(), shape.g(), shape.d()};
        device.launch(
                "attention_rows.%s_%d".formatted(kernel, elements(shape.d())),
                warps(rows),
                THREADS,
                0,
                Stream.of(call, results, sizes).flatMap(Stream::of).toArray());
    }

    /** Blocks that have so many warps. */
    private static Grid warps(long n) {
        return Grid.of(Math.ceilDiv(32 * n, THREADS));
    }

    /** Elements of a row of d that each lane of a warp has: a power of two. */
    private static int elements(int d) {
        if (d > GREATEST_HEAD) {
            throw new IllegalArgumentException(
                    "heads of %d: attention on a card has heads of up to %d"
                            .formatted(d, GREATEST_HEAD));
        }
        return Integer.highestOneBit(2 * Math.ceilDiv(d, 32) - 1);
    }

    void pagedAttention(
            Tensor q,
            Tensor qPositions,
            Tensor pool,
            Tensor open,
            Tensor kPositions,
            PageTable table,
            float scale,
            Tensor out,
            Tensor max,
            Tensor sum) {
        Paged shape =
                KernelShapes.pagedAttention(
                        q, qPositions, pool, open, kPositions, table, out, max, sum);
        long rows = max.size();
        if (rows == 0) {
            return;
        }
        device.launch(
                "attention_rows.paged_" + elements(shape.d()),
                warps(rows),
                THREADS,
                0,
                q,
                type(q),
                qPositions,
                pool,
                type(pool),
                pool.scales(),
                open,
                type(open),
                shape.p(),
                kPositions,
                table.queries(),
                table.borders(),
                table.pages(),
                table.sequences(),
                scale,
                out,
                max,
                sum,
                q.dim(0),
                shape.t(),
                shape.h(),
                shape.g(),
                shape.d());
    }

    /** The dtype as the kernel is told it. */
    private static int type(Tensor t) {
        return switch (t.dtype()) {
            case F32 -> 0;
            case BF16 -> 1;
            case I8 -> 2;
            case I32 -> throw new IllegalArgumentException("attention to " + t);
        };
    }

    void attentionMerge(
            Tensor otherOut, Tensor otherMax, Tensor otherSum, Tensor out, Tensor max, Tensor sum) {
        KernelShapes.attentionMerge(otherOut, otherMax, otherSum, out, max, sum);
        long rows = max.size();
        if (rows > 0) {
            device.launch(
                    "attention_rows.merge",
                    warps(rows),
                    THREADS,
                    0,
                    otherOut,
                    otherMax,
                    otherSum,
                    out,
                    max,
                    sum,
                    rows,
                    Math.toIntExact(out.dim(-1)));
        }
    }

    void attentionDelta(Tensor dOut, Tensor out, Tensor delta) {
        KernelShapes.attentionDelta(dOut, out, delta);
        long rows = delta.size();
        if (rows > 0) {
            device.launch(
                    "attention_rows.delta_%s_%s".formatted(suffix(dOut), suffix(out)),
                    warps(rows),
                    THREADS,
                    0,
                    dOut,
                    out,
                    delta,
                    rows,
                    Math.toIntExact(out.dim(-1)));
        }
    }
}
