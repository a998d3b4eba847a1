package org.ringworld.runtime.cuda;

import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;

/**
 * Products: by cuBLASLt, whose matrices lie column by column, so that c's transpose is formed, b's
 * times a's; by a kernel of ours where rows must not depend on each other ({@code rowwise}), a warp
 * for each element, which is slow for many of them; and by the same where few rows meet a matrix of
 * another dtype, which is then read as it lies and not converted first.
 */
final class CudaMatmul {
    /** An algorithm may use so much memory; most use less. */
    private static final long WORKSPACE = 32L << 20;

    /** Of b, where it is of another dtype than a, so much is converted at a time. */
    private static final long CONVERTED = 64L << 20;

    /** Rows of a that are too few for a conversion of b to pay. */
    private static final int FEW = 16;

    private static final int PLANS = 512;
    private static final int BLOCK = 256;

    private final CudaDevice device;
    private final CublasLt library = new CublasLt();
    private final Map<CublasLt.Shape, CublasLt.Plan> plans =
            new LinkedHashMap<>(16, 0.75f, true) {
                private static final long serialVersionUID = 1;

                @Override
                protected boolean removeEldestEntry(
                        Map.Entry<CublasLt.Shape, CublasLt.Plan> eldest) {
                    if (size() > PLANS) {
                        library.forget(eldest.getValue());
                        return true;
                    }
                    return false;
                }
            };
    private final CudaScratch workspace;
    private boolean rowwise;

    CudaMatmul(CudaDevice device) {
        this.device = device;
        workspace = device.newScratch();
    }

    void rowwise(boolean on) {
        rowwise = on;
    }

    void product(Product product, Tensor a, Tensor b, Tensor c, boolean accumulate) {
        var shape = KernelShapes.matmul(product, a, b, c);
        if (shape.m() == 0 || shape.n() == 0) {
            return;
        }
        boolean alike = a.dtype() == b.dtype();
        if (shape.k() == 0) {
            if (!accumulate) {
                device.kernels().fill(c, 0);
            }
        } else if (product == Product.NT && (rowwise || !alike && shape.m() <= FEW)) {
            rowProduct(shape, a, b, c, accumulate);
        } else if (alike) {
            multiply(product, shape, a, b, c.address(), c, accumulate);
        } else {
            converted(shape, a, b, c, accumulate);
        }
    }

    private void rowProduct(
            KernelShapes.Matmul shape, Tensor a, Tensor b, Tensor c, boolean accumulate) {
        long warps = Math.multiplyExact(shape.m(), shape.n());
        device.launch(
                "matmul.rowProduct_%s_%s_%s"
                        .formatted(
                                CudaKernels.suffix(a),
                                CudaKernels.suffix(b),
                                CudaKernels.suffix(c)),
                Grid.of(Math.min(Math.ceilDiv(warps, BLOCK / 32), 1 << 20)),
                BLOCK,
                0,
                a,
                b,
                b.scales(),
                c,
                shape.m(),
                shape.n(),
                shape.k(),
                accumulate);
    }

    /** Rows of b, which are columns of c, a few at a time. */
    private void converted(
            KernelShapes.Matmul shape, Tensor a, Tensor b, Tensor c, boolean accumulate) {
        long row = shape.k() * a.dtype().bytes();
        long rows = Math.clamp(CONVERTED / row, 1, shape.n());
        for (long from = 0; from < shape.n(); from += rows) {
            long to = Math.min(from + rows, shape.n());
            Tensor part =
                    new Tensor(
                            device,
                            a.dtype(),
                            device.scratch((to - from) * row),
                            to - from,
                            shape.k());
            device.kernels().copy(b.rows(from, to), part);
            multiply(
                    Product.NT,
                    new KernelShapes.Matmul(shape.m(), to - from, shape.k()),
                    a,
                    part,
                    c.address() + from * c.dtype().bytes(),
                    c,
                    accumulate);
        }
    }

    /**
     * @param at where the product's part of c begins
     */
    private void multiply(
            Product product,
            KernelShapes.Matmul shape,
            Tensor a,
            Tensor b,
            long at,
            Tensor c,
            boolean accumulate) {
        var left = matrix(b.dtype(), b.dim(1), b.dim(0), b.dim(1), b.address());
        var right = matrix(a.dtype(), a.dim(1), a.dim(0), a.dim(1), a.address());
        var result = matrix(c.dtype(), shape.n(), shape.m(), c.dim(1), at);
        var plan =
                plans.computeIfAbsent(
                        new CublasLt.Shape(
                                product == Product.NT, product == Product.TN, left, right, result),
                        wanted -> library.plan(wanted, WORKSPACE));
        MemorySegment needed = workspace.take(plan.workspace());
        device.enter();
        library.multiply(plan, b.address(), a.address(), at, accumulate, needed, device.stream());
    }

    private static CublasLt.Matrix matrix(
            DType dtype, long rows, long columns, long leading, long address) {
        int alignment = (int) Math.min(256, Long.lowestOneBit(address));
        return new CublasLt.Matrix(dtype == DType.BF16, rows, columns, leading, alignment);
    }

    void trim() {
        workspace.trim();
    }

    void close() {
        plans.values().forEach(library::forget);
        library.close();
    }
}
