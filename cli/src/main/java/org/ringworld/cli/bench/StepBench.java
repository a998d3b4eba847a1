package org.ringworld.cli.bench;

import java.lang.management.ManagementFactory;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.ringworld.actors.device.DeviceRing;
import org.ringworld.model.training.Flops;
import org.ringworld.model.training.MemoryUse;
import org.ringworld.model.training.StepRows;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.rank.RandomSteps;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;
import org.ringworld.runtime.KernelTimes;

/** Whole training steps on a ring of actors: the speed, and what a step allocates. */
final class StepBench {
    private StepBench() {}

    /**
     * @param threads of a device, of the largest where they differ
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

    static Result run(StepWork work, List<DeviceSpec> specs, int steps) {
        int ringSize = specs.size();
        List<KernelTimes> times = Stream.generate(KernelTimes::new).limit(ringSize).toList();
        try (DeviceRing ring =
                new DeviceRing(work.held(), Devices.open(specs, times), RandomSteps.LAYOUT)) {
            double best = Double.MAX_VALUE;
            double wait = 0;
            Map<String, Double> shares = Map.of();
            long heap = Long.MAX_VALUE;
            StepRows rows = null;
            for (int step = 0; step < steps; step++) {
                rows = work.rows(step, ringSize);
                long allocated = allocatedBytes();
                long start = System.nanoTime();
                List<Report.Stepped> ranks = ring.train(rows);
                double seconds = (System.nanoTime() - start) / 1e9;
                heap = Math.min(heap, allocatedBytes() - allocated);
                Map<String, Double> kernels = shares(times, seconds);
                if (seconds < best) {
                    best = seconds;
                    shares = kernels;
                    wait =
                            ranks.stream().mapToDouble(r -> r.spent().waiting()).average().orElse(0)
                                    / seconds;
                }
            }
            double flops = Flops.training(work.model(), rows.step());
            return new Result(
                    ringSize,
                    specs.stream().mapToInt(DeviceSpec::threads).max().orElse(0),
                    work.dtype(),
                    work.seqLen(),
                    best,
                    rows.step().tokens() / best,
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
}
