package org.ringworld.runtime.cpu.matmul;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;
import org.ringworld.runtime.cpu.elementwise.Staging;

/**
 * Matrix products by oneDNN, C cut into tiles, each a call of its own on one thread of the team.
 */
public final class LibraryMatmul {
    /** Floating point operations worth waking another thread for. */
    private static final long LEAST = 1 << 20;

    /** Tiles start at multiples of what the inner loops of oneDNN's plain products are wide. */
    private static final int GRAIN = 48;

    /** Primitives fit theirs to the tile: even halves are worth more to them. */
    private static final int PRIMITIVE_GRAIN = 32;

    /** Longest side of a tile of C: past it oneDNN's own blocking loses an eighth of its rate. */
    private static final int SIDE = 4096;

    /**
     * Longest sums that primitives form: they pack all of one, which then leaves the second cache.
     */
    private static final int DEEP = 16384;

    /** Elements of a BF16 tile of C that is formed in F32 first. */
    private static final int STAGED = 128 * 1024;

    /**
     * Elements of b that are brought to a's dtype at a time. A quarter as many would stay in the
     * second cache, but oneDNN's F32 products of 16 rows are four times as slow on such panels.
     */
    private static final long PANEL = 1 << 20;

    /** Shapes a worker keeps primitives of: a training step has a dozen. */
    private static final int KEPT = 256;

    private final OneDnn library;
    private final WorkerTeam team;
    private final Scratch scratch;
    private final List<Map<MatmulPrimitive.Shape, MatmulPrimitive>> primitives = new ArrayList<>();

    public LibraryMatmul(OneDnn library, WorkerTeam team, Scratch scratch) {
        this.library = library;
        this.team = team;
        this.scratch = scratch;
        for (int i = 0; i < team.threads(); i++) {
            primitives.add(new HashMap<>());
        }
    }

    /**
     * One product.
     *
     * @param panels where each worker brings rows of b to a's dtype, {@link #panelBytes}; or none
     */
    private record Call(
            Product product,
            Tensor a,
            Tensor b,
            Tensor c,
            boolean accumulate,
            KernelShapes.Matmul shape,
            long panels) {}

    /** Rows of b that are brought to a's dtype at a time. */
    private static int panelRows(long k) {
        return (int) Math.max(GRAIN, PANEL / k / GRAIN * GRAIN);
    }

    private static long panelBytes(Tensor a, long k) {
        return panelRows(k) * k * a.dtype().bytes() + 63 & -64;
    }

    public void run(
            Product product,
            Tensor a,
            Tensor b,
            Tensor c,
            boolean accumulate,
            KernelShapes.Matmul shape) {
        int m = Math.toIntExact(shape.m());
        int n = Math.toIntExact(shape.n());
        int wanted = wanted(m, n, shape.k(), c.dtype());
        int grain = byPrimitive(c.dtype(), shape.k()) ? PRIMITIVE_GRAIN : GRAIN;
        // As square as can be: the longer side is cut first.
        int rowCuts = 1;
        int columnCuts = 1;
        while (rowCuts * columnCuts < wanted || m / rowCuts > SIDE || n / columnCuts > SIDE) {
            if (m / rowCuts >= n / columnCuts && m / rowCuts >= 2 * grain) {
                rowCuts++;
            } else if (n / columnCuts >= 2 * grain) {
                columnCuts++;
            } else {
                break;
            }
        }
        int columns = columnCuts;
        int rows = rowCuts;
        boolean apart = b.dtype() != a.dtype();
        long panels = apart ? scratch.shared(team.threads() * panelBytes(a, shape.k())) : 0;
        Call call = new Call(product, a, b, c, accumulate, shape, panels);
        team.run(
                rows * columns,
                (item, worker) -> {
                    int row = cut(m, item / columns, rows, grain);
                    int column = cut(n, item % columns, columns, grain);
                    int tileRows = cut(m, item / columns + 1, rows, grain) - row;
                    int tileColumns = cut(n, item % columns + 1, columns, grain) - column;
                    if (apart) {
                        convertedTile(call, row, column, tileRows, tileColumns, worker);
                    } else {
                        long right = product == Product.NT ? column * shape.k() : column;
                        long bAt = b.address() + right * b.dtype().bytes();
                        tile(call, bAt, row, column, tileRows, tileColumns, worker);
                    }
                });
    }

