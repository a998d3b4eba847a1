package org.ringworld.runtime.cpu;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.AdamWStep;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.WorkerTeam;

/** Speeds of the CPU kernels beside the limits of the machine, measured in turn with them. */
public final class KernelBench {
    private static final String FLOPS = "GFLOP/s";
    private static final String BYTES = "GB/s";

    /** Each kernel runs for at least this long, in nanoseconds, after it was compiled. */
    private static final long LONG_ENOUGH = 300_000_000;

    /** Documents of a row of 4096 tokens, as they come. */
    private static final int[] PACKED = {611, 1390, 203, 977, 420, 495};

    private static final int[] MANY = {
        131, 260, 77, 402, 190, 333, 58, 291, 244, 120, 367, 215, 149, 408, 96, 275, 182, 298
    };

    private final CpuDevice device;
    private final Kernels kernels;
    private final Random random = new Random(1);
    private final List<BenchRow> rows = new ArrayList<>();

    private KernelBench(CpuDevice device) {
        this.device = device;
        kernels = device.kernels();
    }

    /**
     * Products, and the kernels that memory bounds (their bytes counted once read, once written).
     */
    public static List<BenchRow> kernels(int threads) {
        try (CpuDevice device = new CpuDevice(threads)) {
            KernelBench bench = new KernelBench(device);
            device.runHere(
                    () -> {
                        bench.products();
                        bench.passes();
                    });
            return bench.rows;
        }
    }

