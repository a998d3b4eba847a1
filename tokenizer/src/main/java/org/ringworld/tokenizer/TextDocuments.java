package org.ringworld.tokenizer;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * Documents of a directory, a {@code .txt} or a {@code .jsonl} file as rows to train on. Each is
 * BOS, its tokens, EOS; every token after BOS weighs 1. The tokens are held in memory.
 *
 * <p>An epoch is every row of {@link SequencePacking} once, in a pseudo-random order of its own
 * that follows from (seed, stage, epoch).
 */
public final class TextDocuments {
    private final Path path;
    private final Tokenizer tokenizer;
    private final TokenStore training;
    private final TokenStore heldOut;
    private final List<String> faults;
    private final long badLines;

    private TextDocuments(
            Path path,
            Tokenizer tokenizer,
            TokenStore training,
            TokenStore heldOut,
            TextFiles files) {
        this.path = path;
        this.tokenizer = tokenizer;
        this.training = training;
        this.heldOut = heldOut;
        this.faults = files.faults();
        this.badLines = files.badLines();
    }

    /**
     * Reads and encodes all documents.
     *
     * @param heldOut share of the data that is not trained on, in [0, 1): of several documents
     *     those with the smallest hashes of their text, at least one where the share is over 0; of
     *     a single one its end
     * @throws DataException where a file cannot be used or there is no document at all
     * @throws IllegalArgumentException where heldOut is not such a share
     */
    public static TextDocuments open(Path path, Tokenizer tokenizer, double heldOut)
            throws DataException {
        if (!(heldOut >= 0 && heldOut < 1)) {
            throw new IllegalArgumentException("heldOut = " + heldOut + " is not in [0, 1)");
        }
        if (!Files.exists(path)) {
            throw new DataException(path + ": there is no such file or directory of documents");
        }
        List<String> texts = new ArrayList<>();
        TextFiles files = new TextFiles(texts::add);
        files.read(path);
        if (texts.isEmpty()) {
            throw new DataException(
                    path
                            + ": holds no document"
                            + (files.faults().isEmpty() ? "" : ": " + files.faults().getFirst()));
        }
        boolean[] isHeldOut = new boolean[texts.size()];
        if (texts.size() == 1 && heldOut > 0) {
            String text = texts.removeFirst();
            int cut = cut(text, heldOut);
            texts.add(text.substring(0, cut));
            texts.add(text.substring(cut));
            isHeldOut = new boolean[] {false, true};
        } else if (heldOut > 0) {
            isHeldOut = smallestHashes(texts, heldOut);
        }
        TokenStore[] stores = {
            new TokenStore(tokenizer.vocabSize()), new TokenStore(tokenizer.vocabSize())
        };
        for (int i = 0; i < texts.size(); i++) {
            stores[isHeldOut[i] ? 1 : 0].add(document(tokenizer, texts.get(i)));
            // Encoded: the text itself can go.
            texts.set(i, null);
        }
        return new TextDocuments(path, tokenizer, stores[0], stores[1], files);
    }

    private static int[] document(Tokenizer tokenizer, String text) {
        int[] tokens = tokenizer.encode(text);
        int[] ids = new int[tokens.length + 2];
        ids[0] = tokenizer.bos();
        System.arraycopy(tokens, 0, ids, 1, tokens.length);
        ids[ids.length - 1] = tokenizer.eos();
        return ids;
    }

    /** Where the end that is held out begins: after a line's end if there is one nearby. */
    private static int cut(String text, double heldOut) {
        int at = (int) (text.length() * (1 - heldOut));
        int line = text.indexOf('\n', at) + 1;
        if (line > 0 && line < text.length() && line - at < 4096) {
            return line;
        }
        boolean splitsPair =
                at > 0 && at < text.length() && Character.isLowSurrogate(text.charAt(at));
        return splitsPair ? at - 1 : at;
    }

    private static boolean[] smallestHashes(List<String> texts, double heldOut) {
        long[] hashes = texts.stream().mapToLong(TextDocuments::hash).toArray();
        int count = Math.max(1, (int) Math.round(heldOut * hashes.length));
        long most =
                LongStream.of(hashes)
                        .sorted()
                        .skip(Math.min(count, hashes.length - 1) - 1L)
                        .findFirst()
                        .getAsLong();
        boolean[] isHeldOut = new boolean[hashes.length];
        for (int i = 0; i < hashes.length; i++) {
            isHeldOut[i] = hashes[i] <= most;
        }
        return isHeldOut;
    }

    /** Of the text alone: a document stays on its side when others come, and so do its copies. */
    private static long hash(String text) {
        long hash = 0xcbf29ce484222325L;
        for (int i = 0; i < text.length(); i++) {
            hash = (hash ^ text.charAt(i)) * 0x100000001b3L;
        }
        return RowRandom.mix(hash);
    }

    /** The first lines that could not be used, a sentence each. */
    public List<String> faults() {
        return faults;
    }

    /** How many lines could not be used. */
    public long badLines() {
        return badLines;
    }

    /** Targets in all training documents. */
    public long trainingTargets() {
        return targets(training);
    }

    /** Targets in all held-out documents. */
    public long heldOutTargets() {
        return targets(heldOut);
    }

    private static long targets(TokenStore store) {
        return IntStream.range(0, store.documents()).mapToLong(d -> store.tokens(d) - 1).sum();
    }

    /**
     * The training rows.
     *
     * @throws IllegalStateException where everything is held out
     */
    public RowStream training(long seed, int stage) {
        if (training.documents() == 0) {
            throw new IllegalStateException(path + ": heldOut leaves no document to train on");
        }
        Map<Integer, List<List<SequencePacking.Piece>>> plans = new ConcurrentHashMap<>();
        return (step, seqLen, count) -> {
            List<List<SequencePacking.Piece>> plan =
                    plans.computeIfAbsent(seqLen, length -> plan(training, length));
            List<Row> rows = new ArrayList<>(count);
            for (int i = 0; i < count; i++) {
                long place = Math.addExact(Math.multiplyExact(step, count), i);
                long epoch = place / plan.size();
                long key = RowRandom.mix(RowRandom.mix(RowRandom.mix(seed) + stage) + epoch);
                long row = new Permutation(plan.size(), key).at(place % plan.size());
                rows.add(row(training, plan.get((int) row), seqLen));
            }
            return rows;
        };
    }

    /** Rows of an epoch, for logs and for counting epochs. */
    public int rowsPerEpoch(int seqLen) {
        return plan(training, seqLen).size();
    }

    /** All held-out rows, in order; none where nothing is held out. */
    public List<Row> heldOut(int seqLen) {
        return plan(heldOut, seqLen).stream().map(p -> row(heldOut, p, seqLen)).toList();
    }

    private static List<List<SequencePacking.Piece>> plan(TokenStore store, int seqLen) {
        int[] tokens = IntStream.range(0, store.documents()).map(store::tokens).toArray();
        return SequencePacking.plan(tokens, seqLen);
    }

    private Row row(TokenStore store, List<SequencePacking.Piece> pieces, int seqLen) {
        RowBuilder row = new RowBuilder(seqLen, tokenizer.pad());
        for (SequencePacking.Piece piece : pieces) {
            int[] ids =
                    store.get(piece.document(), piece.from(), piece.from() + piece.length() + 1);
            float[] weights = new float[ids.length];
            Arrays.fill(weights, 1);
            row.add(ids, weights, 0, piece.length());
        }
        return row.build();
    }
}
