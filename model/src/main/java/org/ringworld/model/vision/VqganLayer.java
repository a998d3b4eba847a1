package org.ringworld.model.vision;

import java.util.List;
import java.util.stream.Stream;
import org.ringworld.checkpoints.TensorSpec;

/**
 * One layer of LWM's VQGAN (Esser et al. 2021): what it is called, as Flax calls it, how wide it
 * is, and so which weights it has and what it costs. {@link VqganNetwork} runs it.
 */
sealed interface VqganLayer {
    /** Its weights, in the order in which they are stored. */
    List<TensorSpec> tensors();

    /**
     * Multiply-adds of an image, each counted as two operations.
     *
     * @param side pixels along a side of what comes in
     */
    double flops(long side);

    /** Pixels along a side of what goes out. */
    default int sideAfter(int side) {
        return side;
    }

    /** kernel [side, side, in, out] and bias [out]; zeros around the image keep its size. */
    record Convolution(String name, int side, int in, int out) implements VqganLayer {
        @Override
        public List<TensorSpec> tensors() {
            return List.of(
                    new TensorSpec(name + ".kernel", new long[] {side, side, in, out}),
                    new TensorSpec(name + ".bias", new long[] {out}));
        }

        @Override
        public double flops(long pixels) {
            return 2.0 * pixels * pixels * side * side * in * out;
        }
    }

    /** Group normalization over {@link #GROUPS} groups: a part of other layers. */
    record Norm(String name, int channels) {
        /** Flax's. */
        static final int GROUPS = 32;

        /** Flax's. */
        static final float EPS = 1e-6f;

        List<TensorSpec> tensors() {
            return List.of(
                    new TensorSpec(name + ".scale", new long[] {channels}),
                    new TensorSpec(name + ".bias", new long[] {channels}));
        }
    }

    /** convolution(swish(norm(x))), 3 × 3. */
    record Normed(Norm norm, Convolution convolution) implements VqganLayer {
        static Normed of(String norm, String convolution, int in, int out) {
            return new Normed(new Norm(norm, in), new Convolution(convolution, 3, in, out));
        }

        @Override
        public List<TensorSpec> tensors() {
            return together(Stream.of(norm.tensors(), convolution.tensors()));
        }

        @Override
        public double flops(long side) {
            return convolution.flops(side);
        }
    }

    /**
     * x + second(first(x)); where the width changes, x goes through a convolution of its own.
     *
     * @param shortcut null where the width stays
     */
    record Residual(Normed first, Normed second, Convolution shortcut) implements VqganLayer {
        static Residual of(String name, int in, int out) {
            return new Residual(
                    Normed.of(name + ".GroupNorm_0", name + ".Conv_0", in, out),
                    Normed.of(name + ".GroupNorm_1", name + ".Conv_1", out, out),
                    in == out ? null : new Convolution(name + ".Conv_2", 1, in, out));
        }

        @Override
        public List<TensorSpec> tensors() {
            List<TensorSpec> own = together(Stream.of(first.tensors(), second.tensors()));
            return shortcut == null ? own : together(Stream.of(own, shortcut.tensors()));
        }

        @Override
        public double flops(long side) {
            double own = first.flops(side) + second.flops(side);
            return shortcut == null ? own : own + shortcut.flops(side);
        }
    }

    /** x + projected attention of all pixels of an image to each other, by one head. */
    record Attention(
            Norm norm, Convolution query, Convolution key, Convolution value, Convolution projected)
            implements VqganLayer {
        static Attention of(String name, int width) {
            return new Attention(
                    new Norm(name + ".GroupNorm_0", width),
                    new Convolution(name + ".Conv_0", 1, width, width),
                    new Convolution(name + ".Conv_1", 1, width, width),
                    new Convolution(name + ".Conv_2", 1, width, width),
                    new Convolution(name + ".Conv_3", 1, width, width));
        }

        @Override
        public List<TensorSpec> tensors() {
            return together(
                    Stream.of(
                            norm.tensors(),
                            query.tensors(),
                            key.tensors(),
                            value.tensors(),
                            projected.tensors()));
        }

        @Override
        public double flops(long side) {
            return 4 * query.flops(side) + 4.0 * side * side * side * side * norm.channels;
        }
    }

    /** Half the size: a 3 × 3 convolution with stride 2, zeros below and to the right alone. */
    record Down(Convolution convolution) implements VqganLayer {
        @Override
        public List<TensorSpec> tensors() {
            return convolution.tensors();
        }

        @Override
        public double flops(long side) {
            return convolution.flops(side / 2);
        }

        @Override
        public int sideAfter(int side) {
            return side / 2;
        }
    }

    /** Twice the size by the nearest pixel, then a 3 × 3 convolution. */
    record Up(Convolution convolution) implements VqganLayer {
        @Override
        public List<TensorSpec> tensors() {
            return convolution.tensors();
        }

        @Override
        public double flops(long side) {
            return convolution.flops(2 * side);
        }

        @Override
        public int sideAfter(int side) {
            return 2 * side;
        }
    }

    private static List<TensorSpec> together(Stream<List<TensorSpec>> parts) {
        return parts.flatMap(List::stream).toList();
    }

    /** Operations of layers one after the other, for an image that comes in so large. */
    static double flops(List<VqganLayer> layers, int side) {
        double sum = 0;
        int at = side;
        for (VqganLayer layer : layers) {
            sum += layer.flops(at);
            at = layer.sideAfter(at);
        }
        return sum;
    }
}
