package org.ringworld.runtime.cuda;

import org.ringworld.runtime.PageTable;
import org.ringworld.runtime.Tensor;

/** Attention on a card: {@code attention*.cu}. */
final class CudaAttention {
    private final CudaDevice device;

    CudaAttention(CudaDevice device) {
        this.device = device;
    }

    void attention(
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
        throw new UnsupportedOperationException("attention on cuda");
    }

    void pagedAttention(
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
        throw new UnsupportedOperationException("attention on cuda");
    }

    void attentionMerge(
            Tensor otherOut, Tensor otherMax, Tensor otherSum, Tensor out, Tensor max, Tensor sum) {
        throw new UnsupportedOperationException("attention on cuda");
    }

    void attentionDelta(Tensor dOut, Tensor out, Tensor delta) {
        throw new UnsupportedOperationException("attention on cuda");
    }

    void attentionBackward(
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
        throw new UnsupportedOperationException("attention on cuda");
    }
}
