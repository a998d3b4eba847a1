package org.ringworld.runtime.cpu.matmul;

import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.load;

import jdk.incubator.vector.FloatVector;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;
import org.ringworld.runtime.cpu.elementwise.Quantized;
import org.ringworld.runtime.cpu.elementwise.Staging;

/**
 * Products of a few rows with a matrix, as in decoding: each element of b is read once, and the
 * speed is that of memory. A row's sums are formed alike, however many rows there are.
 */
public final class MatrixVector {
    /** Up to so many rows of a nothing is faster. */
    public static final int ROWS = 4;

    /** Elements of b worth waking another thread for. */
    private static final long LEAST = 32 * 1024;

    private final WorkerTeam team;
    private final Scratch scratch;

    public MatrixVector(WorkerTeam team, Scratch scratch) {
        this.team = team;
        this.scratch = scratch;
    }

    /** NT or NN. */
    public void run(
            Product product,
            Tensor a,
            Tensor b,
            Tensor c,
            boolean accumulate,
            KernelShapes.Matmul shape) {
        int m = (int) shape.m();
        int n = Math.toIntExact(shape.n());
        int k = Math.toIntExact(shape.k());
        // Rows of a as F32, with zeros up to whole vectors.
        long aRow = 4L * Lanes.pad(k);
        long rows = scratch.shared(m * aRow);
        for (int i = 0; i < m; i++) {
            Staging.load(
                    a.dtype(), a.address() + (long) i * k * a.dtype().bytes(), k, rows + i * aRow);
            for (int p = k; p < Lanes.pad(k); p++) {
                Lanes.set(rows + i * aRow + 4L * p, 0);
            }
        }
        int items = Math.min(n, team.items((long) n * k, LEAST));
        team.run(
                items,
                (item, worker) -> {
                    int from = product == Product.NN ? grain(n, item, items) : n(n, item, items);
                    int end =
                            product == Product.NN
                                    ? grain(n, item + 1, items)
                                    : n(n, item + 1, items);
                    if (product == Product.NT) {
                        dots(rows, aRow, m, k, b, c, n, from, end, accumulate, worker);
                    } else {
                        sums(rows, aRow, m, k, b, c, n, from, end, accumulate, worker);
                    }
                });
    }

    private static int n(int n, int item, int items) {
        return (int) ((long) n * item / items);
    }

    /** Columns are cut at whole vectors. */
    private static int grain(int n, int item, int items) {
        return item == items ? n : n(n, item, items) / COUNT * COUNT;
    }

    /** c[i,j] = a[i] · b[j] for j in [from, end). */
    private void dots(
            long rows,
            long aRow,
            int m,
            int k,
            Tensor b,
            Tensor c,
            int n,
            int from,
            int end,
            boolean accumulate,
            int worker) {
        int columns = end - from;
        long stride = 4L * Lanes.pad(columns) + 4;
        long results = scratch.of(worker, m * stride + Math.max(stride, aRow));
        long copy = results + m * stride;
        boolean whole = k % COUNT == 0;
        long bRow = (long) k * b.dtype().bytes();
        for (int j = from; j < end; j++) {
            long row = b.address() + j * bRow;
            DType dtype = b.dtype();
            // Nothing beyond this part is touched: it may be the end of a mapped file.
            long ahead = Math.min(Dots.AHEAD, (end - 1 - j) * bRow);
            if (!whole) {
                stage(b, j, k, copy);
                row = copy;
                dtype = DType.F32;
                ahead = 0;
            }
            for (int i = 0; i < m; i++) {
                long to = results + i * stride + 4L * (j - from);
                switch (dtype) {
                    case I8 -> Dots.i8(rows + i * aRow, row, k, ahead, to);
                    case BF16 -> Dots.bf16(rows + i * aRow, row, k, ahead, to);
                    default -> Dots.f32(rows + i * aRow, row, Lanes.pad(k), ahead, to);
                }
            }
        }
        if (whole && b.dtype() == DType.I8) {
            for (int i = 0; i < m; i++) {
                for (int j = from; j < end; j++) {
                    long at = results + i * stride + 4L * (j - from);
                    Lanes.set(at, Lanes.get(at) * Quantized.scale(b, j));
                }
            }
        }
        for (int i = 0; i < m; i++) {
            put(results + i * stride, columns, c, (long) i * n + from, accumulate, copy);
        }
    }

    private static void stage(Tensor b, long row, int k, long to) {
        Staging.loadRow(b, row, k, DType.F32, to);
        for (int p = k; p < Lanes.pad(k); p++) {
            Lanes.set(to + 4L * p, 0);
        }
    }

    /** c[i, from..end) = Σ a[i,p] b[p, from..end): sums stay in the first cache. */
    private void sums(
            long rows,
            long aRow,
            int m,
            int k,
            Tensor b,
            Tensor c,
            int n,
            int from,
            int end,
            boolean accumulate,
            int worker) {
        int columns = end - from;
        long stride = 4L * Lanes.pad(columns);
        long sums = scratch.of(worker, (m + 1) * stride);
        long copy = sums + m * stride;
        Lanes.MEMORY.asSlice(sums, m * stride).fill((byte) 0);
        for (int p = 0; p < k; p++) {
            long row = Staging.in(b, (long) p * n + from, columns, copy);
            for (int i = 0; i < m; i++) {
                FloatVector x = Lanes.broadcast(rows + i * aRow + 4L * p);
                long sum = sums + i * stride;
                for (int j = 0; j < columns; j += COUNT) {
                    Lanes.store(x.fma(load(row + 4L * j), load(sum + 4L * j)), sum + 4L * j);
                }
            }
        }
        for (int i = 0; i < m; i++) {
            put(sums + i * stride, columns, c, (long) i * n + from, accumulate, copy);
        }
    }

    /** Brings F32 results home, to elements [at, at + count) of c. */
    private static void put(
            long results, int count, Tensor c, long at, boolean accumulate, long copy) {
        long home = c.address() + at * c.dtype().bytes();
        if (accumulate) {
            Staging.load(c.dtype(), home, count, copy);
            for (int j = 0; j < count; j++) {
                Lanes.set(results + 4L * j, Lanes.get(copy + 4L * j) + Lanes.get(results + 4L * j));
            }
        }
        Staging.store(c.dtype(), results, count, home);
    }
}
