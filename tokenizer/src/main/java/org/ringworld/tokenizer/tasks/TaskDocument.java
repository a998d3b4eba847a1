package org.ringworld.tokenizer.tasks;

import java.util.Arrays;
import java.util.function.IntFunction;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowBuilder;
import org.ringworld.tokenizer.packing.SequencePacking;

/**
 * A made-up document being written: BOS, then ASCII text with a weight for every byte. It is bytes
 * until its row is made, in which it may be other tokens.
 */
final class TaskDocument {
    private static final int ATTEMPTS = 8;
    private static final double NEARLY = 0.97;
    private static final double AIM = 0.99;
    private static final int MOST_BYTES = 1 << 28;

    /** Of text that nobody asked for: it keeps the model able to read, and no more. */
    static final float TEXT = 0.1f;

    /** Of what the task is about. */
    static final float ANSWER = 1;

    private int[] ids = new int[256];
    private float[] weights = new float[256];
    private int length;

    TaskDocument() {
        this(new ByteTokenizer());
    }

    private TaskDocument(Tokenizer tokenizer) {
        if (tokenizer.addsBos()) {
            token(tokenizer.bos(), 0);
        }
    }

    TaskDocument text(String text, float weight) {
        for (int i = 0; i < text.length(); i++) {
            token(text.charAt(i), weight);
        }
        return this;
    }

    TaskDocument token(int id, float weight) {
        if (length == ids.length) {
            ids = Arrays.copyOf(ids, 2 * length);
            weights = Arrays.copyOf(weights, 2 * length);
        }
        ids[length] = id;
        weights[length++] = weight;
        return this;
    }

    /**
     * A document alone in a row, in a model's own tokens. Where those are no bytes, the document is
     * made as long as the row holds of them, or nearly.
     *
     * @param shortest bytes that a document needs
     * @param ofBytes the same document of about so many bytes, whenever it is asked for
     * @throws IllegalArgumentException where the shortest does not fit, or the tokenizer does not
     *     give plain text back as it was
     */
    static Row row(
            Tokenizer tokenizer, int seqLen, int shortest, IntFunction<TaskDocument> ofBytes) {
        if (tokenizer instanceof ByteTokenizer) {
            TaskDocument document = ofBytes.apply(seqLen);
            return document.fill(new RowBuilder(seqLen, ByteTokenizer.PAD), seqLen);
        }
        TaskDocument best = null;
        long bytes = seqLen;
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            int room = Math.clamp(bytes, shortest, MOST_BYTES);
            TaskDocument document = ofBytes.apply(room).tokens(tokenizer);
            boolean fits = document.length <= seqLen + 1;
            if (fits && (best == null || document.length > best.length)) {
                best = document;
            }
            if (fits && document.length >= NEARLY * seqLen || !fits && room == shortest) {
                break;
            }
            bytes = (long) (AIM * room * seqLen / document.length);
        }
        if (best == null) {
            throw new IllegalArgumentException(
                    "a row of %d tokens of %s is too short for this task"
                            .formatted(seqLen, tokenizer));
        }
        return best.fill(new RowBuilder(seqLen, tokenizer.pad()), seqLen);
    }

    private Row fill(RowBuilder row, int seqLen) {
        row.add(new SequencePacking.Document(ids, weights), 0, Math.min(length - 1, seqLen));
        return row.build();
    }

    /** The same text in other tokens; each weighs what the heaviest of its bytes does. */
    private TaskDocument tokens(Tokenizer tokenizer) {
        StringBuilder text = new StringBuilder();
        for (int i = 1; i < length; i++) {
            if (ids[i] != ByteTokenizer.EOS) {
                text.append((char) ids[i]);
            }
        }
        TaskDocument document = new TaskDocument(tokenizer);
        int at = 0;
        boolean first = tokenizer.addsSpace();
        for (int id : tokenizer.encode(text.toString())) {
            int end = at + tokenizer.bytes(id).length - (first ? 1 : 0);
            first = false;
            float weight = 0;
            for (int i = at; i < Math.min(end, text.length()); i++) {
                weight = Math.max(weight, weights[1 + i]);
            }
            document.token(id, weight);
            at = end;
        }
        if (at != text.length()) {
            throw new IllegalArgumentException(
                    "%s does not give plain text back as it was, which this task needs"
                            .formatted(tokenizer));
        }
        if (ids[length - 1] == ByteTokenizer.EOS) {
            document.token(tokenizer.eos(), weights[length - 1]);
        }
        return document;
    }
}
