package org.ringworld.cli.bench;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.model.training.job.DeviceReader;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.model.vision.TokenizerRing;
import org.ringworld.model.vision.Vqgan;
import org.ringworld.model.vision.VqganConfig;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;
import org.ringworld.runtime.KernelTimes;

/** Frames to codes and back by a VQGAN of LWM's sizes with random weights. */
final class VisionBench {
    private static final Config DEFAULTS =
            ConfigFactory.parseString(
                    "ring.size = 1, device.threads = null, devices = null, frames = 4, rounds = 3");

    private static final VqganConfig VQGAN = VqganConfig.LWM;

    /**
     * @param what encode or decode
     * @param framesPerSecond of all devices
     * @param flops of products, a second
     * @param limit of them
     * @param bytes that the devices hold: weights and what is computed in
     * @param kernelShares of the devices' time, by kernel
     */
    record Row(
            String what,
            DType dtype,
            double framesPerSecond,
            double flops,
            double limit,
            long bytes,
            Map<String, Double> kernelShares) {}

    private final List<DeviceSpec> specs;
    private final int frames;
    private final int rounds;
    private final List<Row> rows = new ArrayList<>();

    private VisionBench(Config config) {
        specs = DeviceReader.ofRing(config, Runtime.getRuntime().availableProcessors());
        frames = JobReader.positive(config, "frames");
        rounds = JobReader.positive(config, "rounds");
    }

    static List<Row> print(List<String> settings) throws Exception {
        VisionBench bench = new VisionBench(JobFile.settings(settings, DEFAULTS));
        System.out.printf(
                Locale.ROOT,
                "%s × %d: %d × %d pixels, %.1f and %.1f GFLOP to codes and back%n",
                bench.specs.getFirst().name(),
                bench.specs.size(),
                VQGAN.resolution(),
                VQGAN.resolution(),
                VQGAN.encodeFlops() / 1e9,
                VQGAN.decodeFlops() / 1e9);
        System.out.printf(
                "%8s %6s %10s %10s %10s %8s %10s%n",
                "", "dtype", "frames/s", "GFLOP/s", "limit", "share", "held");
        for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
            bench.run(dtype);
        }
        return bench.rows;
    }

    private void run(DType dtype) throws Exception {
        List<KernelTimes> times = new ArrayList<>();
        specs.forEach(_ -> times.add(new KernelTimes()));
        List<Device> devices = Devices.open(specs, times);
        try (TokenizerRing ring =
                TokenizerRing.of(devices, d -> new Vqgan(VQGAN, VisionBench::random, d, dtype))) {
            SplittableRandom random = new SplittableRandom(1);
            float[] frame = new float[ring.tokenizer().pixels()];
            for (int i = 0; i < frame.length; i++) {
                frame[i] = (float) random.nextDouble(-1, 1);
            }
            List<float[]> in = Collections.nCopies(frames, frame);
            List<int[]> codes = new ArrayList<>();
            ring.encode(in.iterator(), codes::add); // its code is compiled
            measure("encode", dtype, devices, times, () -> ring.encode(in.iterator(), _ -> {}));
            ring.decode(codes.iterator(), _ -> {});
            measure("decode", dtype, devices, times, () -> ring.decode(codes.iterator(), _ -> {}));
        }
    }

    /** Values do not matter, but for growing no larger from layer to layer. */
    private static void random(TensorSpec spec, DType dtype, MemorySegment host) {
        SplittableRandom random = new SplittableRandom(1);
        long[] shape = spec.shape();
        double most = shape.length == 4 ? 1 / Math.sqrt(shape[0] * shape[1] * shape[2]) : 1;
        for (long i = 0; i < spec.count(); i++) {
            float value = (float) random.nextDouble(-most, most);
            if (dtype == DType.F32) {
                host.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
            } else {
                host.setAtIndex(ValueLayout.JAVA_SHORT, i, DType.toBf16(value));
            }
        }
    }

    private interface Body {
        void run() throws Exception;
    }

    private void measure(
            String what, DType dtype, List<Device> devices, List<KernelTimes> times, Body body)
            throws Exception {
        double best = Double.MAX_VALUE;
        double limit = BenchCommand.limit(specs, dtype);
        times.forEach(KernelTimes::take);
        double seconds = 0;
        for (int round = 0; round < rounds; round++) {
            long start = System.nanoTime();
            body.run();
            double took = (System.nanoTime() - start) * 1e-9;
            seconds += took;
            best = Math.min(best, took);
            limit = Math.max(limit, BenchCommand.limit(specs, dtype));
        }
        Map<String, Double> shares = new TreeMap<>();
        for (KernelTimes of : times) {
            double all = 1e9 * seconds * times.size();
            of.take().forEach((kernel, nanos) -> shares.merge(kernel, nanos / all, Double::sum));
        }
        double each = what.equals("encode") ? VQGAN.encodeFlops() : VQGAN.decodeFlops();
        long held = devices.stream().mapToLong(Device::allocated).sum();
        double rate = frames / best;
        rows.add(new Row(what, dtype, rate, rate * each, limit, held, shares));
        print(rows.getLast());
    }

    private static void print(Row row) {
        System.out.printf(
                Locale.ROOT,
                "%8s %6s %10.2f %10.1f %10.1f %7.1f%% %6d MiB%n",
                row.what,
                row.dtype,
                row.framesPerSecond,
                row.flops / 1e9,
                row.limit / 1e9,
                100 * row.flops / row.limit,
                row.bytes >> 20);
        System.out.println("         " + BenchCommand.times(row.kernelShares));
    }
}
