package org.ringworld.model.layers;

import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * The feed-forward of a layer (Shazeer 2020, SwiGLU): down(silu(gate(x)) · up(x)), a block of the
 * sequence at a time (Blockwise Parallel Transformer, Liu and Abbeel 2023), so that its wide inner
 * values never exist for the whole sequence unless they are kept.
 */
public final class SwiGlu {
    private SwiGlu() {}

    /**
     * y += feed-forward of x.
     *
     * @param x values [S,E], normalised
     * @param gate where gate(x) is kept, values [S,F], or null
     * @param up likewise
     * @param y values [S,E]
     */
    public static void forward(
            Device device,
            ModelTensors.Layer weights,
            Tensor x,
            Tensor gate,
            Tensor up,
            Tensor y,
            Workspace scratch) {
        Kernels kernels = device.kernels();
        int block = device.blocks().tokens();
        long inner = weights.gate().dim(0);
        for (long from = 0; from < x.dim(0); from += block) {
            long to = Math.min(x.dim(0), from + block);
            Workspace.Mark mark = scratch.mark();
            Tensor g = keptOrTaken(gate, from, to, scratch, x.dtype(), inner);
            Tensor u = keptOrTaken(up, from, to, scratch, x.dtype(), inner);
            Tensor product = gate == null ? g : scratch.take(x.dtype(), to - from, inner);
            kernels.matmul(Product.NT, x.rows(from, to), weights.gate(), g, false);
            kernels.matmul(Product.NT, x.rows(from, to), weights.up(), u, false);
            kernels.swiGlu(g, u, product);
            kernels.matmul(Product.NT, product, weights.down(), y.rows(from, to), true);
            scratch.release(mark);
        }
    }

    /**
     * dx = the gradient of x; writes the gradients of the weights, or adds to them.
     *
     * @param gate as kept by forward, or null: computed again
     */
    static void backward(
            Device device,
            ModelTensors.Layer weights,
            ModelTensors.Layer gradients,
            Tensor dy,
            Tensor x,
            Tensor gate,
            Tensor up,
            boolean add,
            Tensor dx,
            Workspace scratch) {
        Kernels kernels = device.kernels();
        int block = device.blocks().tokens();
        long inner = weights.gate().dim(0);
        for (long from = 0; from < x.dim(0); from += block) {
            long to = Math.min(x.dim(0), from + block);
            boolean more = add || from > 0;
            Workspace.Mark mark = scratch.mark();
            Tensor rows = x.rows(from, to);
            Tensor dyRows = dy.rows(from, to);
            Tensor g = keptOrTaken(gate, from, to, scratch, x.dtype(), inner);
            Tensor u = keptOrTaken(up, from, to, scratch, x.dtype(), inner);
            if (gate == null) {
                kernels.matmul(Product.NT, rows, weights.gate(), g, false);
                kernels.matmul(Product.NT, rows, weights.up(), u, false);
            }
            Tensor product = scratch.take(x.dtype(), to - from, inner);
            kernels.swiGlu(g, u, product);
            kernels.matmul(Product.TN, dyRows, product, gradients.down(), more);
            Tensor dProduct = product;
            kernels.matmul(Product.NN, dyRows, weights.down(), dProduct, false);
            kernels.swiGluBackward(dProduct, g, u, g, u);
            kernels.matmul(Product.TN, g, rows, gradients.gate(), more);
            kernels.matmul(Product.TN, u, rows, gradients.up(), more);
            kernels.matmul(Product.NN, g, weights.gate(), dx.rows(from, to), false);
            kernels.matmul(Product.NN, u, weights.up(), dx.rows(from, to), true);
            scratch.release(mark);
        }
    }

    private static Tensor keptOrTaken(
            Tensor kept, long from, long to, Workspace scratch, DType dtype, long inner) {
        return kept == null ? scratch.take(dtype, to - from, inner) : kept.rows(from, to);
    }
}
