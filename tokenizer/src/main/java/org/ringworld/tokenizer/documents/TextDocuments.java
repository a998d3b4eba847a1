package org.ringworld.tokenizer.documents;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.RowRandom;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.Utf8;
import org.ringworld.tokenizer.documents.DocumentSet.Part;
import org.ringworld.tokenizer.packing.Packing;
import org.ringworld.tokenizer.packing.Permutation;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowStream;
import org.ringworld.tokenizer.sources.TextFiles;
import tools.jackson.databind.JsonNode;

/**
 * Documents of a directory, a {@code .txt} or a {@code .jsonl} file as rows to train on. Each is
 * BOS, its tokens, EOS; every token after BOS weighs 1. A {@code .tokens} file that {@link
 * Tokenization} made before is read without tokenizing again, with the fields and weights it has.
 *
 * <p>A pass over the data is every row of a {@link Packing} once, in a pseudo-random order of its
 * own that follows from (seed, stage, pass).
 */
public final class TextDocuments {
    private static final FieldLanguage PLAIN = FieldLanguage.of("text");
    private static final int NEARBY = 4096;

    private final Path path;
    private final Tokenizer tokenizer;
    private final TokenCache cache;
    private final DocumentSet training;
    private final DocumentSet heldOut;
    private final List<String> faults;
    private final long badLines;
    private final Map<Shape, PackedRows> packed = new ConcurrentHashMap<>();

    private record Shape(Packing packing, int seqLen) {}

    private TextDocuments(
            Path path,
            Tokenizer tokenizer,
            TokenCache cache,
            double heldOut,
            List<String> faults,
            long badLines) {
        this.path = path;
        this.tokenizer = tokenizer;
        this.cache = cache;
        this.faults = faults;
        this.badLines = badLines;
        List<Part> trained = new ArrayList<>();
        List<Part> kept = new ArrayList<>();
        divide(heldOut, trained, kept);
        this.training = new DocumentSet(cache, tokenizer, trained);
        this.heldOut = new DocumentSet(cache, tokenizer, kept);
    }

    /**
     * Documents whose text is in the field {@code text}.
     *
     * @see #open(Path, FieldLanguage, Tokenizer, double)
     */
    public static TextDocuments open(Path path, Tokenizer tokenizer, double heldOut)
            throws DataException {
        return open(path, PLAIN, tokenizer, heldOut);
    }

    /**
     * Reads and encodes all documents.
     *
     * @param fields what of a line is taken; a {@code .tokens} file has its own
     * @param heldOut share of the data that is not trained on, in [0, 1): of several documents
     *     those with the smallest hashes of their text, at least one where the share is over 0; of
     *     a single one its end
     * @throws DataException where a file cannot be used or there is no document at all
     * @throws IllegalArgumentException where heldOut is not such a share
     */
    public static TextDocuments open(
            Path path, FieldLanguage fields, Tokenizer tokenizer, double heldOut)
            throws DataException {
        if (!(heldOut >= 0 && heldOut < 1)) {
            throw new IllegalArgumentException("heldOut = " + heldOut + " is not in [0, 1)");
        }
        if (path.getFileName().toString().endsWith(".tokens")) {
            TokenCache cache = TokenCache.open(path, tokenizer);
            return new TextDocuments(
                    path, tokenizer, cache, heldOut, List.of(), cache.header().badLines());
        }
        try {
            Path directory = Files.createTempDirectory("ringworld-tokens");
            Path file = directory.resolve("cache.tokens");
            try {
                Tokenization.Result result =
                        Tokenization.run(
                                path, fields, tokenizer, file, (done, total, tokens) -> {});
                TokenCache cache = TokenCache.open(file, tokenizer);
                return new TextDocuments(
                        path, tokenizer, cache, heldOut, result.faults(), result.badLines());
            } finally {
                // Mapped by now: the name is not needed any more.
                try (Stream<Path> left = Files.list(directory)) {
                    left.forEach(temporary -> temporary.toFile().delete());
                }
                Files.delete(directory);
            }
        } catch (DataException e) {
            throw e;
        } catch (IOException e) {
            throw new DataException(path + ": cannot be tokenized: " + e.getMessage(), e);
        }
    }

    /**
     * UTF-8 bytes of the texts of a directory, a {@code .txt} or a {@code .jsonl} file as they are
     * written there, whatever a tokenizer makes of them; −1 where something is no text by itself,
     * such as a chat.
     *
     * @throws DataException where a file cannot be read
     */
    public static long textBytes(Path path) throws DataException {
        long[] bytes = {0};
        boolean[] isOther = {false};
        new TextFiles(
                        example -> {
                            if (example.fault() == null) {
                                JsonNode text = example.fields().path("text");
                                isOther[0] |= !text.isString();
                                bytes[0] +=
                                        text.isString() ? Utf8.bytes(text.stringValue()).length : 0;
                            }
                        })
                .read(path);
        return isOther[0] ? -1 : bytes[0];
    }

