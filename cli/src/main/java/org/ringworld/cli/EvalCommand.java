package org.ringworld.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.ringworld.cli.cluster.InCluster;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Scheduler;
import org.ringworld.model.training.coordination.AskedProbes;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.Probe;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.documents.TextDocuments;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.sources.TextFiles;
import org.ringworld.tokenizer.tasks.NeedleTask;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Evaluates a model on unseen data: loss of texts, retrieval of needles. */
@Command(
        name = "eval",
        description = "Evaluate a model: bits per byte of texts, retrieval by length and depth.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        footer = {
            "",
            "Keys: ring.size, device.threads, devices, dtype, weights and cache (f32, bf16 or int8), maxTokens,",
            "model.ropeTheta (also ropeTheta).",
            "",
            "Examples:",
            "  ringworld eval runs/needles",
            "  ringworld eval runs/needles --lengths 2048,4096 --needles 1,4 ropeTheta=2.56e6",
            "  ringworld eval MODEL --text book.txt --lengths 1024 --json book.json"
        })
final class EvalCommand implements Callable<Integer> {
    private static final long SEED = 20_240_214;
    private static final int QUIET_SECONDS = 5;

    /** Documents of the longest's length that there is room for, where memory allows. */
    private static final int AT_ONCE = 8;

    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "A model directory or file, a run, or hf:OWNER/NAME.")
    private Path model;

    @Parameters(index = "1..*", arity = "0..*", paramLabel = "key=value", description = "Settings.")
    private List<String> settings = List.of();

    @Option(
            names = "--text",
            description =
                    "Texts (.txt, .jsonl, a directory or hf:datasets/OWNER/NAME) to take the loss of, instead of needles.")
    private Path text;

    @Option(
            names = "--lengths",
            split = ",",
            description = "Context lengths; default: up to the model's own.")
    private List<Integer> lengths = List.of();

    @Option(
            names = "--needles",
            split = ",",
            defaultValue = "1,4",
            description = "How many are hidden.")
    private List<Integer> needles;

    @Option(
            names = "--depths",
            defaultValue = "5",
            description = "Depths from 0 to 1, evenly spaced.")
    private int depths;

    @Option(names = "--json", description = "Write the table as JSON too.")
    private Path json;

    @ArgGroup(exclusive = false)
    private InCluster cluster;

    @Override
    public Integer call() throws Exception {
        List<String> keys =
                settings.stream()
                        .map(s -> s.replaceFirst("^ropeTheta=", "model.ropeTheta="))
                        .toList();
        TextModel opened = TextModel.open(InferenceSettings.of(keys, Ringworld.HUB.model(model)));
        InferenceSettings on = opened.on();
        Tokenizer tokenizer = opened.tokenizer();
        int longest = on.config().maxPositionEmbeddings();
        List<Integer> at = lengths.isEmpty() ? doublings(longest) : lengths;
        if (at.stream().anyMatch(n -> n < 2)) {
            throw new UsageException("--lengths must be at least 2");
        }
        if (text != null) {
            text = Ringworld.HUB.data(text);
        }
        TextDocuments documents = text == null ? null : TextDocuments.open(text, tokenizer, 0);
        String notRead = text == null ? null : TextFiles.notRead(text);
        if (notRead != null) {
            System.err.println("ringworld: skipped " + notRead);
        }
        List<Probe> probes = text == null ? needleProbes(at, tokenizer) : textProbes(at, documents);
        List<Probe.Result> results;
        int rows = probes.stream().mapToInt(probe -> probe.rows().size()).sum();
        int room = room(on, Collections.max(at));
        try (Engine engine =
                        cluster == null
                                ? on.engine(room)
                                : on.engine(room, keys, cluster.client());
                EvalLine line = new EvalLine(rows, QUIET_SECONDS)) {
            results = AskedProbes.evaluate(engine, probes, line::step);
        }
        System.out.printf(
                Locale.ROOT,
                "%s, rotary base %.4g, ring of %d, %s%n",
                model,
                on.config().ropeTheta(),
                on.ringSize(),
                on.dtype());
        if (text == null) {
            printNeedles(results);
        } else {
            List<Row> first = probes.getFirst().rows();
            printBits(results, bytesPerToken(text, documents, first, tokenizer));
        }
        write(results);
        return Ringworld.DONE;
    }

    /** A document of a row has a target more than the row has places. */
    private static int room(InferenceSettings on, int longest) {
        long one = (longest / PageMemory.TOKENS + 1L) * PageMemory.TOKENS;
        return on.room(Math.max(AT_ONCE * one, Scheduler.TEXTS * (long) PageMemory.TOKENS));
    }

    private static List<Integer> doublings(int longest) {
        List<Integer> lengths = new ArrayList<>();
        for (int n = longest; n >= 256 || lengths.isEmpty(); n /= 2) {
            lengths.addFirst(n);
        }
        return lengths;
    }

    private List<Probe> needleProbes(List<Integer> at, Tokenizer tokenizer) {
        if (depths < 1 || needles.stream().anyMatch(n -> n < 1)) {
            throw new UsageException("--depths and --needles must be at least 1");
        }
        List<Probe> probes = new ArrayList<>();
        for (int count : needles) {
            for (int seqLen : at) {
                for (int d = 0; d < depths; d++) {
                    double depth = depths == 1 ? Double.NaN : (double) d / (depths - 1);
                    probes.add(JobData.needles(tokenizer, count, seqLen, depth, SEED + d));
                }
            }
        }
        return probes;
    }

    private List<Probe> textProbes(List<Integer> at, TextDocuments documents) {
        if (documents.visionVocabSize() > 0) {
            throw new UsageException(
                    text + " has vision codes, which no bits per byte can be told of: give texts");
        }
        List<Probe> probes = new ArrayList<>();
        for (int seqLen : at) {
            // One pass is every row once; their order does not matter to a mean.
            List<Row> rows =
                    documents.training(SEED, 0).rows(0, seqLen, documents.rowsPerPass(seqLen));
            probes.add(new Probe(new Probe.Documents("text"), seqLen, Double.NaN, rows));
        }
        return probes;
    }

    /**
     * Bytes that a target stands for, on average: those of the texts as they are written, where a
     * tokenizer adds, drops or changes some. A cache has no texts but their tokens.
     */
    private static double bytesPerToken(
            Path text, TextDocuments documents, List<Row> rows, Tokenizer tokenizer)
            throws IOException {
        if (!text.getFileName().toString().endsWith(".tokens")) {
            return (double) TextDocuments.textBytes(text) / documents.trainingTargets();
        }
        long bytes = 0;
        long targets = 0;
        for (Row row : rows) {
            for (int target : row.targets()) {
                if (target >= 0) {
                    targets++;
                    bytes += tokenizer.bytes(target).length;
                }
            }
        }
        return (double) bytes / targets;
    }

    private static void printBits(List<Probe.Result> results, double bytesPerToken) {
        System.out.printf("%8s %8s %12s %12s%n", "length", "rows", "nats/token", "bits/byte");
        for (Probe.Result r : results) {
            System.out.printf(
                    Locale.ROOT,
                    "%8d %8d %12.4f %12.4f%n",
                    r.seqLen(),
                    r.rows(),
                    r.loss(),
                    r.bits() / bytesPerToken);
        }
    }

    private static void printNeedles(List<Probe.Result> results) {
        String cities = String.join(", ", NeedleTask.HELD_OUT_CITIES);
        System.out.println("cities asked for, in no training text: " + cities);
        System.out.printf("%-24s %8s  depth → part of the numbers right%n", "needles", "length");
        String line = null;
        for (Probe.Result r : results) {
            String head = "%-24s %8d".formatted(r.kind().name(), r.seqLen());
            if (!head.equals(line)) {
                System.out.print((line == null ? "" : "\n") + head);
                line = head;
            }
            System.out.printf(
                    Locale.ROOT,
                    Double.isNaN(r.depth()) ? "  any: %2$.3f" : "  %.2f: %.3f",
                    r.depth(),
                    r.accuracy());
        }
        System.out.println();
    }

    private void write(List<Probe.Result> results) throws IOException {
        if (json != null) {
            ResultsJson.write(json, ResultsJson.of(results));
            System.out.println("wrote " + json);
        }
    }
}
