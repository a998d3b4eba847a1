package org.ringworld.runtime;

/**
 * The operations of convolutional networks over images, forward alone, beside {@link Kernels} and
 * with its manners. Images lie as [B,H,W,C]: batch, height, width, channels. "Values" are F32 or
 * BF16, all of one call's value tensors alike; sums and statistics are F32 inside, or better.
 */
public interface VisionKernels {

    /**
     * Convolution: y[b,i,j,o] = bias[o] + Σ x[b, i·stride + u − before, j·stride + v − before, c] ·
     * kernel[u,v,c,o], with zeros around the image.
     *
     * @param x values [B,H,W,C]
     * @param kernel values [U,V,C,O], as Flax keeps them
     * @param bias values [O]
     * @param before rows of zeros above the image and columns left of it; below and to the right
     *     there are as many as y asks for
     * @param y values [B,⌈H/stride⌉,⌈W/stride⌉,O]
     */
    void conv2d(Tensor x, Tensor kernel, Tensor bias, int stride, int before, Tensor y);

    /**
     * Group normalization (Wu and He 2018, eq. 1): each image's channels, {@code groups} of them
     * side by side, less their mean and over their standard deviation, then · scale + bias.
     *
     * @param x values [B,H,W,C], C a multiple of groups
     * @param scale values [C]
     * @param bias values [C]
     * @param swish whether y · sigmoid(y) follows
     * @param y values [B,H,W,C], may be x
     */
    void groupNorm(
            Tensor x, Tensor scale, Tensor bias, int groups, float eps, boolean swish, Tensor y);

    /** Twice the size by the nearest: y[b,i,j] = x[b,i/2,j/2]. x: values [B,H,W,C]. */
    void upsample(Tensor x, Tensor y);

    /**
     * Arg-min over a codebook (VQ-VAE, van den Oord et al. 2017, eq. 1): codes[n] = the v whose
     * codebook[v] is nearest to x[n], the first of equals. x: F32 [N,D]; codebook: F32 [V,D];
     * codes: I32 [N].
     */
    void nearest(Tensor x, Tensor codebook, Tensor codes);
}
