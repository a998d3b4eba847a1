package org.ringworld.runtime.cuda;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.AdamWStep;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.TensorsOf;

/**
 * What can be said of kernels without a card, as tables of docs/notebook/cuda.md: {@code java -cp …
 * org.ringworld.runtime.cuda.KernelEvidence}, from the module's folder. Registers and shared memory
 * are ptxas's; bytes, operations and conflicts are counted by the emulated card.
 */
public final class KernelEvidence {
    private final EmulatedCard card = EmulatedCard.orSkip();
    private final Device device;
    private final TensorsOf tensors;
    private final Tensor waitedFor;

    private KernelEvidence() {
        DeviceSpec spec = TestCard.orSkip().getFirst();
        device = Devices.open(spec);
        tensors = new TensorsOf(device);
        waitedFor = device.tensor(DType.F32, 1);
    }

    public static void main(String[] args) throws IOException {
        registers();
        new KernelEvidence().traffic();
        System.exit(0);
    }

    private static void registers() throws IOException {
        Path nvcc = Nvcc.find().map(Nvcc::program).orElseThrow();
        Map<String, int[]> used = new TreeMap<>();
        Pattern kernel = Pattern.compile("Compiling entry function '(\\w+)' for 'sm_(\\d+)'");
        Pattern registers = Pattern.compile("Used (\\d+) registers");
        Pattern sharedMemory = Pattern.compile("(\\d+) bytes smem");
        Path folder = Files.createTempDirectory("kernels");
        for (String module : KernelSources.MODULES) {
            String name = null;
            int at = 0;
            for (String line : KernelResourcesTest.assembled(nvcc, module, folder).split("\n")) {
                Matcher entry = kernel.matcher(line);
                Matcher use = registers.matcher(line);
                if (entry.find()) {
                    name = module + "." + entry.group(1);
                    int architecture = Integer.parseInt(entry.group(2));
                    at = KernelResourcesTest.ARCHITECTURES.indexOf(architecture);
                } else if (use.find() && name != null) {
                    used.computeIfAbsent(name, _ -> new int[4])[at] =
                            Integer.parseInt(use.group(1));
                    Matcher shared = sharedMemory.matcher(line);
                    used.get(name)[3] = shared.find() ? Integer.parseInt(shared.group(1)) : 0;
                }
            }
        }
        System.out.println("| kernel | sm_80 | sm_90 | sm_100 | shared, bytes | warps of 64 |");
        System.out.println("| --- | --- | --- | --- | --- | --- |");
        used.forEach(
                (name, n) ->
                        System.out.printf(
                                "| %s | %d | %d | %d | %d | %d |%n",
                                name, n[0], n[1], n[2], shared(name, n[3]), warps(name, n)));
    }

    /** Static and dynamic; the latter as CudaAttention gives it. */
    private static int shared(String kernel, int fixed) {
        int d = kernel.endsWith("_128") ? 128 : 64;
        return switch (kernel.replaceAll("_\\d+$", "")) {
            case "attention.forward", "attention.gradientOfQueries" -> 6 * 64 * d * 2;
            case "attention.gradientOfKeys" -> 6 * 64 * d * 2 + 2 * 3 * 64 * 4;
            default -> fixed;
        };
    }

    /**
     * That a multiprocessor of sm_90 holds, by registers (of 65536) and shared memory (227 KiB).
     */
    private static int warps(String kernel, int[] used) {
        int block = kernel.startsWith("attention") ? 4 : 8;
        int perWarp = (used[1] * 32 + 255) / 256 * 256;
        int byRegisters = 65536 / perWarp / block;
        int shared = shared(kernel, used[3]) + 1024;
        return Math.min(64, block * Math.min(byRegisters, 227 * 1024 / shared));
    }

    /** A call, and the fewest bytes and operations that do what it does. */
    private record Call(String name, double bytes, double operations, Runnable run) {}

