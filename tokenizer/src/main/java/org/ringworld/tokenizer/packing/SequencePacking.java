package org.ringworld.tokenizer.packing;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Packs documents into rows of one length with a segment for each (LWM, §3.1: masked sequence
 * packing). A document of n tokens gives n − 1 pairs of token and target; every pair comes out
 * exactly once. One that fits a row is never cut; a longer one is cut into full rows and a rest,
 * and the last token of a piece is the first of the next, as target and as input.
 *
 * <p>A piece goes into the open row that it fills best. The result depends on the documents and
 * their order alone.
 */
public final class SequencePacking {
    private SequencePacking() {}

    /**
     * Tokens of one document, and the weight of each as a target. The first is never a target.
     *
     * @param vision which of them are vision codes; null: none is
     */
    public record Document(int[] ids, float[] weights, boolean[] vision) {
        public Document {
            if (ids.length != weights.length || vision != null && vision.length != ids.length) {
                throw new IllegalArgumentException(
                        "a document of %d tokens has %d weights"
                                .formatted(ids.length, weights.length));
            }
        }

        public Document(int[] ids, float[] weights) {
            this(ids, weights, null);
        }

        /** A document all of whose tokens weigh 1. */
        public static Document of(int[] ids) {
            float[] ones = new float[ids.length];
            Arrays.fill(ones, 1);
            return new Document(ids, ones);
        }
    }

    /** Pairs [from, from + length) of a document: inputs from, …; targets from + 1, …. */
    public record Piece(int document, int from, int length) {}

    /**
     * The rows of some documents.
     *
     * @param pad id of the tokens that fill a row's end
     */
    public static List<Row> pack(List<Document> documents, int seqLen, int pad) {
        int[] tokens = documents.stream().mapToInt(d -> d.ids().length).toArray();
        return plan(tokens, seqLen).stream().map(p -> row(p, documents, seqLen, pad)).toList();
    }

    /** Which pieces share a row, for documents of these many tokens. */
    public static List<List<Piece>> plan(int[] tokens, int seqLen) {
        if (seqLen < 1) {
            throw new IllegalArgumentException("seqLen = " + seqLen + " is not positive");
        }
        List<List<Piece>> rows = new ArrayList<>();
        // Room left → rows with that room, the oldest first.
        TreeMap<Integer, Deque<List<Piece>>> open = new TreeMap<>();
        for (int d = 0; d < tokens.length; d++) {
            int pairs = tokens[d] - 1;
            for (int from = 0; from < pairs; from += seqLen) {
                Piece piece = new Piece(d, from, Math.min(seqLen, pairs - from));
                place(piece, seqLen, rows, open);
            }
        }
        return rows;
    }

    /** Each piece in a row of its own. */
    public static List<List<Piece>> planPadded(int[] tokens, int seqLen) {
        List<List<Piece>> rows = new ArrayList<>();
        for (int d = 0; d < tokens.length; d++) {
            int pairs = tokens[d] - 1;
            for (int from = 0; from < pairs; from += seqLen) {
                rows.add(List.of(new Piece(d, from, Math.min(seqLen, pairs - from))));
            }
        }
        return rows;
    }

    private static void place(
            Piece piece,
            int seqLen,
            List<List<Piece>> rows,
            TreeMap<Integer, Deque<List<Piece>>> open) {
        Map.Entry<Integer, Deque<List<Piece>>> best = open.ceilingEntry(piece.length());
        int room = seqLen;
        List<Piece> row;
        if (best == null) {
            row = new ArrayList<>();
            rows.add(row);
        } else {
            room = best.getKey();
            row = best.getValue().removeFirst();
            if (best.getValue().isEmpty()) {
                open.remove(room);
            }
        }
        row.add(piece);
        if (room > piece.length()) {
            open.computeIfAbsent(room - piece.length(), r -> new ArrayDeque<>()).addLast(row);
        }
    }

    /** One row of a plan. */
    static Row row(List<Piece> pieces, List<Document> documents, int seqLen, int pad) {
        RowBuilder row = new RowBuilder(seqLen, pad);
        for (Piece piece : pieces) {
            Document document = documents.get(piece.document());
            row.add(document, piece.from(), piece.length());
        }
        return row.build();
    }
}
