package org.ringworld.runtime.cpu.attention;

import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.Tensor;

/** One call of attention backward; see {@link org.ringworld.runtime.Kernels#attentionBackward}. */
public record AttentionGradients(
        KernelShapes.Attention shape,
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
        Tensor dv) {}
