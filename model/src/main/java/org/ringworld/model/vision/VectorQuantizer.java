package org.ringworld.model.vision;

import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * A codebook on a device (VQ-VAE, van den Oord et al. 2017): vectors to the numbers of those that
 * are nearest, and back. F32, whatever else is computed in.
 *
 * @param codebook F32 [V,D]
 */
record VectorQuantizer(Device device, Tensor codebook) {
    /** Codes I32 [N] of z F32 [N,D]. */
    void encode(Tensor z, Tensor codes) {
        device.vision().nearest(z, codebook, codes);
    }

    /** Rows F32 [N,D] of codes I32 [N]. */
    void decode(Tensor codes, Tensor rows) {
        device.kernels().embedding(codes, codebook, rows);
    }
}
