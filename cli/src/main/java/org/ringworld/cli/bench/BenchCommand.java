package org.ringworld.cli.bench;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.cli.Ringworld;
import org.ringworld.model.training.MemoryUse;
import org.ringworld.model.training.job.DeviceReader;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.cpu.BenchRow;
import org.ringworld.runtime.cpu.HostCpu;
import org.ringworld.runtime.cpu.KernelBench;
import org.ringworld.runtime.cpu.MachineLimits;
import org.ringworld.runtime.cuda.CardBench;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.json.JsonMapper;

/** Speeds beside this machine's limits, measured in the same run. */
@Command(
        name = "bench",
        description =
                "Measure kernels, attention, a card, whole training steps, the writing of texts, images to codes and back or the links of a ring beside this machine's limits.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Keys of step: ring.size, device.threads, devices, dtype, seqLen, tokensPerStep, steps, recompute",
            "and model.*; without ring.size and devices one device with all cores and a ring of one-thread",
            "devices are compared, in turns.",
            "",
            "Keys of ring: transports (unix, tcp, tls), gigabytes and rounds of each rate, pings, and stopped:",
            "for how many seconds the neighbour, a second process, is then made to stand still. With",
            "steps=N, so many training steps too, in turns: one device of all cores, one thread for each rank",
            "in one process, and in two; then keys of step count too, and pings=0 leaves out all else.",
            "",
            "Keys of card: index, size of its product, elements of its copy, and seqLen of attention.",
            "",
            "Keys of decode: ring.size, device.threads, dtype, weights, cache, model.*, depths (tokens that are there),",
            "tokens (to be decoded), texts (at once, at last) and rounds, of which the best counts.",
            "",
            "Keys of vision, LWM's VQGAN with random weights: ring.size, device.threads, devices, frames (of a round)",
            "and rounds, of which the best counts; each in F32 and in BF16.",
            "",
            "Keys of serve, a server that runs already: url, apiKey, clients (at once), requests of each, their prompt",
            "and tokens; long, a prompt during which one client asks, at so many moments.",
            "",
            "Examples:",
            "  ringworld bench kernels",
            "  ringworld bench attention --json attention.json",
            "  ringworld bench step",
            "  ringworld bench step ring.size=4 device.threads=1 dtype=bf16 seqLen=8192",
            "  ringworld bench decode dtype=bf16 depths=[0,8192]",
            "  ringworld bench vision",
            "  ringworld bench vision ring.size=2 frames=8 --json vision.json",
            "  ringworld bench serve url=http://127.0.0.1:8080 clients=[1,16] long=16384",
            "  ringworld bench ring",
            "  ringworld bench ring transports=[unix] stopped=10 --json ring.json",
            "  ringworld bench ring pings=0 steps=10 seqLen=16384 dtype=bf16 model.numLayers=2"
        })
public final class BenchCommand implements Callable<Integer> {
    private static final Config STEP =
            ConfigFactory.parseString(
                            "ring.size = null, device.threads = null, devices = null, steps = 5")
                    .withFallback(StepWork.DEFAULTS);

    /** How often each shape of a ring is measured. */
    private static final int ROUNDS = 2;

    enum What {
        kernels,
        attention,
        card,
        step,
        decode,
        vision,
        serve,
        ring
    }

    @Parameters(index = "0", paramLabel = "WHAT", description = "${COMPLETION-CANDIDATES}")
    private What what;

    @Parameters(
            index = "1..*",
            arity = "0..*",
            paramLabel = "key=value",
            description = "Of card, step, decode, vision, serve or ring.")
    private List<String> settings = List.of();

    @Option(names = "--json", description = "Write the table as JSON too.")
    private Path json;

    @Override
    public Integer call() throws Exception {
        if ((what == What.kernels || what == What.attention) && !settings.isEmpty()) {
            throw new UsageException(
                    "bench "
                            + what
                            + " takes no keys; card, step, decode, vision, serve and ring do");
        }
        HostCpu host = HostCpu.detect();
        System.out.printf(
                "%s, %d cores, %d bit vectors, products by %s%n",
                host.model(), host.allowedCores(), host.vectorBits(), host.matmul());
        switch (what) {
            case kernels -> kernels(KernelBench::kernels, host.allowedCores());
            case attention -> kernels(KernelBench::attention, host.allowedCores());
            case card -> card();
            case step -> steps(host.allowedCores());
            case decode -> write(DecodeBench.print(settings));
            case vision -> write(VisionBench.print(settings));
            case serve -> write(ServeBench.print(settings));
            case ring -> write(RingBenchTable.print(settings));
        }
        return Ringworld.DONE;
    }

    private static final Config CARD =
            ConfigFactory.parseString(
                    "index = 0, size = 8192, elements = 268435456, seqLen = 16384");

    private void card() throws IOException {
        Config config = JobFile.settings(settings, CARD);
        int seqLen = JobReader.positive(config, "seqLen");
        DeviceSpec.Cuda card = new DeviceSpec.Cuda(config.getInt("index"), 0);
        try (CardBench bench =
                new CardBench(
                        card, JobReader.positive(config, "size"), config.getLong("elements"))) {
            System.out.println(bench.name());
            printHeader();
            List<Runnable> parts =
                    List.of(
                            () -> bench.attention(seqLen, 64, 8, 128),
                            () -> bench.attention(seqLen, 32, 8, 64),
                            bench::products,
                            bench::passes);
            int printed = 0;
            for (Runnable part : parts) {
                part.run();
                List<BenchRow> rows = bench.rows();
                rows.subList(printed, rows.size()).forEach(BenchCommand::print);
                printed = rows.size();
                write(rows); // of each part at once: a later one may not end
            }
        }
    }

    private interface Bench {
        List<BenchRow> run(int threads);
    }

