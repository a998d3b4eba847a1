package org.ringworld.runtime.cpu.vision;

import java.lang.foreign.MemorySegment;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.VisionKernels;
import org.ringworld.runtime.VisionShapes;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;

/**
 * The vision kernels on a team of threads. A convolution is a product: its patches, some thousand
 * pixels of them at a time, are laid out as rows (im2col) and multiplied by the device's own
 * product, whatever that is here.
 */
public final class VectorVision implements VisionKernels {
    /** Bytes of patches laid out at a time: the last cache holds them until they are multiplied. */
    private static final long PATCHES = 4L << 20;

    /** Pixels at least, however large their patches are: each product reads the whole kernel. */
    private static final long LEAST_PIXELS = 512;

    /** Elements worth waking another thread for. */
    private static final long LEAST = 16 * 1024;

    /** Distances formed at a time. */
    private static final long DISTANCES = 1 << 20;

    private final WorkerTeam team;
    private final Scratch scratch;
    private final Kernels products;
    private final GroupNorm groupNorm;

    /**
     * @param scratch of these kernels alone: what it holds is an operand of products, which have
     *     theirs
     */
    public VectorVision(WorkerTeam team, Scratch scratch, Kernels products) {
        this.team = team;
        this.scratch = scratch;
        this.products = products;
        groupNorm = new GroupNorm(team, scratch);
    }

    /** Gives back working memory. */
    public void trim() {
        scratch.release();
    }

    @Override
    public void conv2d(Tensor x, Tensor kernel, Tensor bias, int stride, int before, Tensor y) {
        var shape = VisionShapes.conv2d(x, kernel, bias, stride, before, y);
        Tensor weights = kernel.view(shape.patch(), shape.o());
        Tensor pixels = y.view(y.dim(0) * shape.i() * shape.j(), shape.o());
        if (shape.isPointwise()) {
            repeat(bias, pixels);
            Tensor patches = x.view(pixels.dim(0), shape.c());
            products.matmul(Product.NN, patches, weights, pixels, true);
            return;
        }
        long row = shape.patch() * x.dtype().bytes();
        long most = Math.max(LEAST_PIXELS, PATCHES / Math.max(1, row));
        for (long from = 0; from < pixels.dim(0); from += most) {
            Tensor some = pixels.rows(from, Math.min(from + most, pixels.dim(0)));
            Tensor patches = shared(x, x.dtype(), some.dim(0), shape.patch());
            repeat(bias, some);
            patches(x, shape, from, patches);
            products.matmul(Product.NN, patches, weights, some, true);
        }
    }

    /** A matrix in the shared part of scratch, good until the next. */
    private Tensor shared(Tensor beside, DType dtype, long rows, long columns) {
        long bytes = rows * columns * dtype.bytes();
        MemorySegment memory = Lanes.MEMORY.asSlice(scratch.shared(bytes), bytes);
        return new Tensor(beside.device(), dtype, memory, rows, columns);
    }

    /** Every row of y = bias. */
    private void repeat(Tensor bias, Tensor y) {
        rows(y.dim(0), bias.size(), row -> copy(bias.address(), y, row));
    }

    private static void copy(long from, Tensor matrix, long row) {
        long bytes = matrix.dim(1) * matrix.dtype().bytes();
        MemorySegment.copy(Lanes.MEMORY, from, Lanes.MEMORY, matrix.address() + row * bytes, bytes);
    }

    private interface Row {
        void run(long row);
    }

    /** Some rows, of so many elements each, a thread. */
    private void rows(long rows, long width, Row body) {
        int items = (int) Math.min(rows, team.items(rows * width, LEAST));
        team.run(
                items,
                (item, _) -> {
                    long end = rows * (item + 1) / items;
                    for (long row = rows * item / items; row < end; row++) {
                        body.run(row);
                    }
                });
    }

    /** What the pixels of y from {@code first} on see of x, a row for each: [u, v, c]. */
    private void patches(Tensor x, VisionShapes.Convolution shape, long first, Tensor patches) {
        long bytes = patches.dim(1) * x.dtype().bytes();
        rows(
                patches.dim(0),
                patches.dim(1),
                row -> patch(x, shape, first + row, patches.address() + row * bytes));
    }