    private void traffic() {
        System.out.println();
        System.out.println(
                "| call | kernel | bytes of global memory | by the fewest | sectors by bytes | operations by the fewest | passes of shared memory |");
        System.out.println("| --- | --- | --- | --- | --- | --- | --- |");
        for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
            passes(dtype).forEach(this::print);
        }
        attention(512, 2, 1, 64).forEach(this::print);
        attention(512, 2, 1, 128).forEach(this::print);
    }

    private void print(Call call) {
        Map<String, KernelCounters> before = card.counters();
        card.counting(true);
        call.run.run();
        tensors.read(waitedFor);
        card.counting(false);
        Map<String, KernelCounters> counters = new TreeMap<>();
        card.counters()
                .forEach(
                        (kernel, n) -> {
                            KernelCounters was = before.get(kernel);
                            KernelCounters own = was == null ? n : n.since(was);
                            if (own.launches() > 0) {
                                counters.put(kernel, own);
                            }
                        });
        double all = counters.values().stream().mapToDouble(KernelEvidence::bytes).sum();
        counters.forEach(
                (kernel, n) ->
                        System.out.printf(
                                Locale.ROOT,
                                "| %s | %s | %.0f | %.2f | %.2f | %s | %s |%n",
                                call.name,
                                kernel,
                                bytes(n),
                                all / call.bytes,
                                32.0 * (n.sectorsRead() + n.sectorsWritten()) / bytes(n),
                                n.tensorFlops() > 0
                                        ? "%.2f".formatted(n.tensorFlops() / call.operations)
                                        : "",
                                n.sharedAccesses() == 0
                                        ? ""
                                        : "%.2f"
                                                .formatted(
                                                        (double) n.sharedWavefronts()
                                                                / n.sharedAccesses())));
    }

    private static double bytes(KernelCounters n) {
        return n.bytesRead() + n.bytesWritten();
    }

    private Tensor normal(DType dtype, long... shape) {
        double[] x = TensorsOf.normal(new Random(1), (int) Tensor.count(shape));
        return tensors.values(dtype, TensorsOf.floats(x), shape);
    }

    private List<Call> passes(DType dtype) {
        Kernels k = device.kernels();
        int rows = 64;
        int dim = 2048;
        double n = rows * dim;
        double b = dtype.bytes();
        Tensor x = normal(dtype, rows, dim);
        Tensor y = normal(dtype, rows, dim);
        Tensor z = normal(dtype, rows, dim);
        Tensor weight = normal(dtype, dim);
        Tensor rstd = normal(DType.F32, rows);
        Tensor dWeight = normal(DType.F32, dim);
        Tensor heads = normal(dtype, rows, 16, 128);
        Tensor cos = normal(DType.F32, rows, 64);
        Tensor logits = normal(DType.F32, rows, dim);
        Tensor targets = tensors.ints(new int[rows]);
        Tensor weights = normal(DType.F32, rows);
        Tensor ce = normal(DType.F32, rows);
        Tensor hits = tensors.ints(new int[rows]);
        Tensor[] f = new Tensor[4];
        for (int i = 0; i < 4; i++) {
            f[i] = normal(DType.F32, rows, dim);
        }
        AdamWStep step = new AdamWStep(1e-4f, 0.9f, 0.95f, 1e-8f, 0.1f, 1, 1);
        String of = " " + dtype;
        return List.of(
                new Call("rmsNorm" + of, 2 * n * b, 1, () -> k.rmsNorm(x, weight, 1e-5f, y, rstd)),
                new Call(
                        "rmsNormBackward" + of,
                        4 * n * b,
                        1,
                        () -> k.rmsNormBackward(y, x, weight, rstd, z, dWeight)),
                new Call("swiGlu" + of, 3 * n * b, 1, () -> k.swiGlu(x, y, z)),
                new Call(
                        "swiGluBackward" + of, 5 * n * b, 1, () -> k.swiGluBackward(x, y, z, y, z)),
                new Call("rotary" + of, 2 * n * b, 1, () -> k.rotary(heads, cos, cos, heads)),
                new Call(
                        "crossEntropy" + of,
                        n * 4 + n * b,
                        1,
                        () -> k.crossEntropy(logits, targets, weights, 1, ce, hits, x)),
                new Call(
                        "adamW" + of,
                        28 * n + (dtype == DType.BF16 ? 2 * n : 0),
                        1,
                        () ->
                                k.adamW(
                                        f[0],
                                        f[1],
                                        f[2],
                                        f[3],
                                        dtype == DType.BF16 ? x : null,
                                        step)));
    }

    private List<Call> attention(int s, int h, int g, int d) {
        Kernels f = device.kernels();
        Tensor q = normal(DType.BF16, s, h, d);
        Tensor k = normal(DType.BF16, s, g, d);
        Tensor v = normal(DType.BF16, s, g, d);
        Tensor dOut = normal(DType.BF16, s, h, d);
        Tensor at = tensors.ints(IntStream.range(0, s).toArray());
        Tensor no = tensors.ints(new int[s]);
        Tensor out = tensors.zeros(s, h, d);
        Tensor max = tensors.f32(new float[s * h], s, h);
        f.fill(max, Float.NEGATIVE_INFINITY);
        Tensor sum = tensors.zeros(s, h);
        Tensor delta = tensors.zeros(s, h);
        Tensor dq = tensors.zeros(s, h, d);
        Tensor dk = tensors.zeros(s, g, d);
        Tensor dv = tensors.zeros(s, g, d);
        double operations = 2.0 * s * (s + 1) * h * d;
        double queries = (double) s * h * d;
        double keys = (double) s * g * d;
        String shape = " %d tokens, %d/%d heads of %d".formatted(s, h, g, d);
        return List.of(
                new Call(
                        "attention" + shape,
                        2 * queries + 4 * keys + 8 * queries,
                        operations,
                        () -> f.attention(q, at, no, k, v, at, no, 0.1f, out, max, sum)),
                new Call(
                        "attentionBackward" + shape,
                        4 * queries + 4 * keys + 8 * queries + 16 * keys,
                        2.5 * operations,
                        () ->
                                f.attentionBackward(
                                        q, at, no, k, v, at, no, 0.1f, dOut, max, sum, delta, dq,
                                        dk, dv)));
    }
}
