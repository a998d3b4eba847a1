package org.ringworld.model.training;

/**
 * Bytes of a rank's device by what they are for.
 *
 * @param weights in the model's dtype
 * @param gradients F32
 * @param optimizer moments, and masters where the weights are BF16
 * @param kept for backward: layer inputs, attention's results, what is not recomputed
 * @param workspace within a layer, received blocks and travelling gradients among it
 * @param kernels everything else, the kernels' scratch above all
 */
public record MemoryUse(
        long weights, long gradients, long optimizer, long kept, long workspace, long kernels) {}