    /** Pixels of x side by side lie so in a patch too: a copy for each of its rows. */
    private static void patch(Tensor x, VisionShapes.Convolution shape, long pixel, long to) {
        long bytes = (long) shape.c() * x.dtype().bytes();
        int left = (int) (pixel % shape.j()) * shape.stride() - shape.before();
        int top = (int) (pixel / shape.j() % shape.i()) * shape.stride() - shape.before();
        long image = pixel / shape.j() / shape.i() * shape.h();
        int first = Math.clamp(-left, 0, shape.v());
        int last = Math.clamp(shape.w() - left, first, shape.v());
        for (int u = 0; u < shape.u(); u++) {
            long line = to + u * shape.v() * bytes;
            if (top + u < 0 || top + u >= shape.h()) {
                zero(line, shape.v() * bytes);
                continue;
            }
            long from = x.address() + ((image + top + u) * shape.w() + left + first) * bytes;
            zero(line, first * bytes);
            MemorySegment.copy(
                    Lanes.MEMORY, from, Lanes.MEMORY, line + first * bytes, (last - first) * bytes);
            zero(line + last * bytes, (shape.v() - last) * bytes);
        }
    }

    private static void zero(long address, long bytes) {
        if (bytes > 0) {
            Lanes.MEMORY.asSlice(address, bytes).fill((byte) 0);
        }
    }

    @Override
    public void groupNorm(
            Tensor x, Tensor scale, Tensor bias, int groups, float eps, boolean swish, Tensor y) {
        VisionShapes.groupNorm(x, scale, bias, groups, y);
        if (x.size() > 0) {
            groupNorm.run(x, scale, bias, groups, eps, swish, y);
        }
    }

    @Override
    public void upsample(Tensor x, Tensor y) {
        VisionShapes.upsample(x, y);
        long bytes = x.dim(3) * x.dtype().bytes();
        long width = x.dim(2);
        long line = 2 * width * bytes;
        rows(
                x.dim(0) * x.dim(1),
                4 * width * x.dim(3),
                row -> {
                    long to = y.address() + 2 * row * line;
                    for (long j = 0; j < 2 * width; j++) {
                        long from = x.address() + (row * width + j / 2) * bytes;
                        MemorySegment.copy(Lanes.MEMORY, from, Lanes.MEMORY, to + j * bytes, bytes);
                    }
                    MemorySegment.copy(Lanes.MEMORY, to, Lanes.MEMORY, to + line, line);
                });
    }

    /** |x − c|² is least where x · c − |c|² / 2 is greatest: a product, then a search. */
    @Override
    public void nearest(Tensor x, Tensor codebook, Tensor codes) {
        VisionShapes.nearest(x, codebook, codes);
        int v = Math.toIntExact(codebook.dim(0));
        float[] half = new float[v];
        rows(v, codebook.dim(1), row -> half[(int) row] = halfNorm(codebook, row));
        long most = Math.max(1, DISTANCES / v);
        for (long from = 0; from < x.dim(0); from += most) {
            Tensor some = x.rows(from, Math.min(from + most, x.dim(0)));
            Tensor closeness = shared(x, DType.F32, some.dim(0), v);
            this.products.matmul(Product.NT, some, codebook, closeness, false);
            long first = codes.address() + 4 * from;
            rows(
                    some.dim(0),
                    v,
                    row ->
                            Lanes.setInt(
                                    first + 4 * row,
                                    greatest(closeness.address() + 4L * v * row, half)));
        }
    }

    private static float halfNorm(Tensor codebook, long row) {
        long d = codebook.dim(1);
        double sum = 0;
        for (long i = 0; i < d; i++) {
            float c = Lanes.get(codebook.address() + 4 * (row * d + i));
            sum += (double) c * c;
        }
        return (float) (sum / 2);
    }

    private static int greatest(long products, float[] half) {
        float most = Float.NEGATIVE_INFINITY;
        int place = 0;
        for (int v = 0; v < half.length; v++) {
            float closeness = Lanes.get(products + 4L * v) - half[v];
            if (closeness > most) {
                most = closeness;
                place = v;
            }
        }
        return place;
    }
}
