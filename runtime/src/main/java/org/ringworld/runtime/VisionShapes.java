package org.ringworld.runtime;

import static org.ringworld.runtime.Shapes.dtype;
import static org.ringworld.runtime.Shapes.require;
import static org.ringworld.runtime.Shapes.values;

/** The doors of the vision kernels: what each one requires of its tensors, on every device. */
public final class VisionShapes {
    private VisionShapes() {}

    /**
     * Sizes of a convolution: of x [B,H,W,C], of its kernel [U,V,C,O] and of y [B,I,J,O].
     *
     * @param before rows and columns of zeros before the image
     */
    public record Convolution(
            int h, int w, int c, int u, int v, int o, int i, int j, int stride, int before) {
        /** Elements of x that one pixel of y sees. */
        public long patch() {
            return (long) u * v * c;
        }

        /** Whether y's pixels see x's one by one: then x itself is the matrix of patches. */
        public boolean isPointwise() {
            return u == 1 && v == 1 && stride == 1 && before == 0;
        }
    }

    public static Convolution conv2d(
            Tensor x, Tensor kernel, Tensor bias, int stride, int before, Tensor y) {
        String name = "conv2d";
        values(name, x, kernel, bias, y);
        require(x.rank() == 4 && kernel.rank() == 4, name, x, kernel);
        require(x.dtype() == kernel.dtype() && x.dim(3) == kernel.dim(2), name, x, kernel);
        require(bias.dtype() == x.dtype() && bias.size() == kernel.dim(3), name, kernel, bias);
        require(y.rank() == 4 && y.dtype() == x.dtype() && y.dim(0) == x.dim(0), name, x, y);
        require(y.dim(3) == kernel.dim(3), name, kernel, y);
        if (stride < 1 || before < 0) {
            throw new IllegalArgumentException(
                    "conv2d: a stride of %d with %d rows before".formatted(stride, before));
        }
        boolean covers =
                y.dim(1) == Math.ceilDiv(x.dim(1), stride)
                        && y.dim(2) == Math.ceilDiv(x.dim(2), stride);
        require(covers, name, x, y);
        return new Convolution(
                side(x, 1),
                side(x, 2),
                side(x, 3),
                side(kernel, 0),
                side(kernel, 1),
                side(kernel, 3),
                side(y, 1),
                side(y, 2),
                stride,
                before);
    }

    private static int side(Tensor t, int axis) {
        return Math.toIntExact(t.dim(axis));
    }

    public static void groupNorm(Tensor x, Tensor scale, Tensor bias, int groups, Tensor y) {
        String name = "groupNorm";
        KernelShapes.sameValues(name, x, y);
        KernelShapes.sameValues(name, scale, bias);
        require(x.rank() == 4 && scale.dtype() == x.dtype(), name, x, scale);
        require(scale.size() == x.dim(3), name, x, scale);
        if (groups < 1 || x.dim(3) % groups != 0) {
            throw new IllegalArgumentException("groupNorm: %s in %d groups".formatted(x, groups));
        }
    }

    public static void upsample(Tensor x, Tensor y) {
        String name = "upsample";
        values(name, x, y);
        require(x.rank() == 4 && y.rank() == 4 && x.dtype() == y.dtype(), name, x, y);
        require(x.dim(0) == y.dim(0) && x.dim(3) == y.dim(3), name, x, y);
        require(y.dim(1) == 2 * x.dim(1) && y.dim(2) == 2 * x.dim(2), name, x, y);
    }

    public static void nearest(Tensor x, Tensor codebook, Tensor codes) {
        String name = "nearest";
        dtype(name, DType.F32, x, codebook);
        dtype(name, DType.I32, codes);
        require(x.rank() == 2 && codebook.rank() == 2, name, x, codebook);
        require(x.dim(1) == codebook.dim(1) && codebook.dim(0) > 0, name, x, codebook);
        require(codes.size() == x.dim(0), name, x, codes);
    }
}