    private void divide(double share, List<Part> trained, List<Part> kept) {
        int count = cache.documents();
        if (count == 1 && share > 0) {
            int tokens = cache.tokens(0);
            int cut = cut(share);
            trained.add(new Part(0, 0, Math.min(cut + 1, tokens)));
            kept.add(new Part(0, Math.max(cut - 1, 0), tokens));
            return;
        }
        long most = share > 0 ? largestHeldOut(share) : Long.MIN_VALUE;
        for (int d = 0; d < count; d++) {
            boolean isHeldOut = share > 0 && cache.hash(d) <= most;
            (isHeldOut ? kept : trained).add(new Part(d, 0, cache.tokens(d)));
        }
    }

    /** Where the end that is held out begins: after a line's end if there is one nearby. */
    private int cut(double share) {
        int tokens = cache.tokens(0);
        int at = 1 + (int) ((tokens - 2) * (1 - share));
        int end = Math.max(at, Math.min(tokens - 1, at + NEARBY));
        int[] near = cache.slice(0, at, end).ids();
        for (int i = 0; i < near.length; i++) {
            // A vision code need not be one of the tokenizer's.
            boolean isText = near[i] < tokenizer.vocabSize();
            byte[] bytes = isText ? tokenizer.bytes(near[i]) : new byte[0];
            if (bytes.length > 0 && bytes[bytes.length - 1] == '\n') {
                return at + i + 1;
            }
        }
        return at;
    }

    private long largestHeldOut(double share) {
        long[] hashes =
                IntStream.range(0, cache.documents()).mapToLong(cache::hash).sorted().toArray();
        int count = Math.max(1, (int) Math.round(share * hashes.length));
        return hashes[Math.min(count, hashes.length - 1) - 1];
    }

    /** The first lines that could not be used, a sentence each. */
    public List<String> faults() {
        return faults;
    }

    /** How many lines could not be used. */
    public long badLines() {
        return badLines;
    }

    /** How many vision codes a model of these documents must know; 0 where they are text alone. */
    public int visionVocabSize() {
        return cache.hasVision() ? VisionCodes.VOCAB_SIZE : 0;
    }

    /** The tokens of all training documents, in order: to look at them. */
    public List<int[]> documents() {
        return IntStream.range(0, training.size())
                .mapToObj(d -> training.slice(d, 0, training.tokens(d)).ids())
                .toList();
    }

    /** Targets in all training documents. */
    public long trainingTargets() {
        return training.targets();
    }

    /** Targets in all held-out documents. */
    public long heldOutTargets() {
        return heldOut.targets();
    }

    /**
     * The training rows, packed.
     *
     * @throws IllegalStateException where everything is held out
     */
    public RowStream training(long seed, int stage) {
        return training(seed, stage, Packing.DEFAULT);
    }

    /**
     * The training rows, in the packing's order. The stream throws an IllegalStateException where
     * no document has a length that {@code packing} takes, or none has a target.
     *
     * @throws IllegalStateException where everything is held out
     */
    public RowStream training(long seed, int stage, Packing packing) {
        if (training.size() == 0) {
            throw new IllegalStateException(path + ": heldOut leaves no document to train on");
        }
        return (step, seqLen, count) -> {
            PackedRows all = rows(packing, seqLen);
            if (all.count() == 0) {
                throw new IllegalStateException(
                        "%s: no document of at least %d and under %d tokens has a target after %d skipped"
                                .formatted(path, packing.least(), packing.limit(), packing.skip()));
            }
            List<Row> rows = new ArrayList<>(count);
            for (int i = 0; i < count; i++) {
                long place = Math.addExact(Math.multiplyExact(step, count), i);
                long pass = place / all.count();
                long key = RowRandom.mix(RowRandom.mix(RowRandom.mix(seed) + stage) + pass);
                long row = place % all.count();
                if (packing.order() == Packing.Order.SEEDED) {
                    row = new Permutation(all.count(), key).at(row);
                }
                rows.add(all.row((int) row));
            }
            return rows;
        };
    }

    private PackedRows rows(Packing packing, int seqLen) {
        return packed.computeIfAbsent(
                new Shape(packing, seqLen),
                shape ->
                        new PackedRows(
                                training.after(packing.skip())
                                        .ofLength(packing.least(), packing.limit()),
                                packing,
                                seqLen,
                                tokenizer.pad()));
    }

    /** Rows of a pass over the data. */
    public int rowsPerPass(int seqLen) {
        return rowsPerPass(seqLen, Packing.DEFAULT);
    }

    /** Rows of a pass over the data. */
    public int rowsPerPass(int seqLen, Packing packing) {
        return rows(packing, seqLen).count();
    }

    /** Share of its places that padding takes. */
    public double paddingShare(int seqLen, Packing packing) {
        return rows(packing, seqLen).paddingShare();
    }

    /** The first held-out rows, in order, at most so many; none where nothing is held out. */
    public List<Row> heldOut(int seqLen, int most) {
        PackedRows rows = new PackedRows(heldOut, Packing.DEFAULT, seqLen, tokenizer.pad());
        return IntStream.range(0, Math.min(rows.count(), most)).mapToObj(rows::row).toList();
    }
}
