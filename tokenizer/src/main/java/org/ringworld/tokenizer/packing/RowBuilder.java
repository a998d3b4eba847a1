package org.ringworld.tokenizer.packing;

import java.util.Arrays;

/** Fills a row piece by piece; what is left is padding. */
public final class RowBuilder {
    private final int[] ids;
    private final int[] positions;
    private final int[] segments;
    private final int[] targets;
    private final float[] weights;
    private boolean[] visionIds;
    private boolean[] visionTargets;
    private int used;
    private int segment;

    public RowBuilder(int seqLen, int pad) {
        ids = new int[seqLen];
        positions = new int[seqLen];
        segments = new int[seqLen];
        targets = new int[seqLen];
        weights = new float[seqLen];
        Arrays.fill(ids, pad);
        Arrays.fill(segments, Row.PADDING);
        Arrays.fill(targets, Row.NO_TARGET);
    }

    /** Adds the pairs [from, from + length) of a document as a segment of its own. */
    public void add(SequencePacking.Document document, int from, int length) {
        System.arraycopy(document.ids(), from, ids, used, length);
        System.arraycopy(document.ids(), from + 1, targets, used, length);
        System.arraycopy(document.weights(), from + 1, weights, used, length);
        if (document.vision() != null) {
            if (visionIds == null) {
                visionIds = new boolean[ids.length];
                visionTargets = new boolean[ids.length];
            }
            System.arraycopy(document.vision(), from, visionIds, used, length);
            System.arraycopy(document.vision(), from + 1, visionTargets, used, length);
        }
        for (int i = 0; i < length; i++) {
            positions[used + i] = i;
            segments[used + i] = segment;
        }
        used += length;
        segment++;
    }

    public Row build() {
        return new Row(ids, positions, segments, targets, weights, visionIds, visionTargets);
    }
}