    private void kernels(Bench bench, int cores) throws IOException {
        printHeader();
        List<BenchRow> all = new ArrayList<>();
        for (int threads : cores == 1 ? new int[] {1} : new int[] {1, cores}) {
            for (BenchRow row : bench.run(threads)) {
                all.add(row);
                print(row);
            }
        }
        write(all);
    }

    private static void printHeader() {
        System.out.printf(
                "%-34s %-26s %7s %10s %10s %8s  %s%n",
                "kernel", "shape", "threads", "rate", "limit", "share", "unit");
    }

    private static void print(BenchRow row) {
        System.out.printf(
                Locale.ROOT,
                "%-34s %-26s %7d %10.1f %10.1f %7.1f%%  %s%n",
                row.name(),
                row.shape(),
                row.threads(),
                row.rate(),
                row.limit(),
                100 * row.share(),
                row.unit());
    }

    private void steps(int cores) throws IOException {
        Config config = JobFile.settings(settings, STEP);
        StepWork work = StepWork.of(config);
        LlamaConfig model = work.model();
        DType dtype = work.dtype();
        int steps = JobReader.positive(config, "steps");
        List<List<DeviceSpec>> shapes = shapes(config, cores);
        System.out.printf(
                "%d layers, hidden %d, feed-forward %d, %d heads, vocabulary %d, %s%n",
                model.numLayers(),
                model.hiddenSize(),
                model.intermediateSize(),
                model.numHeads(),
                model.vocabSize(),
                dtype);
        System.out.printf(
                "%8s %8s %8s %10s %10s %10s %8s %7s %12s %10s%n",
                "ring",
                "threads",
                "seqLen",
                "s/step",
                "tokens/s",
                "GFLOP/s",
                "share",
                "waits",
                "heap/step",
                "resident");
        StepBench.Result[] best = new StepBench.Result[shapes.size()];
        double limit = 0;
        // In turns, because machines are faster at some times than at others.
        for (int round = 0; round < (shapes.size() == 1 ? 1 : ROUNDS); round++) {
            for (int i = 0; i < shapes.size(); i++) {
                List<DeviceSpec> shape = shapes.get(i);
                limit = Math.max(limit, limit(shape, dtype));
                StepBench.Result r = StepBench.run(work, shape, steps);
                limit = Math.max(limit, limit(shape, dtype));
                if (best[i] == null || r.seconds() < best[i].seconds()) {
                    best[i] = r;
                }
            }
        }
        List<Map<String, Object>> rows = new ArrayList<>();
        for (StepBench.Result r : best) {
            print(r, limit);
            Map<String, Object> row = new LinkedHashMap<>();
            row.put("result", r);
            row.put("limit", limit);
            rows.add(row);
        }
        write(rows);
    }

    /** FLOP/s that devices reach together: of each card a large product, of the CPU its units. */
    static double limit(List<DeviceSpec> shape, DType dtype) {
        List<DeviceSpec> cpus = shape.stream().filter(d -> d instanceof DeviceSpec.Cpu).toList();
        double cards =
                shape.stream()
                        .distinct()
                        .mapToDouble(d -> d instanceof DeviceSpec.Cuda c ? CardBench.limit(c) : 0)
                        .sum();
        return cards + (cpus.isEmpty() ? 0 : MachineLimits.measure(cpus).flops(dtype));
    }

    /** What is asked for, or one device of all cores and a ring of one for each. */
    private static List<List<DeviceSpec>> shapes(Config config, int cores) {
        if (!config.getIsNull("ring.size") || !config.getIsNull("devices")) {
            return List.of(DeviceReader.ofRing(config, cores));
        }
        List<DeviceSpec> one = List.of(new DeviceSpec.Cpu(cores));
        return cores == 1
                ? List.of(one)
                : List.of(one, Collections.nCopies(cores, new DeviceSpec.Cpu(1)));
    }

    private static void print(StepBench.Result r, double limit) {
        System.out.printf(
                Locale.ROOT,
                "%8d %8d %8d %10.3f %10.0f %10.1f %7.1f%% %6.1f%% %9.1f KiB %6d MiB%n",
                r.ringSize(),
                r.threads(),
                r.seqLen(),
                r.seconds(),
                r.tokensPerSecond(),
                r.flops() / 1e9,
                100 * r.flops() / limit,
                100 * r.waitShare(),
                r.heapBytes() / 1024.0,
                r.residentBytes() >> 20);
        System.out.println("         " + memory(r.memory()));
        System.out.println("         " + times(r.kernelShares()));
    }

    private static String memory(MemoryUse m) {
        return String.format(
                Locale.ROOT,
                "MiB a rank: weights %d, gradients %d, optimizer %d, kept for backward %d,"
                        + " workspace %d, kernels %d",
                m.weights() >> 20,
                m.gradients() >> 20,
                m.optimizer() >> 20,
                m.kept() >> 20,
                m.workspace() >> 20,
                m.kernels() >> 20);
    }

    static String times(Map<String, Double> shares) {
        double outside = 1 - shares.values().stream().mapToDouble(s -> s).sum();
        StringBuilder line = new StringBuilder("time: ");
        shares.forEach(
                (kernel, share) -> {
                    if (share >= 0.005) {
                        line.append("%s %.1f %%, ".formatted(kernel, 100 * share));
                    }
                });
        return line + "outside kernels %.1f %%".formatted(100 * outside);
    }

    private void write(Object rows) throws IOException {
        if (json != null) {
            String text =
                    JsonMapper.builder()
                            .build()
                            .writerWithDefaultPrettyPrinter()
                            .writeValueAsString(rows);
            Files.writeString(json, text + "\n");
            System.out.println("wrote " + json);
        }
    }
}
