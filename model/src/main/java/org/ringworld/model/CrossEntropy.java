package org.ringworld.model;

import java.util.function.BiConsumer;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * The head: logits and softmax cross-entropy, a block of tokens at a time. The gradient is formed
 * in the same pass, so logits exist once and never for the whole sequence (LWM, §3.1).
 */
final class CrossEntropy {
    /** Floats of a block of logits: 64 MiB. */
    private static final long LOGITS = 16L << 20;

    private CrossEntropy() {}

    /** Per-token results on the device: ce, F32 [S], and hits, I32 [S]. */
    record PerToken(Tensor ce, Tensor hits) {}

    /**
     * @param x values [S,E] after the final norm
     * @param gradScale what each weighted gradient is multiplied by: 1 / Σ w of the whole step
     * @param add whether the head's gradient is added to, else written
     * @param dx values [S,E], written, or null when no gradient is wanted
     * @param logits is given each block's logits, F32 [rows,V], and its first row; or null
     */
    static PerToken lossAndGradient(
            Kernels kernels,
            ParameterStore parameters,
            BlockTensors block,
            Tensor x,
            float gradScale,
            boolean add,
            Tensor dx,
            BiConsumer<Tensor, Long> logits,
            Workspace kept,
            Workspace scratch) {
        Tensor head = parameters.head();
        long vocab = head.dim(0);
        long rows = Math.clamp(LOGITS / vocab, 16, 1024);
        Tensor ce = kept.take(DType.F32, x.dim(0));
        Tensor hits = kept.take(DType.I32, x.dim(0));
        for (long from = 0; from < x.dim(0); from += rows) {
            long to = Math.min(x.dim(0), from + rows);
            Workspace.Mark mark = scratch.mark();
            Tensor z = scratch.take(DType.F32, to - from, vocab);
            kernels.matmul(Product.NT, x.rows(from, to), head, z, false);
            if (logits != null) {
                logits.accept(z, from);
            }
            Tensor dz = null;
            if (dx != null) {
                dz = x.dtype() == DType.F32 ? z : scratch.take(x.dtype(), to - from, vocab);
            }
            kernels.crossEntropy(
                    z,
                    block.targets().rows(from, to),
                    block.weights().rows(from, to),
                    gradScale,
                    ce.rows(from, to),
                    hits.rows(from, to),
                    dz);
            if (dx != null) {
                kernels.matmul(Product.NN, dz, head, dx.rows(from, to), false);
                boolean more = add || from > 0;
                kernels.matmul(Product.TN, dz, x.rows(from, to), parameters.headGradient(), more);
            }
            scratch.release(mark);
        }
        return new PerToken(ce, hits);
    }
}
