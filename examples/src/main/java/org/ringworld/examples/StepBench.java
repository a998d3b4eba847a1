package org.ringworld.examples;

import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.ringworld.actors.DeviceActor;
import org.ringworld.actors.DeviceRing;
import org.ringworld.actors.Flops;
import org.ringworld.actors.MemoryUse;
import org.ringworld.actors.ModelSource;
import org.ringworld.actors.StepPlan;
import org.ringworld.checkpoints.LlamaConfig;
import org.ringworld.model.AdamW;
import org.ringworld.model.Layout;
import org.ringworld.model.LearningRate;
import org.ringworld.model.Stage;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.KernelTimes;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.Row;
import org.ringworld.tokenizer.RowStream;

/** Whole training steps on a ring of actors: the speed, and what a step allocates. */
final class StepBench {
    private StepBench() {}

    /**
     * @param seconds of the fastest step
     * @param flops useful FLOP/s of it
     * @param waitShare part of the step that ranks spent waiting for each other
     * @param heapBytes allocated on the Java heap by a step, all threads
     * @param residentBytes of this process after the last step
     * @param memory of rank 0
     * @param kernelShares parts of that step, averaged over the ranks, by kernel
     */
    record Result(
            int ringSize,
            int threads,
            DType dtype,
            int seqLen,
            double seconds,
            double tokensPerSecond,
            double flops,
            double waitShare,
            long heapBytes,
            long residentBytes,
            MemoryUse memory,
            Map<String, Double> kernelShares) {}

    static Result run(
            LlamaConfig config,
            DType dtype,
            int ringSize,
            int threads,
            int seqLen,
            long tokensPerStep,
            int steps,
            String recompute) {
        List<Device> devices = new ArrayList<>();
        List<KernelTimes> times = new ArrayList<>();
        for (int i = 0; i < ringSize; i++) {
            times.add(new KernelTimes());
            devices.add(new CpuDevice(threads, times.getLast()));
        }
        AdamW optimizer =
                new AdamW(
                        new LearningRate(1e-4, LearningRate.Schedule.CONSTANT, 0, 0, 0),
                        0.9,
                        0.98,
                        1e-8,
                        0.01,
                        1);
        Stage stage =
                new Stage(
                        "bench",
                        "text",
                        seqLen,
                        List.of(),
                        1e4,
                        steps,
                        tokensPerStep,
                        1,
                        optimizer);
        RowStream stream =
                (step, length, count) ->
                        IntStream.range(0, count)
                                .mapToObj(i -> row(step * count + i, length, config.vocabSize()))
                                .toList();
        Layout layout = Layout.of("zigzag");
        try (DeviceRing ring =
                new DeviceRing(
                        new ModelSource.Random(config, 1, 0.02), dtype, devices, layout, true)) {
            double best = Double.MAX_VALUE;
            double wait = 0;
            Map<String, Double> shares = Map.of();
            long heap = Long.MAX_VALUE;
            StepPlan plan = null;
            for (int step = 0; step < steps; step++) {
                plan = StepPlan.of(step + 1, 0, stage, step, stream, layout, ringSize);
                long allocated = allocatedBytes();
                long start = System.nanoTime();
                List<DeviceActor.Stepped> ranks = ring.train(plan, recompute);
                double seconds = (System.nanoTime() - start) / 1e9;
                heap = Math.min(heap, allocatedBytes() - allocated);
                Map<String, Double> kernels = shares(times, seconds);
                if (seconds < best) {
                    best = seconds;
                    shares = kernels;
                    wait =
                            ranks.stream()
                                            .mapToDouble(DeviceActor.Stepped::secondsWait)
                                            .average()
                                            .orElse(0)
                                    / seconds;
                }
            }
            double flops = Flops.training(config, plan);
            return new Result(
                    ringSize,
                    threads,
                    dtype,
                    seqLen,
                    best,
                    plan.tokens() / best,
                    flops / best,
                    wait,
                    heap,
                    residentBytes(),
                    ring.memory().getFirst(),
                    shares);
        }
    }

    /** Parts of a step by kernel, the greatest first. */
    private static Map<String, Double> shares(List<KernelTimes> ranks, double seconds) {
        Map<String, Double> shares = new TreeMap<>();
        for (KernelTimes times : ranks) {
            times.take()
                    .forEach(
                            (kernel, nanos) ->
                                    shares.merge(
                                            kernel,
                                            nanos / 1e9 / seconds / ranks.size(),
                                            Double::sum));
        }
        Map<String, Double> sorted = new LinkedHashMap<>();
        shares.entrySet().stream()
                .sorted(Map.Entry.<String, Double>comparingByValue().reversed())
                .forEach(e -> sorted.put(e.getKey(), e.getValue()));
        return sorted;
    }

    private static long allocatedBytes() {
        return ((com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean())
                .getTotalThreadAllocatedBytes();
    }

    /** Memory of this process, bytes; 0 where nobody says. */
    static long residentBytes() {
        try (var lines = java.nio.file.Files.lines(java.nio.file.Path.of("/proc/self/status"))) {
            return lines.filter(l -> l.startsWith("VmRSS:"))
                    .mapToLong(l -> 1024 * Long.parseLong(l.replaceAll("\\D", "")))
                    .findFirst()
                    .orElse(0);
        } catch (java.io.IOException e) {
            return 0; // not Linux
        }
    }

    private static Row row(long seed, int length, int vocab) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] weights = new float[length];
        Arrays.fill(weights, 1);
        return new Row(
                random.ints(length, 0, vocab).toArray(),
                IntStream.range(0, length).toArray(),
                new int[length],
                random.ints(length, 0, vocab).toArray(),
                weights);
    }
}
