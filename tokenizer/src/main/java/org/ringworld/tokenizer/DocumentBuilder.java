package org.ringworld.tokenizer;

import java.util.Arrays;

/** A document being put together of texts, single tokens and frames. */
final class DocumentBuilder {
    private final Tokenizer tokenizer;
    private int[] ids = new int[256];
    private float[] weights = new float[256];
    private boolean[] vision = new boolean[256];
    private boolean hasVision;
    private int length;

    DocumentBuilder(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    void token(int id, float weight) {
        add(new int[] {id}, weight, false);
    }

    void text(String text, float weight) {
        add(tokenizer.encode(text), weight, false);
    }

    void vision(int[] codes, int tokensPerFrame, float weight) {
        text(VisionCodes.BEGIN, weight);
        add(VisionCodes.withEnds(codes, tokensPerFrame), weight, true);
        text(VisionCodes.END, weight);
    }

    private void add(int[] some, float weight, boolean isVision) {
        int end = Math.addExact(length, some.length);
        if (end > ids.length) {
            int capacity = Math.max(end, 2 * ids.length);
            ids = Arrays.copyOf(ids, capacity);
            weights = Arrays.copyOf(weights, capacity);
            vision = Arrays.copyOf(vision, capacity);
        }
        System.arraycopy(some, 0, ids, length, some.length);
        Arrays.fill(weights, length, end, weight);
        Arrays.fill(vision, length, end, isVision);
        hasVision |= isVision;
        length = end;
    }

    SequencePacking.Document build() {
        return new SequencePacking.Document(
                Arrays.copyOf(ids, length),
                Arrays.copyOf(weights, length),
                hasVision ? Arrays.copyOf(vision, length) : null);
    }
}
