package org.ringworld.runtime.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.AdamWStep;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.BenchRow;

/**
 * Speeds of a card's kernels beside what it reached in the same seconds: of a large BF16 product
 * for what computes, of a copy for what moves bytes.
 */
public final class CardBench implements AutoCloseable {
    private static final String FLOPS = "TFLOP/s";
    private static final String BYTES = "GB/s";

    /** Each kernel runs for at least this long, in seconds, after it ran once. */
    private static final double LONG_ENOUGH = 0.2;

    private final Device device;
    private final Kernels kernels;
    private final List<BenchRow> rows = new ArrayList<>();
    private final Tensor left;
    private final Tensor right;
    private final Tensor product;
    private final Tensor from;
    private final Tensor to;

    /**
     * @param size rows and columns of the product that is the limit
     * @param elements of the copy that is the other one, F32
     */
    public CardBench(DeviceSpec.Cuda spec, int size, long elements) {
        device = Devices.open(spec);
        try {
            kernels = device.kernels();
            left = normal(size, size);
            right = normal(size, size);
            product = device.tensor(DType.F32, size, size);
            from = device.tensor(DType.F32, elements);
            to = device.tensor(DType.F32, elements);
        } catch (RuntimeException | Error e) {
            device.close();
            throw e;
        }
    }

    /** What was measured so far. */
    public List<BenchRow> rows() {
        return List.copyOf(rows);
    }

    public String name() {
        return device.name();
    }

    /** Products of BF16 into F32 and BF16, in every order. */
    public void products() {
        long n = left.dim(0);
        Tensor half = device.tensor(DType.BF16, n, n);
        for (Product each : Product.values()) {
            String shape = each + " %d × %d × %d".formatted(n, n, n);
            flops("product F32", shape, 2.0 * n * n * n, () -> product(each, product));
            flops("product BF16", shape, 2.0 * n * n * n, () -> product(each, half));
        }
        device.free(half);
    }

    /** What memory bounds: bytes counted once read, once written. */
    public void passes() {
        long n = from.size();
        int dim = 2048;
        Tensor x = from.view(n / dim, dim);
        Tensor y = to.view(n / dim, dim);
        Tensor weight = device.tensor(DType.F32, dim);
        Tensor rstd = device.tensor(DType.F32, n / dim);
        String shape = "%d × %d F32".formatted(n / dim, dim);
        bytes("rmsNorm", shape, 8.0 * n, () -> kernels.rmsNorm(x, weight, 1e-5f, y, rstd));
        bytes("swiGlu", shape, 12.0 * n, () -> kernels.swiGlu(x, y, y));
        bytes("add", shape, 12.0 * n, () -> kernels.add(x, y));
        long quarter = n / 4;
        Tensor shadow = device.tensor(DType.BF16, quarter);
        Tensor[] four = new Tensor[4];
        for (int i = 0; i < 4; i++) {
            four[i] = device.tensor(DType.F32, quarter);
        }
        AdamWStep step = new AdamWStep(1e-4f, 0.9f, 0.95f, 1e-8f, 0.1f, 1, 1);
        bytes(
                "adamW",
                quarter + " parameters",
                30.0 * quarter,
                () -> kernels.adamW(four[0], four[1], four[2], four[3], shadow, step));
        for (Tensor t : new Tensor[] {weight, rstd, shadow, four[0], four[1], four[2], four[3]}) {
            device.free(t);
        }
    }

