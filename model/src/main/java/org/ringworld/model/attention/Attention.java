package org.ringworld.model.attention;

import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * How a layer's queries reach the keys that they see: those of other ranks around a ring, or those
 * read before in pages.
 */
public sealed interface Attention permits RingAttention, FillAttention {
    /**
     * Where a layer is to put its own tokens' keys, rotated, and values; from {@code workspace}
     * unless they are to stay.
     */
    KvBlock own(int layer, Workspace workspace);

    /**
     * Attends to all keys, a layer's own among them; see {@link Kernels#attention}. The own ones
     * are not to be written to before {@link #awaitFree}.
     *
     * @param q values [S,H,D], rotated
     * @param out F32 [S,H,D], written
     * @param max F32 [S,H], written: the greatest score, −∞ where nothing is seen
     * @param sum F32 [S,H], written: of the exponentials relative to it
     */
    void forward(int layer, Tensor q, KvBlock own, Tensor out, Tensor max, Tensor sum);

    /** Waits until nobody reads a layer's own keys and values any longer. */
    void awaitFree();
}
