package org.ringworld.tokenizer.documents;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.ringworld.tokenizer.packing.Packing;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowBuilder;
import org.ringworld.tokenizer.packing.SequencePacking;

/**
 * The rows of one length that documents become, any of which can be made at once: documents are
 * packed in windows of their order, each window by itself, from lengths alone. No tokens are read
 * but those of the row that is asked for.
 */
public final class PackedRows {
    private static final int WINDOW = 1 << 12;
    private static final int WINDOWS_KEPT = 1 << 8;

    private final DocumentSet documents;
    private final Packing packing;
    private final int seqLen;
    private final int pad;

    /**
     * Packed and padded: rows of all windows before one. No-pad: tokens of all documents before.
     */
    private final long[] before;

    private final Map<Integer, List<List<SequencePacking.Piece>>> plans =
            new LinkedHashMap<>(16, 0.75f, true) {
                private static final long serialVersionUID = 1;

                @Override
                protected boolean removeEldestEntry(
                        Map.Entry<Integer, List<List<SequencePacking.Piece>>> eldest) {
                    return size() > WINDOWS_KEPT;
                }
            };

    public PackedRows(DocumentSet documents, Packing packing, int seqLen, int pad) {
        this.documents = documents;
        this.packing = packing;
        this.seqLen = seqLen;
        this.pad = pad;
        boolean stream = packing.mode() == Packing.Mode.NO_PAD;
        int parts = stream ? documents.size() : Math.ceilDiv(documents.size(), WINDOW);
        before = new long[parts + 1];
        for (int i = 0; i < parts; i++) {
            before[i + 1] = before[i] + (stream ? documents.tokens(i) : plan(i).size());
        }
    }

    public int count() {
        return Math.toIntExact(
                packing.mode() == Packing.Mode.NO_PAD
                        ? Math.ceilDiv(Math.max(0, before[before.length - 1] - 1), seqLen)
                        : before[before.length - 1]);
    }

    /** Share of all places in all rows that no target stands at. */
    double paddingShare() {
        long pairs =
                packing.mode() == Packing.Mode.NO_PAD
                        ? Math.max(0, before[before.length - 1] - 1)
                        : documents.targets();
        return count() == 0 ? 0 : 1 - (double) pairs / ((double) count() * seqLen);
    }

    public Row row(int number) {
        if (packing.mode() == Packing.Mode.NO_PAD) {
            Row row = streamRow((long) number * seqLen);
            return packing.modalityWeights() ? balanced(row) : row;
        }
        int found = Arrays.binarySearch(before, number);
        // Windows without a row share their number with the next: the last of them has it.
        int window = found < 0 ? -found - 2 : found;
        while (before[window + 1] <= number) {
            window++;
        }
        RowBuilder row = new RowBuilder(seqLen, pad);
        for (SequencePacking.Piece piece : plan(window).get((int) (number - before[window]))) {
            int document = window * WINDOW + piece.document();
            SequencePacking.Document tokens =
                    documents.slice(document, piece.from(), piece.from() + piece.length() + 1);
            if (packing.documentWeights()) {
                weigh(tokens, document);
            }
            row.add(tokens, 0, piece.length());
        }
        boolean balances = packing.modalityWeights() && !packing.documentWeights();
        return balances ? balanced(row.build()) : row.build();
    }

    /** Of a whole document all targets, or all of each modality, weigh 1 together. */
    private void weigh(SequencePacking.Document tokens, int document) {
        double text = documents.targetWeight(document, false);
        double vision = documents.targetWeight(document, true);
        boolean apart = packing.modalityWeights();
        divide(
                tokens.weights(),
                tokens.vision(),
                apart ? text : text + vision,
                apart ? vision : text + vision);
    }

    private static void divide(float[] weights, boolean[] isVision, double text, double vision) {
        for (int i = 0; i < weights.length; i++) {
            double sum = isVision != null && isVision[i] ? vision : text;
            weights[i] = sum > 0 ? (float) (weights[i] / sum) : 0;
        }
    }

    private synchronized List<List<SequencePacking.Piece>> plan(int window) {
        return plans.computeIfAbsent(
                window,
                w -> {
                    int[] tokens =
                            IntStream.range(
                                            w * WINDOW,
                                            Math.min(documents.size(), (w + 1) * WINDOW))
                                    .map(documents::tokens)
                                    .toArray();
                    return packing.mode() == Packing.Mode.PAD
                            ? SequencePacking.planPadded(tokens, seqLen)
                            : SequencePacking.plan(tokens, seqLen);
                });
    }

    /** One segment of the stream of all tokens; a document's first is a target without weight. */
    private Row streamRow(long start) {
        int length = (int) Math.min(seqLen + 1, before[before.length - 1] - start);
        int[] ids = new int[length];
        float[] weights = new float[length];
        boolean[] vision = new boolean[length];
        boolean hasVision = false;
        int found = Arrays.binarySearch(before, start);
        int document = found < 0 ? -found - 2 : found;
        for (int at = 0; at < length; document++) {
            int from = (int) (start + at - before[document]);
            int to = Math.min(documents.tokens(document), from + length - at);
            if (to <= from) {
                continue;
            }
            SequencePacking.Document part = documents.slice(document, from, to);
            System.arraycopy(part.ids(), 0, ids, at, to - from);
            System.arraycopy(part.weights(), 0, weights, at, to - from);
            weights[at] = from == 0 ? 0 : weights[at];
            if (part.vision() != null) {
                hasVision = true;
                System.arraycopy(part.vision(), 0, vision, at, to - from);
            }
            at += to - from;
        }
        RowBuilder row = new RowBuilder(seqLen, pad);
        row.add(
                new SequencePacking.Document(ids, weights, hasVision ? vision : null),
                0,
                length - 1);
        return row.build();
    }

    /** A row in which text and vision, each for itself, weigh 1 together. */
    private static Row balanced(Row row) {
        double text = sum(row.weights(), row.visionTargets(), false);
        double vision = sum(row.weights(), row.visionTargets(), true);
        float[] weights = row.weights().clone();
        divide(weights, row.visionTargets(), text, vision);
        return row.withWeights(weights);
    }

    private static double sum(float[] weights, boolean[] visionTargets, boolean vision) {
        double sum = 0;
        for (int i = 0; i < weights.length; i++) {
            boolean isVision = visionTargets != null && visionTargets[i];
            sum += isVision == vision ? weights[i] : 0;
        }
        return sum;
    }
}