    /** Causal attention of one document and of packed ones; FLOPs are those of visible pairs. */
    public static List<BenchRow> attention(int threads) {
        try (CpuDevice device = new CpuDevice(threads)) {
            KernelBench bench = new KernelBench(device);
            device.runHere(
                    () -> {
                        for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
                            bench.attention(dtype, new int[] {4096}, 8, 8, 64);
                            bench.attention(dtype, new int[] {4096}, 8, 8, 128);
                            bench.attention(dtype, new int[] {4096}, 8, 2, 64);
                            bench.attention(dtype, new int[] {2048, 2048}, 8, 8, 64);
                            bench.attention(dtype, new int[] {1024, 1024, 1024, 1024}, 8, 8, 64);
                            bench.attention(dtype, PACKED, 8, 8, 64);
                            bench.attention(dtype, MANY, 8, 8, 64);
                        }
                        bench.attention(DType.F32, new int[] {512}, 2, 2, 32);
                    });
            return bench.rows;
        }
    }

    private void products() {
        int[][] sizes = {
            {1024, 1024, 1024},
            {2048, 512, 1408},
            {2048, 1024, 4096},
            {256, 64, 64},
            {1024, 64, 192}
        };
        for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
            for (int[] s : sizes) {
                for (Product product : Product.values()) {
                    product(product, dtype, DType.F32, s[0], s[1], s[2]);
                }
                if (dtype == DType.BF16) {
                    product(Product.NT, dtype, dtype, s[0], s[1], s[2]);
                    product(Product.NN, dtype, dtype, s[0], s[1], s[2]);
                }
            }
            vector(dtype, dtype, 2048, 5504);
            vector(dtype, DType.I8, 2048, 5504);
        }
    }

    /** c[m,n], over k. */
    private void product(Product product, DType dtype, DType result, int m, int k, int n) {
        Tensor a = product == Product.TN ? normal(dtype, k, m) : normal(dtype, m, k);
        Tensor b = product == Product.NT ? normal(dtype, n, k) : normal(dtype, k, n);
        Tensor c = device.tensor(result, m, n);
        boolean add = product == Product.TN;
        String to = result == DType.BF16 ? " → BF16" : "";
        String name = "matmul %s%s %s%s".formatted(product, add ? " +=" : "", dtype, to);
        double flops = 2.0 * m * n * k;
        flops(
                name,
                m + "×" + k + "×" + n,
                dtype,
                flops,
                () -> kernels.matmul(product, a, b, c, add));
        free(a, b, c);
    }

    private void vector(DType dtype, DType weights, int k, int n) {
        Tensor a = normal(dtype, 1, k);
        Tensor b = normal(dtype, n, k);
        Tensor c = device.tensor(DType.F32, 1, n);
        // Many matrices, one after the other, as the layers of a model: none stays in a cache.
        List<Tensor> layers = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            Tensor layer = device.tensor(weights, n, k);
            kernels.copy(b, layer);
            layers.add(layer);
        }
        Tensor scales = layers.getFirst().scales();
        long bytes = layers.getFirst().bytes() + (scales == null ? 0 : scales.bytes());
        bytes(
                "matrix × vector " + weights + (weights == dtype ? "" : " · " + dtype),
                "8 × " + n + "×" + k,
                8 * bytes,
                () -> layers.forEach(l -> kernels.matmul(Product.NT, a, l, c, false)));
        layers.forEach(device::free);
        free(a, b, c);
    }

    private void passes() {
        int s = 4096;
        int e = 1024;
        for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
            Tensor x = normal(dtype, s, e);
            Tensor y = normal(dtype, s, e);
            Tensor z = normal(dtype, s, e);
            Tensor weight = normal(dtype, e);
            Tensor dWeight = normal(DType.F32, e);
            Tensor rstd = normal(DType.F32, s);
            Tensor cos = normal(DType.F32, s, 32);
            Tensor sin = normal(DType.F32, s, 32);
            Tensor heads = x.view(s, e / 64, 64);
            String shape = s + "×" + e;
            long b = x.bytes();
            bytes("copy " + dtype, shape, 2 * b, () -> kernels.copy(x, y));
            bytes("add " + dtype, shape, 3 * b, () -> kernels.add(x, y));
            bytes(
                    "rmsNorm " + dtype,
                    shape,
                    2 * b,
                    () -> kernels.rmsNorm(x, weight, 1e-5f, y, rstd));
            bytes(
                    "rmsNormBackward " + dtype,
                    shape,
                    4 * b,
                    () -> kernels.rmsNormBackward(y, x, weight, rstd, z, dWeight));
            bytes("rotary " + dtype, shape, 2 * b, () -> kernels.rotary(heads, cos, sin, heads));
            bytes("swiGlu " + dtype, shape, 3 * b, () -> kernels.swiGlu(x, y, z));
            bytes(
                    "swiGluBackward " + dtype,
                    shape,
                    5 * b,
                    () -> kernels.swiGluBackward(z, x, y, x, y));
            free(x, y, z, weight, dWeight, rstd, cos, sin);
        }
        optimizer();
        loss();
    }

    private void optimizer() {
        int n = 8 << 20;
        Tensor param = normal(DType.F32, n);
        Tensor grad = normal(DType.F32, n);
        Tensor m = device.tensor(DType.F32, n);
        Tensor v = device.tensor(DType.F32, n);
        Tensor norm = device.tensor(DType.F32, 1);
        var step = new AdamWStep(1e-3f, 0.9f, 0.98f, 1e-8f, 0.01f, 1, 1);
        bytes("sumOfSquares", "" + n, 4L * n, () -> kernels.sumOfSquares(grad, norm));
        bytes("adamW", "" + n, 28L * n, () -> kernels.adamW(param, grad, m, v, null, step));
        free(param, grad, m, v, norm);
    }

    private void loss() {
        int s = 256;
        int vocab = 32000;
        Tensor logits = normal(DType.F32, s, vocab);
        Tensor dLogits = device.tensor(DType.F32, s, vocab);
        Tensor targets = ints(new int[s]);
        Tensor weights = device.tensor(DType.F32, s);
        kernels.fill(weights, 1);
        Tensor ce = device.tensor(DType.F32, s);
        Tensor hits = device.tensor(DType.I32, s);
        bytes(
                "crossEntropy",
                s + "×" + vocab,
                2 * logits.bytes(),
                () -> kernels.crossEntropy(logits, targets, weights, 1, ce, hits, dLogits));
        free(logits, dLogits, targets, weights, ce, hits);
    }

    /** One row of documents of the given lengths. */
    private void attention(DType dtype, int[] documents, int h, int g, int d) {
        int s = IntStream.of(documents).sum();
        Tensor q = normal(dtype, s, h, d);
        Tensor k = normal(dtype, s, g, d);
        Tensor v = normal(dtype, s, g, d);
        Tensor dOut = normal(dtype, s, h, d);
        int[] position = new int[s];
        int[] segment = new int[s];
        double pairs = 0;
        for (int i = 0, document = 0, first = 0; i < s; i++) {
            if (i == first + documents[document]) {
                first = i;
                document++;
            }
            position[i] = i - first;
            segment[i] = document;
            pairs += position[i] + 0.5;
        }
        Tensor positions = ints(position);
        Tensor segments = ints(segment);
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
                    kernels.fill(out, 0);
                    kernels.fill(max, Float.NEGATIVE_INFINITY);
                    kernels.fill(sum, 0);
                    kernels.attention(
                            q, positions, segments, k, v, positions, segments, scale, out, max,
                            sum);
                };
        Runnable backward =
                () -> {
                    kernels.attentionDelta(dOut, out, delta);
                    kernels.attentionBackward(
                            q, positions, segments, k, v, positions, segments, scale, dOut, max,
                            sum, delta, dq, dk, dv);
                };
        String shape = "%d tokens, %d/%d heads of %d".formatted(s, h, g, d);
        if (documents.length > 1) {
            shape += ", %d documents".formatted(documents.length);
        }
        double flops = 4 * pairs * h * d;
        flops("attention " + dtype, shape, DType.F32, flops, forward);
        flops("attentionBackward " + dtype, shape, DType.F32, 2.5 * flops, backward);
        Runnable both =
                () -> {
                    forward.run();
                    backward.run();
                };
        flops("attention both " + dtype, shape, DType.F32, 3.5 * flops, both);
        free(q, k, v, dOut, positions, segments, out, max, sum, delta, dq, dk, dv);
    }

    private void flops(String name, String shape, DType dtype, double flops, Runnable kernel) {
        WorkerTeam team = device.team();
        double rate = flops / best(kernel);
        double f32 = LimitLoops.f32(team);
        double limit = dtype == DType.BF16 ? LimitLoops.bf16(team).orElse(f32) : f32;
        rows.add(new BenchRow(name, shape, team.threads(), rate, FLOPS, limit));
    }

    private void bytes(String name, String shape, long bytes, Runnable kernel) {
        double rate = bytes / best(kernel);
        double limit = LimitLoops.read(device.team());
        rows.add(new BenchRow(name, shape, device.team().threads(), rate, BYTES, limit));
    }

    /** Nanoseconds of the fastest run. */
    private static double best(Runnable kernel) {
        long best = Long.MAX_VALUE;
        long begin = System.nanoTime();
        for (int runs = 0; runs < 5 || System.nanoTime() - begin < 2 * LONG_ENOUGH; runs++) {
            long start = System.nanoTime();
            kernel.run();
            best = Math.min(best, System.nanoTime() - start);
        }
        return best;
    }

    private Tensor normal(DType dtype, long... shape) {
        float[] values = new float[(int) Tensor.count(shape)];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextFloat() - 0.5f;
        }
        Tensor x = device.tensor(DType.F32, shape);
        device.copyIn(MemorySegment.ofArray(values), x);
        if (dtype == DType.F32) {
            return x;
        }
        Tensor y = device.tensor(dtype, shape);
        kernels.copy(x, y);
        free(x);
        return y;
    }

    private Tensor ints(int[] values) {
        Tensor x = device.tensor(DType.I32, values.length);
        device.copyIn(MemorySegment.ofArray(values), x);
        return x;
    }

    private void free(Tensor... tensors) {
        for (Tensor t : tensors) {
            device.free(t.memory());
        }
    }
}
