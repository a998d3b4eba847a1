package org.ringworld.runtime.cuda;

import java.lang.foreign.MemorySegment;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.VisionKernels;
import org.ringworld.runtime.VisionShapes;

/**
 * Every vision kernel of a card, each with the meaning that {@link VisionKernels} gives it. As on
 * the CPU a convolution is a product of patches, which lie in scratch, as many as fit there.
 */
final class CudaVision implements VisionKernels {
    private static final int BLOCK = 256;

    /** Blocks that keep every card busy; each then goes on to further elements. */
    private static final long MOST_BLOCKS = 1 << 14;

    /** Bytes of patches, or of products with a codebook, at a time. */
    private static final long MOST_BYTES = 256L << 20;

    private final CudaDevice device;
    private final Kernels products;

    CudaVision(CudaDevice device, Kernels products) {
        this.device = device;
        this.products = products;
    }

    private void launch(String kernel, long elements, Object... arguments) {
        if (elements > 0) {
            long blocks = Math.min(Math.ceilDiv(elements, (long) BLOCK), MOST_BLOCKS);
            device.launch("vision." + kernel, Grid.of(blocks), BLOCK, 0, arguments);
        }
    }

    /** Bytes that are copied at once where pixels of {@code t} begin and end. */
    private static int unit(Tensor t, long channels) {
        int element = t.dtype().bytes();
        return CudaKernels.unit(element, t.address(), channels * element);
    }

    private static int units(Tensor t, long channels, int unit) {
        return Math.toIntExact(channels * t.dtype().bytes() / unit);
    }

    @Override
    public void conv2d(Tensor x, Tensor kernel, Tensor bias, int stride, int before, Tensor y) {
        var shape = VisionShapes.conv2d(x, kernel, bias, stride, before, y);
        Tensor weights = kernel.view(shape.patch(), shape.o());
        Tensor pixels = y.view(y.dim(0) * shape.i() * shape.j(), shape.o());
        repeat(bias, pixels);
        if (shape.isPointwise()) {
            Tensor patches = x.view(pixels.dim(0), shape.c());
            products.matmul(Product.NN, patches, weights, pixels, true);
            return;
        }
        long row = shape.patch() * x.dtype().bytes();
        long most = Math.max(1, MOST_BYTES / row);
        for (long from = 0; from < pixels.dim(0); from += most) {
            Tensor some = pixels.rows(from, Math.min(from + most, pixels.dim(0)));
            MemorySegment memory = device.scratch(some.dim(0) * row);
            Tensor patches = new Tensor(device, x.dtype(), memory, some.dim(0), shape.patch());
            patches(x, shape, from, patches);
            products.matmul(Product.NN, patches, weights, some, true);
        }
    }

    private void repeat(Tensor bias, Tensor y) {
        int unit = Math.min(unit(bias, bias.size()), unit(y, bias.size()));
        int n = units(bias, bias.size(), unit);
        launch("repeat_" + unit, y.dim(0) * n, bias, y, y.dim(0), n);
    }

    private void patches(Tensor x, VisionShapes.Convolution shape, long first, Tensor patches) {
        int unit = unit(x, shape.c());
        long elements = patches.bytes() / unit;
        launch(
                "patches_" + unit,
                elements,
                x,
                patches,
                first,
                patches.dim(0),
                shape.h(),
                shape.w(),
                units(x, shape.c(), unit),
                shape.u(),
                shape.v(),
                shape.i(),
                shape.j(),
                shape.stride(),
                shape.before());
    }

    @Override
    public void groupNorm(
            Tensor x, Tensor scale, Tensor bias, int groups, float eps, boolean swish, Tensor y) {
        VisionShapes.groupNorm(x, scale, bias, groups, y);
        int channels = Math.toIntExact(x.dim(3));
        if (x.size() > 0) {
            device.launch(
                    "vision.groupNorm_" + CudaKernels.suffix(x),
                    Grid.of(x.dim(0) * groups),
                    2 * BLOCK,
                    0,
                    x,
                    scale,
                    bias,
                    eps,
                    swish,
                    y,
                    x.dim(1) * x.dim(2),
                    channels,
                    channels / groups);
        }
    }

    @Override
    public void upsample(Tensor x, Tensor y) {
        VisionShapes.upsample(x, y);
        int unit = Math.min(unit(x, x.dim(3)), unit(y, x.dim(3)));
        launch(
                "upsample_" + unit,
                y.bytes() / unit,
                x,
                y,
                y.dim(0) * y.dim(1),
                Math.toIntExact(y.dim(2)),
                units(x, x.dim(3), unit));
    }

    @Override
    public void nearest(Tensor x, Tensor codebook, Tensor codes) {
        VisionShapes.nearest(x, codebook, codes);
        long v = codebook.dim(0);
        long most = Math.max(1, MOST_BYTES / (4 * v));
        for (long from = 0; from < x.dim(0); from += most) {
            Tensor some = x.rows(from, Math.min(from + most, x.dim(0)));
            MemorySegment memory = device.scratch(4 * v * (some.dim(0) + 1));
            Tensor all = new Tensor(device, DType.F32, memory, some.dim(0) + 1, v);
            Tensor half = all.rows(0, 1);
            Tensor closeness = all.rows(1, some.dim(0) + 1);
            launch("halfNorms", 32 * v, codebook, half, v, Math.toIntExact(codebook.dim(1)));
            products.matmul(Product.NT, some, codebook, closeness, false);
            device.launch(
                    "vision.nearest",
                    Grid.of(some.dim(0)),
                    BLOCK,
                    0,
                    closeness,
                    half,
                    codes.address() + 4 * from,
                    Math.toIntExact(v));
        }
    }
}
