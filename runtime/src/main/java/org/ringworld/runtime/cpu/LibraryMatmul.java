package org.ringworld.runtime.cpu;

import org.ringworld.runtime.DType;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;

/**
 * Matrix products by oneDNN, C cut into tiles, each a call of its own on one thread of the team.
 */
final class LibraryMatmul {
    /** Floating point operations worth waking another thread for. */
    private static final long LEAST = 1 << 20;

    /** Tiles start at multiples of what oneDNN's inner loops are wide. */
    private static final int GRAIN = 48;

    /** Longest side of a tile of C: past it oneDNN's own blocking loses an eighth of its rate. */
    private static final int SIDE = 4096;

    /** Elements of a BF16 tile of C, which is formed in F32 first. */
    private static final int STAGED = 128 * 1024;

    private final OneDnn library;
    private final WorkerTeam team;
    private final Scratch scratch;

    LibraryMatmul(OneDnn library, WorkerTeam team, Scratch scratch) {
        this.library = library;
        this.team = team;
        this.scratch = scratch;
    }

    void run(
            Product product,
            Tensor a,
            Tensor b,
            Tensor c,
            boolean accumulate,
            KernelShapes.Matmul shape) {
        int m = Math.toIntExact(shape.m());
        int n = Math.toIntExact(shape.n());
        int wanted = wanted(2L * m * n * shape.k(), (long) m * n, c.dtype());
        // As square as can be: the longer side is cut first.
        int rowCuts = 1;
        int columnCuts = 1;
        while (rowCuts * columnCuts < wanted || m / rowCuts > SIDE || n / columnCuts > SIDE) {
            if (m / rowCuts >= n / columnCuts && m / rowCuts >= 2 * GRAIN) {
                rowCuts++;
            } else if (n / columnCuts >= 2 * GRAIN) {
                columnCuts++;
            } else {
                break;
            }
        }
        int columns = columnCuts;
        int rows = rowCuts;
        team.run(
                rows * columns,
                (item, worker) -> {
                    int row = cut(m, item / columns, rows);
                    int column = cut(n, item % columns, columns);
                    int tileRows = cut(m, item / columns + 1, rows) - row;
                    int tileColumns = cut(n, item % columns + 1, columns) - column;
                    tile(
                            product,
                            a,
                            b,
                            c,
                            accumulate,
                            shape,
                            row,
                            column,
                            tileRows,
                            tileColumns,
                            worker);
                });
    }

    private int wanted(long operations, long elements, DType dtype) {
        // One tile a thread: more of them balance better but pack more, and lose 5 to 10 % of the
        // rate of 1024³ on 2 threads.
        int threads = team.threads();
        long tiles = threads == 1 ? 1 : Math.min(threads, operations / LEAST);
        return (int) Math.max(tiles, dtype == DType.BF16 ? elements / STAGED : 1);
    }

    private static int cut(int size, int i, int pieces) {
        return i == pieces ? size : (int) ((long) size * i / pieces) / GRAIN * GRAIN;
    }

    private void tile(
            Product product,
            Tensor a,
            Tensor b,
            Tensor c,
            boolean accumulate,
            KernelShapes.Matmul shape,
            int row,
            int column,
            int rows,
            int columns,
            int worker) {
        if (rows == 0 || columns == 0) {
            return;
        }
        long k = shape.k();
        int bytes = a.dtype().bytes();
        boolean left = product == Product.TN;
        boolean right = product == Product.NT;
        boolean staged = c.dtype() == DType.BF16;
        long home = c.address() + (row * shape.n() + column) * c.dtype().bytes();
        long to = staged ? scratch.of(worker, 4L * rows * columns) : home;
        long stride = staged ? columns : shape.n();
        for (int i = 0; i < rows && staged && accumulate; i++) {
            Staging.widen(home + 2L * i * shape.n(), columns, to + 4 * i * stride);
        }
        library.gemm(
                a.dtype() == DType.BF16,
                left ? 't' : 'n',
                right ? 't' : 'n',
                rows,
                columns,
                k,
                a.address() + (left ? row : row * k) * bytes,
                left ? shape.m() : k,
                b.address() + (right ? column * k : column) * bytes,
                right ? k : shape.n(),
                accumulate ? 1 : 0,
                to,
                stride);
        for (int i = 0; i < rows && staged; i++) {
            Staging.narrow(to + 4 * i * stride, columns, home + 2L * i * shape.n());
        }
    }
}