    /** Causal attention of one document in BF16; FLOPs are those of visible pairs. */
    public void attention(int s, int h, int g, int d) {
        Tensor q = normal(s, h, d);
        Tensor k = normal(s, g, d);
        Tensor v = normal(s, g, d);
        Tensor dOut = normal(s, h, d);
        Tensor positions = device.tensor(DType.I32, s);
        Tensor segments = device.tensor(DType.I32, s);
        device.copyIn(MemorySegment.ofArray(IntStream.range(0, s).toArray()), positions);
        Tensor out = device.tensor(DType.F32, s, h, d);
        Tensor max = device.tensor(DType.F32, s, h);
        Tensor sum = device.tensor(DType.F32, s, h);
        Tensor delta = device.tensor(DType.F32, s, h);
        Tensor dq = device.tensor(DType.F32, s, h, d);
        Tensor dk = device.tensor(DType.F32, s, g, d);
        Tensor dv = device.tensor(DType.F32, s, g, d);
        float scale = (float) (1 / Math.sqrt(d));
        Runnable forward =
                () -> {
                    kernels.fill(max, Float.NEGATIVE_INFINITY);
                    kernels.fill(sum, 0);
                    kernels.attention(
                            q, positions, segments, k, v, positions, segments, scale, out, max,
                            sum);
                };
        Runnable backward =
                () ->
                        kernels.attentionBackward(
                                q, positions, segments, k, v, positions, segments, scale, dOut, max,
                                sum, delta, dq, dk, dv);
        String shape = "%d tokens, %d/%d heads of %d".formatted(s, h, g, d);
        double flops = 2.0 * s * (s + 1) * h * d;
        flops("attention", shape, flops, forward);
        kernels.attentionDelta(dOut, out, delta);
        flops("attentionBackward", shape, 2.5 * flops, backward);
        Tensor[] all = {q, k, v, dOut, positions, segments, out, max, sum, delta, dq, dk, dv};
        for (Tensor t : all) {
            device.free(t);
        }
    }

    private void product(Product order, Tensor c) {
        kernels.matmul(order, left, right, c, false);
    }

    private void flops(String name, String shape, double flops, Runnable kernel) {
        double n = left.dim(0);
        double limit = 2 * n * n * n / seconds(() -> product(Product.NT, product));
        double rate = flops / seconds(kernel);
        rows.add(new BenchRow(name, shape, 1, rate / 1e12, FLOPS, limit / 1e12));
    }

    private void bytes(String name, String shape, double bytes, Runnable kernel) {
        double limit = 8.0 * from.size() / seconds(() -> kernels.copy(from, to));
        double rate = bytes / seconds(kernel);
        rows.add(new BenchRow(name, shape, 1, rate / 1e9, BYTES, limit / 1e9));
    }

    /** Of one run, of so many that they take {@link #LONG_ENOUGH}. */
    private double seconds(Runnable kernel) {
        double once = seconds(kernel, 1);
        once = Math.min(once, seconds(kernel, 1));
        return seconds(kernel, Math.clamp((long) (LONG_ENOUGH / once), 1, 1000));
    }

    private double seconds(Runnable kernel, int times) {
        await();
        long start = System.nanoTime();
        for (int i = 0; i < times; i++) {
            kernel.run();
        }
        await();
        return (System.nanoTime() - start) / 1e9 / times;
    }

    /** Waits for everything queued. */
    private void await() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor some = to.rows(0, 1);
            device.copyOut(some, arena.allocate(some.bytes(), 64));
        }
    }

    private Tensor normal(long... shape) {
        RandomGenerator random = RandomGenerator.of("L64X128MixRandom");
        Tensor x = device.tensor(DType.BF16, shape);
        // A million of them, again and again: cards are slower with numbers than with zeros.
        short[] some = new short[(int) Math.min(x.size(), 1 << 20)];
        for (int i = 0; i < some.length; i++) {
            some[i] = DType.toBf16((float) random.nextGaussian());
        }
        Tensor flat = x.view(x.size());
        for (long at = 0; at < x.size(); at += some.length) {
            long n = Math.min(some.length, x.size() - at);
            device.copyIn(
                    MemorySegment.ofArray(some).asSlice(0, n * Short.BYTES), flat.rows(at, at + n));
        }
        return x;
    }

    @Override
    public void close() {
        device.close();
    }
}
