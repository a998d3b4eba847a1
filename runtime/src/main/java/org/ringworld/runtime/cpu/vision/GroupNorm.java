package org.ringworld.runtime.cpu.vision;

import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.load;
import static org.ringworld.runtime.cpu.device.Lanes.store;

import jdk.incubator.vector.FloatVector;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;
import org.ringworld.runtime.cpu.elementwise.Elements;
import org.ringworld.runtime.cpu.elementwise.Staging;
import org.ringworld.runtime.cpu.elementwise.VectorMath;

/**
 * Group normalization of images [B,H,W,C], in vectors along the channels: sums of each channel over
 * strips of pixels, from them what each channel is multiplied by and what is added, then that. Sums
 * are of what a channel is off the image's first pixel: squares of values far from zero would lose
 * the digits that their variance is made of.
 */
final class GroupNorm {
    /** Pixels whose sums are formed in F32; strips are added in F64. */
    private static final int STRIP = 64;

    private final WorkerTeam team;
    private final Scratch scratch;

    GroupNorm(WorkerTeam team, Scratch scratch) {
        this.team = team;
        this.scratch = scratch;
    }

    /**
     * One call.
     *
     * @param stride bytes of a row of channels as F32, in whole vectors
     * @param sums of each strip: a row of Σ off and one of Σ off², of all images
     * @param factors of each image: a row that x is multiplied by and one that is added; before
     *     they are known, the first pixel
     */
    private record Call(
            Tensor x,
            Tensor y,
            boolean swish,
            int pixels,
            int c,
            long stride,
            long sums,
            long factors) {
        int strips() {
            return Math.ceilDiv(pixels, STRIP);
        }

        long images() {
            return x.dim(0);
        }

        long factorsOf(int image) {
            return factors + 2 * stride * image;
        }
    }

    void run(Tensor x, Tensor scale, Tensor bias, int groups, float eps, boolean swish, Tensor y) {
        int c = Math.toIntExact(x.dim(3));
        int pixels = Math.toIntExact(x.dim(1) * x.dim(2));
        long stride = 4L * Lanes.pad(c);
        long factors = 2 * stride * x.dim(0);
        long shared = scratch.shared(factors + factors * Math.ceilDiv(pixels, STRIP));
        Call call = new Call(x, y, swish, pixels, c, stride, shared + factors, shared);
        int items = Math.toIntExact(call.images() * call.strips());
        for (int image = 0; image < call.images(); image++) {
            long pixel = x.address() + (long) image * pixels * c * x.dtype().bytes();
            Staging.load(x.dtype(), pixel, c, call.factorsOf(image));
        }
        team.run(items, (strip, worker) -> sums(call, strip, worker));
        for (int image = 0; image < call.images(); image++) {
            for (int group = 0; group < groups; group++) {
                factors(call, image, group * (c / groups), c / groups, scale, bias, eps);
            }
        }
        team.run(items, (strip, worker) -> normalize(call, strip, worker));
    }

    /** The first pixel of a strip, and behind its last one. */
    private static long first(Call call, int strip) {
        long image = strip / call.strips();
        return image * call.pixels + (long) strip % call.strips() * STRIP;
    }

    private static long end(Call call, int strip) {
        long image = strip / call.strips();
        return Math.min(first(call, strip) + STRIP, (image + 1) * call.pixels);
    }

    private void sums(Call call, int strip, int worker) {
        long copy = scratch.of(worker, call.stride);
        long sum = call.sums + 2 * call.stride * strip;
        long reference = call.factorsOf(strip / call.strips());
        Lanes.MEMORY.asSlice(sum, 2 * call.stride).fill((byte) 0);
        for (long pixel = first(call, strip); pixel < end(call, strip); pixel++) {
            long x = Staging.in(call.x, pixel * call.c, call.c, copy);
            add(x, reference, call.c, sum, sum + call.stride);
        }
    }

    private static void add(long x, long reference, int n, long sum, long squares) {
        for (int i = 0; i < n; i += COUNT) {
            FloatVector v = load(x + 4L * i).sub(load(reference + 4L * i));
            store(load(sum + 4L * i).add(v), sum + 4L * i);
            store(v.fma(v, load(squares + 4L * i)), squares + 4L * i);
        }
    }

    /** y = x · scale · rstd + (bias − mean · scale · rstd), for the channels of one group. */
    private static void factors(
            Call call, int image, int from, int width, Tensor scale, Tensor bias, float eps) {
        double[] sums = new double[width];
        double[] squares = new double[width];
        for (int strip = 0; strip < call.strips(); strip++) {
            long at = call.sums + 2 * call.stride * ((long) image * call.strips() + strip);
            for (int c = 0; c < width; c++) {
                sums[c] += Lanes.get(at + 4L * (from + c));
                squares[c] += Lanes.get(at + call.stride + 4L * (from + c));
            }
        }
        double mean = 0;
        double meanSquare = 0;
        for (int c = 0; c < width; c++) {
            double off = sums[c] / call.pixels;
            double ofChannel = Lanes.get(call.factorsOf(image) + 4L * (from + c)) + off;
            mean += ofChannel / width;
            meanSquare += (squares[c] / call.pixels - off * off + ofChannel * ofChannel) / width;
        }
        double rstd = 1 / Math.sqrt(Math.max(0, meanSquare - mean * mean) + eps);
        long at = call.factorsOf(image);
        for (int c = from; c < from + width; c++) {
            double factor = Elements.get(scale, c) * rstd;
            Lanes.set(at + 4L * c, (float) factor);
            Lanes.set(at + call.stride + 4L * c, (float) (Elements.get(bias, c) - mean * factor));
        }
    }

    private void normalize(Call call, int strip, int worker) {
        long copy = scratch.of(worker, 2 * call.stride);
        long copyOut = copy + call.stride;
        long factor = call.factorsOf(strip / call.strips());
        for (long pixel = first(call, strip); pixel < end(call, strip); pixel++) {
            long at = pixel * call.c;
            long x = Staging.in(call.x, at, call.c, copy);
            long y = Staging.out(call.y, at, call.c, copyOut);
            if (call.swish) {
                swish(x, factor, factor + call.stride, y, call.c);
            } else {
                scale(x, factor, factor + call.stride, y, call.c);
            }
            Staging.done(call.y, at, call.c, copyOut);
        }
    }

    private static void scale(long x, long factor, long added, long y, int n) {
        for (int i = 0; i < n; i += COUNT) {
            store(load(x + 4L * i).fma(load(factor + 4L * i), load(added + 4L * i)), y + 4L * i);
        }
    }

    private static void swish(long x, long factor, long added, long y, int n) {
        for (int i = 0; i < n; i += COUNT) {
            FloatVector v = load(x + 4L * i).fma(load(factor + 4L * i), load(added + 4L * i));
            store(v.div(VectorMath.exp(v.neg()).add(1f)), y + 4L * i);
        }
    }
}
