package org.ringworld.runtime.cuda;

import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.PageTable;
import org.ringworld.runtime.Shapes;
import org.ringworld.runtime.Tensor;

/** Every kernel of a card, each with the meaning that {@link Kernels} gives it. */
final class CudaKernels implements Kernels {
    /** Threads of a block of a kernel that goes over elements, and how many each takes at once. */
    private static final int BLOCK = 256;

    private static final int EACH = 8;

    /** Blocks that keep every card busy; each then goes on to further elements. */
    private static final long MOST_BLOCKS = 4096;

    private final CudaDevice device;
    private final CudaAttention attention;

    CudaKernels(CudaDevice device) {
        this.device = device;
        attention = new CudaAttention(device);
    }

    private void elementwise(String kernel, long elements, Object... arguments) {
        if (elements > 0) {
            long blocks = Math.ceilDiv(elements, (long) BLOCK * EACH);
            device.launch(
                    "elementwise." + kernel,
                    Grid.of(Math.min(blocks, MOST_BLOCKS)),
                    BLOCK,
                    0,
                    arguments);
        }
    }

    /** What a kernel's name ends in for a dtype: {@code bf16}. */
    static String suffix(Tensor t) {
        return t.dtype().name().toLowerCase(java.util.Locale.ROOT);
    }

    @Override
    public void matmul(Product product, Tensor a, Tensor b, Tensor c, boolean accumulate) {
        throw new UnsupportedOperationException("matmul on cuda");
    }

    @Override
    public void rowwise(boolean on) {
        throw new UnsupportedOperationException("rowwise on cuda");
    }

    @Override
    public void fill(Tensor x, float value) {
        Shapes.values("fill", x);
        elementwise("fill_" + suffix(x), x.size(), x, value, x.size());
    }

    @Override
    public void copy(Tensor from, Tensor to) {
        throw new UnsupportedOperationException("copy on cuda");
    }

    @Override
    public void copyColumns(Tensor from, long fromColumn, Tensor to, long toColumn, long n) {
        throw new UnsupportedOperationException("copyColumns on cuda");
    }

    @Override
    public void add(Tensor x, Tensor into) {
        throw new UnsupportedOperationException("add on cuda");
    }

    @Override
    public void sumOfSquares(Tensor x, Tensor result) {
        throw new UnsupportedOperationException("sumOfSquares on cuda");
    }

    @Override
    public void embedding(Tensor ids, Tensor table, Tensor y) {
        throw new UnsupportedOperationException("embedding on cuda");
    }

    @Override
    public void embeddingBackward(Tensor ids, Tensor dy, Tensor dTable) {
        throw new UnsupportedOperationException("embeddingBackward on cuda");
    }

    @Override
    public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor y, Tensor rstd) {
        throw new UnsupportedOperationException("rmsNorm on cuda");
    }

    @Override
    public void rmsNormBackward(
            Tensor dy, Tensor x, Tensor weight, Tensor rstd, Tensor dx, Tensor dWeight) {
        throw new UnsupportedOperationException("rmsNormBackward on cuda");
    }

    @Override
    public void rotaryAngles(
            Tensor positions, double[] inverseFrequencies, double scale, Tensor cos, Tensor sin) {
        throw new UnsupportedOperationException("rotaryAngles on cuda");
    }

    @Override
    public void rotary(Tensor x, Tensor cos, Tensor sin, Tensor y) {
        throw new UnsupportedOperationException("rotary on cuda");
    }

    @Override
    public void rotaryBackward(Tensor dy, Tensor cos, Tensor sin, Tensor dx) {
        throw new UnsupportedOperationException("rotaryBackward on cuda");
    }

    @Override
    public void swiGlu(Tensor gate, Tensor up, Tensor y) {
        throw new UnsupportedOperationException("swiGlu on cuda");
    }

    @Override
    public void swiGluBackward(Tensor dy, Tensor gate, Tensor up, Tensor dGate, Tensor dUp) {
        throw new UnsupportedOperationException("swiGluBackward on cuda");
    }

    @Override
    public void attention(
            Tensor q,
            Tensor qPositions,
            Tensor qSegments,
            Tensor k,
            Tensor v,
            Tensor kPositions,
            Tensor kSegments,
            float scale,
            Tensor out,
            Tensor max,
            Tensor sum) {
        attention.attention(
                q, qPositions, qSegments, k, v, kPositions, kSegments, scale, out, max, sum);
    }

    @Override
    public void pagedAttention(
            Tensor q,
            Tensor qPositions,
            Tensor pool,
            Tensor open,
            Tensor kPositions,
            PageTable table,
            float scale,
            Tensor out,
            Tensor max,
            Tensor sum) {
        attention.pagedAttention(
                q, qPositions, pool, open, kPositions, table, scale, out, max, sum);
    }

    @Override
    public void attentionMerge(
            Tensor otherOut, Tensor otherMax, Tensor otherSum, Tensor out, Tensor max, Tensor sum) {
        attention.attentionMerge(otherOut, otherMax, otherSum, out, max, sum);
    }

    @Override
    public void attentionDelta(Tensor dOut, Tensor out, Tensor delta) {
        attention.attentionDelta(dOut, out, delta);
    }

    @Override
    public void attentionBackward(
            Tensor q,
            Tensor qPositions,
            Tensor qSegments,
            Tensor k,
            Tensor v,
            Tensor kPositions,
            Tensor kSegments,
            float scale,
            Tensor dOut,
            Tensor max,
            Tensor sum,
            Tensor delta,
            Tensor dq,
            Tensor dk,
            Tensor dv) {
        attention.attentionBackward(
                q,
                qPositions,
                qSegments,
                k,
                v,
                kPositions,
                kSegments,
                scale,
                dOut,
                max,
                sum,
                delta,
                dq,
                dk,
                dv);
    }

    @Override
    public void crossEntropy(
            Tensor logits,
            Tensor targets,
            Tensor weights,
            float gradScale,
            Tensor ce,
            Tensor hits,
            Tensor dLogits) {
        throw new UnsupportedOperationException("crossEntropy on cuda");
    }

    @Override
    public void adamW(
            Tensor param, Tensor grad, Tensor m, Tensor v, Tensor shadow, AdamWStep step) {
        throw new UnsupportedOperationException("adamW on cuda");
    }
}
