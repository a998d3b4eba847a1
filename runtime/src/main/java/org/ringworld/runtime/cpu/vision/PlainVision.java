package org.ringworld.runtime.cpu.vision;

import static org.ringworld.runtime.cpu.elementwise.Elements.get;
import static org.ringworld.runtime.cpu.elementwise.Elements.set;
import static org.ringworld.runtime.cpu.elementwise.Elements.setInt;

import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.VisionKernels;
import org.ringworld.runtime.VisionShapes;

/**
 * Every vision kernel as one plain loop, one thread, sums in F64: the oracle that the fast ones are
 * compared to, and what runs where the Vector API is missing.
 */
public final class PlainVision implements VisionKernels {
    @Override
    public void conv2d(Tensor x, Tensor kernel, Tensor bias, int stride, int before, Tensor y) {
        var shape = VisionShapes.conv2d(x, kernel, bias, stride, before, y);
        for (long at = 0; at < y.size(); at++) {
            int o = (int) (at % shape.o());
            int j = (int) (at / shape.o() % shape.j());
            int i = (int) (at / shape.o() / shape.j() % shape.i());
            long b = at / shape.o() / shape.j() / shape.i();
            double sum = get(bias, o);
            for (int u = 0; u < shape.u(); u++) {
                for (int v = 0; v < shape.v(); v++) {
                    int row = i * stride + u - before;
                    int column = j * stride + v - before;
                    if (row < 0 || row >= shape.h() || column < 0 || column >= shape.w()) {
                        continue;
                    }
                    long pixel = ((b * shape.h() + row) * shape.w() + column) * shape.c();
                    long weights = (long) (u * shape.v() + v) * shape.c();
                    for (int c = 0; c < shape.c(); c++) {
                        float weight = get(kernel, (weights + c) * shape.o() + o);
                        sum += (double) get(x, pixel + c) * weight;
                    }
                }
            }
            set(y, at, sum);
        }
    }

    @Override
    public void groupNorm(
            Tensor x, Tensor scale, Tensor bias, int groups, float eps, boolean swish, Tensor y) {
        VisionShapes.groupNorm(x, scale, bias, groups, y);
        int channels = (int) x.dim(3);
        int width = channels / groups;
        long pixels = x.dim(1) * x.dim(2);
        for (long b = 0; b < x.dim(0); b++) {
            for (int g = 0; g < groups; g++) {
                long first = b * pixels * channels + (long) g * width;
                double mean = 0;
                for (long i = 0; i < pixels * width; i++) {
                    mean += get(x, first + i / width * channels + i % width);
                }
                mean /= pixels * width;
                double variance = 0;
                for (long i = 0; i < pixels * width; i++) {
                    double off = get(x, first + i / width * channels + i % width) - mean;
                    variance += off * off;
                }
                double rstd = 1 / Math.sqrt(variance / (pixels * width) + eps);
                for (long i = 0; i < pixels * width; i++) {
                    long at = first + i / width * channels + i % width;
                    long c = g * width + i % width;
                    double normed = (get(x, at) - mean) * rstd * get(scale, c) + get(bias, c);
                    set(y, at, swish ? normed / (1 + Math.exp(-normed)) : normed);
                }
            }
        }
    }

    @Override
    public void upsample(Tensor x, Tensor y) {
        VisionShapes.upsample(x, y);
        long channels = x.dim(3);
        for (long at = 0; at < y.size(); at++) {
            long j = at / channels % y.dim(2);
            long i = at / channels / y.dim(2) % y.dim(1);
            long b = at / channels / y.dim(2) / y.dim(1);
            long pixel = (b * x.dim(1) + i / 2) * x.dim(2) + j / 2;
            set(y, at, get(x, pixel * channels + at % channels));
        }
    }

    @Override
    public void nearest(Tensor x, Tensor codebook, Tensor codes) {
        VisionShapes.nearest(x, codebook, codes);
        long d = x.dim(1);
        for (long n = 0; n < x.dim(0); n++) {
            double least = Double.POSITIVE_INFINITY;
            int nearest = 0;
            for (int v = 0; v < codebook.dim(0); v++) {
                double distance = 0;
                for (long i = 0; i < d; i++) {
                    double off = get(x, n * d + i) - get(codebook, v * d + i);
                    distance += off * off;
                }
                if (distance < least) {
                    least = distance;
                    nearest = v;
                }
            }
            setInt(codes, n, nearest);
        }
    }
}