    private static boolean byPrimitive(DType result, long k) {
        return result == DType.BF16 && k <= DEEP;
    }

    private int wanted(long m, long n, long k, DType dtype) {
        // One tile a thread: more of them balance better but pack more, and lose 5 to 10 % of the
        // rate of 1024³ on 2 threads.
        int threads = team.threads();
        long tiles = threads == 1 ? 1 : Math.min(threads, 2 * m * n * k / LEAST);
        return (int) Math.max(tiles, dtype == DType.BF16 && k > DEEP ? m * n / STAGED : 1);
    }

    private static int cut(int size, int i, int pieces, int grain) {
        return i == pieces ? size : (int) ((long) size * i / pieces) / grain * grain;
    }

    /** A tile whose rows of b come to a's dtype some at a time, into a cache. */
    private void convertedTile(Call call, int row, int column, int rows, int columns, int worker) {
        int k = Math.toIntExact(call.shape.k());
        DType dtype = call.a.dtype();
        int most = panelRows(k);
        long panel = call.panels + worker * panelBytes(call.a, k);
        for (int from = column; from < column + columns; from += most) {
            int n = Math.min(most, column + columns - from);
            for (int i = 0; i < n; i++) {
                long to = panel + (long) i * k * dtype.bytes();
                Staging.loadRow(call.b, from + i, k, dtype, to);
            }
            tile(call, panel, row, from, rows, n, worker);
        }
    }

    /**
     * @param bAt where the tile's part of b begins
     */
    private void tile(Call call, long bAt, int row, int column, int rows, int columns, int worker) {
        if (rows == 0 || columns == 0) {
            return;
        }
        KernelShapes.Matmul shape = call.shape;
        Tensor c = call.c;
        long k = shape.k();
        boolean left = call.product == Product.TN;
        boolean right = call.product == Product.NT;
        var tile =
                new MatmulPrimitive.Shape(
                        left ? 't' : 'n',
                        right ? 't' : 'n',
                        rows,
                        columns,
                        k,
                        left ? shape.m() : k,
                        right ? k : shape.n(),
                        shape.n(),
                        call.accumulate);
        long aAt = call.a.address() + (left ? row : row * k) * call.a.dtype().bytes();
        long cAt = c.address() + (row * shape.n() + column) * c.dtype().bytes();
        if (byPrimitive(c.dtype(), k)) {
            MatmulPrimitive primitive = primitive(worker, tile);
            primitive.run(aAt, bAt, cAt, scratch.of(worker, primitive.scratchBytes()));
        } else if (c.dtype() == DType.BF16) {
            staged(tile, aAt, bAt, cAt, worker);
        } else {
            gemm(call.a.dtype(), tile, aAt, bAt, cAt, shape.n());
        }
    }

    private void gemm(
            DType dtype, MatmulPrimitive.Shape tile, long a, long b, long c, long stride) {
        library.gemm(
                dtype == DType.BF16,
                tile.opA(),
                tile.opB(),
                tile.m(),
                tile.n(),
                tile.k(),
                a,
                tile.lda(),
                b,
                tile.ldb(),
                tile.accumulate() ? 1 : 0,
                c,
                stride);
    }

    /** BF16 by way of F32. */
    private void staged(MatmulPrimitive.Shape tile, long a, long b, long c, int worker) {
        int n = (int) tile.n();
        long sums = scratch.of(worker, 4 * tile.m() * n);
        for (long i = 0; i < tile.m() && tile.accumulate(); i++) {
            Staging.widen(c + 2 * i * tile.ldc(), n, sums + 4 * i * n);
        }
        gemm(DType.BF16, tile, a, b, sums, n);
        for (long i = 0; i < tile.m(); i++) {
            Staging.narrow(sums + 4 * i * n, n, c + 2 * i * tile.ldc());
        }
    }

    /** Drops all primitives; between products. */
    public void forget() {
        primitives.forEach(Map::clear);
    }

    private MatmulPrimitive primitive(int worker, MatmulPrimitive.Shape shape) {
        Map<MatmulPrimitive.Shape, MatmulPrimitive> mine = primitives.get(worker);
        MatmulPrimitive primitive = mine.get(shape);
        if (primitive == null) {
            // Documents of every length come by: then all are made anew, 0.1 ms each.
            if (mine.size() == KEPT) {
                mine.clear();
            }
            primitive = new MatmulPrimitive(shape);
            mine.put(shape, primitive);
        }
        return primitive;
    }
}
