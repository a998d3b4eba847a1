package org.ringworld.cli.eval;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.training.coordination.AskedProbes;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.Probe;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.documents.TextDocuments;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.sources.TextFiles;
import org.ringworld.tokenizer.tasks.NeedleTask;

/** Evaluates as training does: by hidden needles, or by the loss of texts. */
final class ProbesEval {
    private static final long SEED = 20_240_214;

    private ProbesEval() {}

    /** Needles by how many are hidden, length and depth. */
    static void needles(
            EvalModel model, List<Integer> needles, List<Integer> lengths, int depths, Path json)
            throws Exception {
        if (depths < 1 || needles.stream().anyMatch(n -> n < 1)) {
            throw new UsageException("--depths and --needles must be at least 1");
        }
        List<Probe> probes = new ArrayList<>();
        for (int count : needles) {
            for (int seqLen : lengths) {
                for (int d = 0; d < depths; d++) {
                    double depth = depths == 1 ? Double.NaN : (double) d / (depths - 1);
                    probes.add(
                            JobData.needles(
                                    NeedleTask.Form.PLAIN,
                                    model.opened().tokenizer(),
                                    count,
                                    seqLen,
                                    depth,
                                    SEED + d));
                }
            }
        }
        List<Probe.Result> results = evaluate(model, probes, Collections.max(lengths));
        model.tell();
        printNeedles(results);
        write(json, results);
    }

    /** Bits per byte of texts, cut into rows of each length. */
    static void texts(EvalModel model, Path text, List<Integer> lengths, Path json)
            throws Exception {
        Tokenizer tokenizer = model.opened().tokenizer();
        TextDocuments documents = TextDocuments.open(text, tokenizer, 0);
        String notRead = TextFiles.notRead(text);
        if (notRead != null) {
            System.err.println("ringworld: skipped " + notRead);
        }
        if (documents.visionVocabSize() > 0) {
            throw new UsageException(
                    text + " has vision codes, which no bits per byte can be told of: give texts");
        }
        List<Probe> probes = new ArrayList<>();
        for (int seqLen : lengths) {
            // One pass is every row once; their order does not matter to a mean.
            List<Row> rows =
                    documents.training(SEED, 0).rows(0, seqLen, documents.rowsPerPass(seqLen));
            probes.add(new Probe(new Probe.Documents("text"), seqLen, Double.NaN, rows));
        }
        List<Probe.Result> results = evaluate(model, probes, Collections.max(lengths));
        model.tell();
        List<Row> first = probes.getFirst().rows();
        printBits(results, bytesPerToken(text, documents, first, tokenizer));
        write(json, results);
    }

    private static List<Probe.Result> evaluate(EvalModel model, List<Probe> probes, int longest)
            throws Exception {
        int rows = probes.stream().mapToInt(probe -> probe.rows().size()).sum();
        // A document of a row has a target more than the row has places.
        try (Engine engine = model.engine(longest);
                EvalLine line = new EvalLine("rows", rows)) {
            return AskedProbes.evaluate(engine, probes, line::step);
        }
    }

    /**
     * Bytes that a target stands for, on average: those of the texts as they are written, where a
     * tokenizer adds, drops or changes some. A cache and chats have no texts but their tokens.
     */
    private static double bytesPerToken(
            Path text, TextDocuments documents, List<Row> rows, Tokenizer tokenizer)
            throws IOException {
        boolean isCache = text.getFileName().toString().endsWith(".tokens");
        long textBytes = isCache ? -1 : TextDocuments.textBytes(text);
        if (textBytes >= 0) {
            return (double) textBytes / documents.trainingTargets();
        }
        long bytes = 0;
        long targets = 0;
        for (Row row : rows) {
            for (int i = 0; i < row.length(); i++) {
                if (row.targets()[i] >= 0 && row.weights()[i] > 0) {
                    targets++;
                    bytes += tokenizer.bytes(row.targets()[i]).length;
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

    private static void write(Path json, List<Probe.Result> results) throws IOException {
        if (json != null) {
            ResultsJson.write(json, ResultsJson.of(results));
            System.out.println("wrote " + json);
        }
    }
}
