package org.ringworld.tokenizer.packing;

/**
 * One packed row of a batch: all arrays have the row's length. Targets are shifted already:
 * targets[i] is the token after ids[i] in the same document.
 *
 * @param positions of a token in its piece of document, from 0
 * @param segments number of the document in the row; −1 is padding, seen by nobody
 * @param targets −100 where there is none
 * @param weights of the target in the loss, 0 where there is none
 * @param visionIds which ids are vision codes and not text; null: none is
 * @param visionTargets which targets are; null: none is
 * @param source of several that rows are mixed of, from 0
 */
public record Row(
        int[] ids,
        int[] positions,
        int[] segments,
        int[] targets,
        float[] weights,
        boolean[] visionIds,
        boolean[] visionTargets,
        int source) {
    /** The target where there is none. */
    public static final int NO_TARGET = -100;

    /** The segment of padding. */
    public static final int PADDING = -1;

    /**
     * @throws IllegalArgumentException naming the first token that breaks the rules above
     */
    public Row {
        int n = ids.length;
        if (positions.length != n
                || segments.length != n
                || targets.length != n
                || weights.length != n) {
            throw new IllegalArgumentException(
                    "a row of %d ids has %d positions, %d segments, %d targets, %d weights"
                            .formatted(
                                    n,
                                    positions.length,
                                    segments.length,
                                    targets.length,
                                    weights.length));
        }
        if (visionIds != null && (visionIds.length != n || visionTargets.length != n)) {
            throw new IllegalArgumentException(
                    "a row of %d ids says of %d whether they are vision codes"
                            .formatted(n, visionIds.length));
        }
        for (int i = 0; i < n; i++) {
            require(ids[i] >= 0, "id", ids[i], i);
            require(positions[i] >= 0, "position", positions[i], i);
            require(segments[i] >= PADDING, "segment", segments[i], i);
            require(targets[i] >= 0 || targets[i] == NO_TARGET, "target", targets[i], i);
            require(
                    targets[i] == NO_TARGET || segments[i] >= 0,
                    "target of padding",
                    targets[i],
                    i);
            boolean weightFits =
                    targets[i] == NO_TARGET
                            ? weights[i] == 0
                            : weights[i] >= 0 && weights[i] < Float.POSITIVE_INFINITY;
            require(weightFits, "weight", weights[i], i);
        }
    }

    /** A row of the only source. */
    public Row(
            int[] ids,
            int[] positions,
            int[] segments,
            int[] targets,
            float[] weights,
            boolean[] visionIds,
            boolean[] visionTargets) {
        this(ids, positions, segments, targets, weights, visionIds, visionTargets, 0);
    }

    /** A row of text alone. */
    public Row(int[] ids, int[] positions, int[] segments, int[] targets, float[] weights) {
        this(ids, positions, segments, targets, weights, null, null);
    }

    private static void require(boolean condition, String what, Number value, int at) {
        if (!condition) {
            throw new IllegalArgumentException(
                    "token %d of a row has the %s %s".formatted(at, what, value));
        }
    }

    /** The same row with other weights. */
    public Row withWeights(float[] other) {
        return new Row(ids, positions, segments, targets, other, visionIds, visionTargets, source);
    }

    /** The same row, of another source. */
    public Row of(int other) {
        return new Row(ids, positions, segments, targets, weights, visionIds, visionTargets, other);
    }

    /** Whether the target at a place is a vision code. */
    public boolean isVision(int place) {
        return visionTargets != null && visionTargets[place];
    }

    /** The same row, in which targets of one modality alone weigh. */
    public Row only(boolean vision) {
        float[] own = weights.clone();
        for (int i = 0; i < own.length; i++) {
            own[i] = isVision(i) == vision ? own[i] : 0;
        }
        return withWeights(own);
    }

    /** Whether any target weighs. */
    public boolean weighs() {
        for (float weight : weights) {
            if (weight > 0) {
                return true;
            }
        }
        return false;
    }

    /** Tokens, padding included. */
    public int length() {
        return ids.length;
    }
}
