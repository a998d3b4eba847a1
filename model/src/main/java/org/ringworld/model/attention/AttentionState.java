package org.ringworld.model.attention;

import org.ringworld.runtime.DType;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * What {@link Kernels#attention} carries from keys to keys, in one run of memory, so that it
 * travels as such.
 *
 * @param flat F32, all of it
 * @param out F32 [S,H,D]
 * @param max F32 [S,H]
 * @param sum F32 [S,H]
 */
record AttentionState(Tensor flat, Tensor out, Tensor max, Tensor sum) {

    static long size(long tokens, long heads, long dim) {
        return tokens * heads * (dim + 2);
    }

    static AttentionState in(Tensor flat, long tokens, long heads, long dim) {
        long outs = tokens * heads * dim;
        long rows = tokens * heads;
        return new AttentionState(
                flat,
                flat.rows(0, outs).view(tokens, heads, dim),
                flat.rows(outs, outs + rows).view(tokens, heads),
                flat.rows(outs + rows, outs + 2 * rows).view(tokens, heads));
    }

    /** With undefined contents. */
    static AttentionState take(Workspace workspace, long tokens, long heads, long dim) {
        return in(workspace.take(DType.F32, size(tokens, heads, dim)), tokens, heads, dim);
    }

    /** Nothing was seen yet. */
    static void clear(Kernels kernels, Tensor out, Tensor max, Tensor sum) {
        kernels.fill(out, 0);
        kernels.fill(max, Float.NEGATIVE_INFINITY);
        kernels.fill(sum, 0);
    }
}
