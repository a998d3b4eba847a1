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
 * speed is that of memory.
 */
public final class MatrixVector {
    /** Rows of a at most. */
    public static final int ROWS = 4;

    /** Elements of b worth waking another thread for. */
    private static final long LEAST = 32 * 1024;

    private final WorkerTeam team;
    private final Scratch scratch;

    public MatrixVector(WorkerTeam team, Scratch scratch) {
        this.team = team;
        this.scratch = scratch;
    }

    /** NT or NN, with {@link #ROWS} rows at most. */
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

    /** c[i,j] = a[i] · b[j], four rows of b at a time: four streams keep memory busier than one. */
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
        long results = scratch.of(worker, 16 + 4 * aRow);
        boolean whole = k % COUNT == 0;
        for (int j = from; j < end; j += 4) {
            int count = Math.min(4, end - j);
            long four = b.address() + (long) j * k * b.dtype().bytes();
            long stride = (long) k * b.dtype().bytes();
            boolean direct = whole && count == 4;
            if (!direct) {
                for (int i = 0; i < count; i++) {
                    stage(b, j + i, k, results + 16 + i * aRow);
                }
                four = results + 16;
                stride = aRow;
            }
            for (int i = 0; i < m; i++) {
                if (direct && b.dtype() == DType.I8) {
                    Dots.fourI8(rows + i * aRow, four, stride, k, results);
                    for (int x = 0; x < 4; x++) {
                        long at = results + 4L * x;
                        Lanes.set(at, Lanes.get(at) * Quantized.scale(b, j + x));
                    }
                } else if (direct && b.dtype() == DType.BF16) {
                    Dots.fourBf16(rows + i * aRow, four, stride, k, results);
                } else {
                    Dots.four(rows + i * aRow, four, stride, (int) aRow, results);
                }
                for (int x = 0; x < count; x++) {
                    put(c, (long) i * n + j + x, Lanes.get(results + 4L * x), accumulate);
                }
            }
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
            for (int j = 0; j < columns; j++) {
                put(c, (long) i * n + from + j, Lanes.get(sums + i * stride + 4L * j), accumulate);
            }
        }
    }

    private static void put(Tensor c, long i, float value, boolean accumulate) {
        if (c.dtype() == DType.F32) {
            long at = c.address() + 4 * i;
            Lanes.set(at, accumulate ? Lanes.get(at) + value : value);
        } else {
            long at = c.address() + 2 * i;
            float sum = accumulate ? DType.fromBf16(Lanes.getShort(at)) + value : value;
            Lanes.setShort(at, DType.toBf16(sum));
        }
    }
}
