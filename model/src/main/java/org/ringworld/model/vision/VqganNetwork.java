package org.ringworld.model.vision;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.ringworld.model.vision.VqganLayer.Attention;
import org.ringworld.model.vision.VqganLayer.Convolution;
import org.ringworld.model.vision.VqganLayer.Down;
import org.ringworld.model.vision.VqganLayer.Norm;
import org.ringworld.model.vision.VqganLayer.Normed;
import org.ringworld.model.vision.VqganLayer.Residual;
import org.ringworld.model.vision.VqganLayer.Up;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.VisionKernels;
import org.ringworld.runtime.Workspace;

/**
 * Runs {@link VqganLayer}s on a device. Images are [B,H,W,C]; what a layer adds to them it adds in
 * place, where the width stays, and of what it takes of the workspace only its result is kept.
 */
final class VqganNetwork {
    private final Device device;
    private final Kernels kernels;
    private final VisionKernels vision;
    private final Map<String, Tensor> weights;
    private final Workspace workspace;

    /**
     * @param weights by name, in the dtype that is computed in
     */
    VqganNetwork(Device device, Map<String, Tensor> weights, Workspace workspace) {
        this.device = device;
        this.kernels = device.kernels();
        this.vision = device.vision();
        this.weights = weights;
        this.workspace = workspace;
    }

    /** What comes out of layers one after the other; x may be changed. */
    Tensor run(List<VqganLayer> layers, Tensor x) {
        Tensor y = x;
        for (VqganLayer layer : layers) {
            y = run(layer, y);
        }
        return y;
    }

    private Tensor run(VqganLayer layer, Tensor x) {
        return switch (layer) {
            case Convolution convolution -> convolved(convolution, x);
            case Normed normed -> normed(normed, x);
            case Residual residual -> residual(residual, x);
            case Attention attention -> attention(attention, x);
            case Down down -> down(down, x);
            case Up up -> up(up, x);
        };
    }

    private Tensor take(Tensor like, long side, long channels) {
        return workspace.take(like.dtype(), like.dim(0), side, side, channels);
    }

    private void convolve(Convolution of, int stride, int before, Tensor x, Tensor y) {
        Tensor kernel = weights.get(of.name() + ".kernel");
        vision.conv2d(x, kernel, weights.get(of.name() + ".bias"), stride, before, y);
    }

    private Tensor convolved(Convolution of, Tensor x) {
        Tensor y = take(x, x.dim(1), of.out());
        convolve(of, 1, of.side() / 2, x, y);
        return y;
    }

    private Tensor normalized(Norm of, Tensor x, boolean swish) {
        Tensor y = take(x, x.dim(1), x.dim(3));
        Tensor scale = weights.get(of.name() + ".scale");
        Tensor bias = weights.get(of.name() + ".bias");
        vision.groupNorm(x, scale, bias, Norm.GROUPS, Norm.EPS, swish, y);
        return y;
    }

    private Tensor normed(Normed of, Tensor x) {
        Tensor y = take(x, x.dim(1), of.convolution().out());
        Workspace.Mark mark = workspace.mark();
        convolve(of.convolution(), 1, 1, normalized(of.norm(), x, true), y);
        workspace.release(mark);
        return y;
    }

    private Tensor residual(Residual of, Tensor x) {
        Tensor y = of.shortcut() == null ? x : convolved(of.shortcut(), x);
        Workspace.Mark mark = workspace.mark();
        kernels.add(normed(of.second(), normed(of.first(), x)), y);
        workspace.release(mark);
        return y;
    }

    /** All images at once: each is a segment, and no pixel comes before another. */
    private Tensor attention(Attention of, Tensor x) {
        Workspace.Mark mark = workspace.mark();
        long pixels = x.dim(0) * x.dim(1) * x.dim(2);
        long width = x.dim(3);
        Tensor normed = normalized(of.norm(), x, false);
        Tensor query = convolved(of.query(), normed).view(pixels, 1, width);
        Tensor key = convolved(of.key(), normed).view(pixels, 1, width);
        Tensor value = convolved(of.value(), normed).view(pixels, 1, width);
        Tensor positions = ints(new int[Math.toIntExact(pixels)]);
        Tensor segments = ints(imageOfPixel(x));
        Tensor out = workspace.take(DType.F32, pixels, 1, width);
        Tensor max = workspace.take(DType.F32, pixels, 1);
        Tensor sum = workspace.take(DType.F32, pixels, 1);
        kernels.fill(out, 0);
        kernels.fill(max, Float.NEGATIVE_INFINITY);
        kernels.fill(sum, 0);
        float scale = (float) (1 / Math.sqrt(width));
        kernels.attention(
                query, positions, segments, key, value, positions, segments, scale, out, max, sum);
        kernels.copy(out, query);
        kernels.add(convolved(of.projected(), query.view(x.shape())), x);
        workspace.release(mark);
        return x;
    }

    private static int[] imageOfPixel(Tensor x) {
        int each = Math.toIntExact(x.dim(1) * x.dim(2));
        int[] image = new int[Math.toIntExact(x.dim(0) * each)];
        for (int i = 0; i < x.dim(0); i++) {
            Arrays.fill(image, i * each, (i + 1) * each, i);
        }
        return image;
    }

    private Tensor ints(int[] values) {
        Tensor tensor = workspace.take(DType.I32, values.length);
        device.copyIn(MemorySegment.ofArray(values), tensor);
        return tensor;
    }

    private Tensor down(Down of, Tensor x) {
        Tensor y = take(x, x.dim(1) / 2, of.convolution().out());
        convolve(of.convolution(), 2, 0, x, y);
        return y;
    }

    private Tensor up(Up of, Tensor x) {
        Tensor y = take(x, 2 * x.dim(1), of.convolution().out());
        Workspace.Mark mark = workspace.mark();
        Tensor larger = take(x, 2 * x.dim(1), x.dim(3));
        vision.upsample(x, larger);
        convolve(of.convolution(), 1, 1, larger, y);
        workspace.release(mark);
        return y;
    }
}
