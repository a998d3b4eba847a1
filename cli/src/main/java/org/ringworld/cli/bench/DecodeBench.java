package org.ringworld.cli.bench;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.HfDirectory;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.cli.InferenceSettings;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Made;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.decode.ServedModel;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.cpu.MachineLimits;

/** Writing texts with a random model from disk: reading prompts and decoding, at some depths. */
final class DecodeBench {
    private static final Config DEFAULTS =
            ConfigFactory.parseString(
                            """
                            ring.size = 1
                            device.threads = null
                            weights = null
                            cache = null
                            inPlace = true
                            depths = [0, 2048, 8192]
                            tokens = 32
                            rounds = 3
                            texts = 16
                            """)
                    .withFallback(StepWork.DEFAULTS);

    private static final int PREFILL = 512;

    /**
     * @param depth tokens that are there already
     * @param texts that are written at once
     * @param prefill tokens a second of {@link #PREFILL} more; 0: not measured
     * @param decode tokens a second, of all texts
     * @param read bytes of weights and pages a second, of which each step reads all once
     * @param limit bytes a second that the machine reads
     */
    record Row(int depth, int texts, double prefill, double decode, double read, double limit) {}

    private final LlamaConfig model;
    private final DType dtype;
    private final int tokens;
    private final int rounds;
    private final int threads;
    private final SplittableRandom random = new SplittableRandom(1);
    private ServedModel.Options kept;
    private double limit;

    private DecodeBench(Config config, int threads) {
        StepWork work = StepWork.of(config);
        this.model = work.model();
        this.dtype = work.dtype();
        this.tokens = JobReader.positive(config, "tokens");
        this.rounds = JobReader.positive(config, "rounds");
        this.threads = threads;
    }

    static List<Row> print(List<String> settings) throws Exception {
        Config config = JobFile.settings(settings, DEFAULTS);
        int ring = JobReader.positive(config, "ring.size");
        int cores = Runtime.getRuntime().availableProcessors();
        int threads =
                config.getIsNull("device.threads")
                        ? Math.max(1, cores / ring)
                        : JobReader.positive(config, "device.threads");
        DecodeBench bench = new DecodeBench(config, ring * threads);
        Path directory = Files.createTempDirectory("ringworld-bench");
        try {
            bench.write(directory.resolve("model"), directory);
            List<String> on = new ArrayList<>();
            on.add("ring.size=" + ring);
            on.add("device.threads=" + threads);
            on.add("dtype=" + bench.dtype.name().toLowerCase(Locale.ROOT));
            for (String key : List.of("weights", "cache", "inPlace")) {
                if (!config.getIsNull(key)) {
                    on.add(key + "=" + config.getString(key));
                }
            }
            InferenceSettings inference = InferenceSettings.of(on, directory.resolve("model"));
            bench.kept = inference.options();
            System.out.printf(
                    Locale.ROOT,
                    "ring of %d, %d threads each, %s, weights %s, pages %s, %.2f GB of weights a token%n",
                    ring,
                    threads,
                    bench.dtype,
                    bench.kept.weights(),
                    bench.kept.cache(),
                    bench.weightBytes() / 1e9);
            return bench.run(inference, config.getIntList("depths"), config.getInt("texts"));
        } finally {
            try (Stream<Path> files = Files.walk(directory)) {
                for (Path file : files.sorted((a, b) -> b.compareTo(a)).toList()) {
                    Files.delete(file);
                }
            }
        }
    }

