package org.ringworld.runtime.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.BiConsumer;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.VisionKernels;

/**
 * Runs one kernel of a device, again, and plain on the host, each on its own copy of the same
 * tensors: the first two must agree to the bit, and the third within a tolerance relative to each
 * tensor's greatest value. It takes any device.
 */
public final class Parity implements AutoCloseable {
    /** The devices that all kernels are tested on. */
    public static final List<DeviceSpec> DEVICES =
            List.of(new DeviceSpec.Cpu(1), new DeviceSpec.Cpu(2), new DeviceSpec.Cpu(3));

    private final Device device;
    private final Kernels fast;
    private final Random random = new Random(3);
    private final TensorsOf tensors;

    public Parity(int threads) {
        this(new DeviceSpec.Cpu(threads));
    }

    public Parity(DeviceSpec spec) {
        device = Devices.open(spec);
        fast = device.kernels();
        tensors = new TensorsOf(device);
    }

    public Device device() {
        return device;
    }

    public Tensor normal(DType dtype, long... shape) {
        double[] x = TensorsOf.normal(random, (int) Tensor.count(shape));
        return tensors.values(dtype, TensorsOf.floats(x), shape);
    }

    /** Between 0 and {@code bound}, exclusive. */
    Tensor randomInts(int bound, int n) {
        return tensors.ints(random.ints(n, 0, bound).toArray());
    }

    public Tensor ints(int... values) {
        return tensors.ints(values);
    }

    public TensorsOf tensors() {
        return tensors;
    }

    /**
     * {@code kernel} reads {@code inputs} (shared) and reads and writes {@code results} (copies).
     */
    public void check(
            double tolerance, BiConsumer<Kernels, List<Tensor>> kernel, Tensor... results) {
        check(fast, tolerance, kernel, results);
    }

    public void check(
            Kernels kernels,
            double tolerance,
            BiConsumer<Kernels, List<Tensor>> kernel,
            Tensor... results) {
        check(List.of(kernels), tolerance, kernel, results);
    }

    /** The same of a vision kernel. */
    public void checkVision(
            double tolerance, BiConsumer<VisionKernels, List<Tensor>> kernel, Tensor... results) {
        check(PlainOracle.vision(), List.of(device.vision()), tolerance, kernel, results);
    }

    /** Several kernels of the device that form the same. */
    public void check(
            List<Kernels> ways,
            double tolerance,
            BiConsumer<Kernels, List<Tensor>> kernel,
            Tensor... results) {
        check(PlainOracle.kernels(), ways, tolerance, kernel, results);
    }

    private <K> void check(
            K oracle,
            List<K> ways,
            double tolerance,
            BiConsumer<K, List<Tensor>> kernel,
            Tensor... results) {
        List<Tensor> plain = copies(results);
        kernel.accept(oracle, plain);
        for (K way : ways) {
            List<Tensor> once = copies(results);
            List<Tensor> twice = copies(results);
            kernel.accept(way, once);
            kernel.accept(way, twice);
            compare(results, once, twice, plain, tolerance);
        }
    }

    private void compare(
            Tensor[] results,
            List<Tensor> once,
            List<Tensor> twice,
            List<Tensor> plain,
            double tolerance) {
        for (int i = 0; i < results.length; i++) {
            if (results[i].dtype() == DType.I32) {
                assertThat(tensors.readInts(once.get(i))).isEqualTo(tensors.readInts(plain.get(i)));
                continue;
            }
            float[] a = tensors.read(once.get(i));
            assertThat(tensors.read(twice.get(i))).as("run again").isEqualTo(a);
            // Where a sum rounds the other way, a BF16 differs by one unit in the last place.
            double rounding = results[i].dtype() == DType.BF16 ? 0x1p-7 : 0;
            assertClose(a, tensors.read(plain.get(i)), tolerance, rounding, "result " + i);
        }
    }

    public static void assertClose(
            float[] actual, float[] expected, double tolerance, double relative, String what) {
        double max = 0.1; // a sum that cancels leaves the rounding of values around 1
        for (float e : expected) {
            max = Float.isInfinite(e) ? max : Math.max(max, Math.abs(e));
        }
        for (int i = 0; i < expected.length; i++) {
            double allowed = tolerance * max + relative * Math.abs(expected[i]);
            if (actual[i] != expected[i] && !(Math.abs(actual[i] - expected[i]) <= allowed)) {
                throw new AssertionError(
                        "%s[%d] = %s where %s is expected (± %s)"
                                .formatted(what, i, actual[i], expected[i], allowed));
            }
        }
    }

    private List<Tensor> copies(Tensor[] of) {
        List<Tensor> copies = new ArrayList<>();
        for (Tensor t : of) {
            Tensor copy = device.tensor(t.dtype(), t.shape());
            copy(t, copy);
            if (t.scales() != null) {
                copy(t.scales(), copy.scales());
            }
            copies.add(copy);
        }
        return copies;
    }

    private void copy(Tensor from, Tensor to) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(from.bytes(), 64);
            device.copyOut(from, host);
            device.copyIn(host, to);
        }
    }

    @Override
    public void close() {
        device.close();
    }
}
