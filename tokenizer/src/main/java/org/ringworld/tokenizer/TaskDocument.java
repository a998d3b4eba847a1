package org.ringworld.tokenizer;

import java.util.Arrays;

/** A made-up document being written: BOS, then ASCII text with a weight for every byte. */
final class TaskDocument {
    /** Of text that nobody asked for: it keeps the model able to read, and no more. */
    static final float TEXT = 0.1f;

    /** Of what the task is about. */
    static final float ANSWER = 1;

    private int[] ids = new int[256];
    private float[] weights = new float[256];
    private int length;

    TaskDocument() {
        token(ByteTokenizer.BOS, 0);
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

    /** The document alone in a row. */
    Row row(int seqLen) {
        RowBuilder row = new RowBuilder(seqLen, ByteTokenizer.PAD);
        row.add(new SequencePacking.Document(ids, weights), 0, Math.min(length - 1, seqLen));
        return row.build();
    }
}