    /** Values do not matter, but for being small. */
    private void write(Path to, Path owned) throws IOException {
        List<TensorSpec> specs = LlamaTensors.of(model);
        long most = specs.stream().mapToLong(spec -> size(spec) * dtype.bytes()).max().orElse(0);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment noise = arena.allocate(most, 64);
            for (long at = 0; at < most; at += dtype.bytes()) {
                float value = (float) random.nextDouble(-0.02, 0.02);
                if (dtype == DType.F32) {
                    noise.set(ValueLayout.JAVA_FLOAT, at, value);
                } else {
                    noise.set(ValueLayout.JAVA_SHORT, at, DType.toBf16(value));
                }
            }
            HfDirectory.write(
                    to,
                    model,
                    dtype,
                    specs,
                    spec -> noise.asSlice(0, size(spec) * dtype.bytes()),
                    _ -> {},
                    Fence.claim(owned),
                    4L << 30);
        }
    }

    private static long size(TensorSpec spec) {
        return Arrays.stream(spec.shape()).reduce(1, (a, b) -> a * b);
    }

    /** Of all matrices that a token reads: the table of embeddings is not one of them. */
    private long weightBytes() {
        long all = LlamaTensors.of(model).stream().mapToLong(DecodeBench::size).sum();
        return (all - (long) model.vocabSize() * model.hiddenSize()) * kept.weights().bytes();
    }

    private List<Row> run(InferenceSettings on, List<Integer> depths, int texts) throws Exception {
        int deepest = depths.stream().mapToInt(Integer::intValue).max().orElse(0);
        int one = deepest + 2 * PREFILL + rounds * tokens;
        int capacity = Math.max(one, texts * (PageMemory.TOKENS + tokens)) + 2 * PREFILL;
        List<Row> rows = new ArrayList<>();
        System.out.printf(
                "%8s %6s %12s %12s %10s %10s %8s%n",
                "depth", "texts", "prefill/s", "decode/s", "GB/s", "limit", "share");
        measureLimit();
        try (Engine engine = on.engine(capacity)) {
            for (int i = 0; i < rounds; i++) {
                decode(engine, random(PREFILL), 1); // its code is compiled
            }
            int[] text = random(deepest + PREFILL);
            for (int depth : depths) {
                rows.add(depth(engine, text, depth));
                print(rows.getLast());
            }
            if (texts > 1) {
                rows.add(together(engine, texts));
                print(rows.getLast());
            }
        }
        return rows;
    }

    private void measureLimit() {
        limit = Math.max(limit, 1e9 * MachineLimits.measure(threads).read());
    }

    private int[] random(int n) {
        return random.ints(n, 0, model.vocabSize()).toArray();
    }

    private record Timed(double first, double tokensPerSecond) {}

    private Timed decode(Engine engine, int[] prompt, int most) throws InterruptedException {
        long start = System.nanoTime();
        try (Answer answer = engine.ask(new Ask(prompt, most, Sampler.GREEDY, Set.of()))) {
            answer.next();
            long first = System.nanoTime();
            for (Made.Token next = answer.next(); next != null; next = answer.next()) {
                // The last one is waited for.
            }
            double rest = (System.nanoTime() - first) * 1e-9;
            return new Timed((first - start) * 1e-9, (most - 1) / rest);
        }
    }

    private Row depth(Engine engine, int[] text, int depth) throws InterruptedException {
        if (depth > 0) {
            decode(engine, Arrays.copyOf(text, depth), 1);
        }
        double prefill = Double.MAX_VALUE;
        double decode = 0;
        for (int round = 0; round < rounds; round++) {
            int[] more = Arrays.copyOf(text, depth + PREFILL);
            System.arraycopy(random(PREFILL), 0, more, depth, PREFILL);
            prefill = Math.min(prefill, decode(engine, more, 1).first);
            int[] ends = Arrays.copyOf(text, depth + 1);
            ends[depth] = random.nextInt(model.vocabSize());
            decode = Math.max(decode, decode(engine, ends, tokens).tokensPerSecond);
            measureLimit();
        }
        double pages = (double) PageMemory.bytes(model, kept.cache()) / PageMemory.TOKENS * depth;
        return new Row(
                depth, 1, PREFILL / prefill, decode, decode * (weightBytes() + pages), limit);
    }

    private Row together(Engine engine, int texts) throws InterruptedException {
        double best = 0;
        for (int round = 0; round < rounds; round++) {
            List<Answer> answers = new ArrayList<>();
            for (int i = 0; i < texts; i++) {
                answers.add(engine.ask(new Ask(random(9), tokens, Sampler.GREEDY, Set.of())));
            }
            for (Answer answer : answers) {
                answer.next(); // all are read
            }
            long start = System.nanoTime();
            long written = 0;
            for (Answer answer : answers) {
                for (Made.Token next = answer.next(); next != null; next = answer.next()) {
                    written++;
                }
            }
            best = Math.max(best, written / ((System.nanoTime() - start) * 1e-9));
            measureLimit();
        }
        return new Row(0, texts, 0, best, best / texts * weightBytes(), limit);
    }

    private static void print(Row row) {
        System.out.printf(
                Locale.ROOT,
                "%8d %6d %12.1f %12.2f %10.1f %10.1f %7.1f%%%n",
                row.depth,
                row.texts,
                row.prefill,
                row.decode,
                row.read / 1e9,
                row.limit / 1e9,
                100 * row.read / row.limit);
    }
}
