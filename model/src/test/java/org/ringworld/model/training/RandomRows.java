package org.ringworld.model.training;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.ringworld.tokenizer.packing.Row;

/**
 * Rows of random documents, awkward ones among them: of one token, padding in between, weight 0.
 */
public final class RandomRows {
    private RandomRows() {}

    public static Row row(SplittableRandom random, int seqLen, int vocab) {
        int[] ids = new int[seqLen];
        int[] positions = new int[seqLen];
        int[] segments = new int[seqLen];
        int[] targets = new int[seqLen];
        float[] weights = new float[seqLen];
        Arrays.fill(targets, -100);
        int at = 0;
        int document = 0;
        while (at < seqLen) {
            int length =
                    switch (random.nextInt(4)) {
                        case 0 -> 1;
                        case 1 -> seqLen;
                        default -> random.nextInt(1, seqLen + 1);
                    };
            int end = Math.min(seqLen, at + length);
            boolean padding = random.nextInt(6) == 0;
            boolean silent = random.nextInt(4) == 0;
            for (int i = at; i < end; i++) {
                ids[i] = random.nextInt(vocab);
                positions[i] = i - at;
                segments[i] = padding ? -1 : document;
                if (!padding && i + 1 < end) {
                    targets[i] = random.nextInt(vocab);
                    weights[i] = silent ? 0 : (float) random.nextDouble(0.1, 2);
                }
            }
            at = end;
            document += random.nextInt(1, 3);
        }
        return new Row(ids, positions, segments, targets, weights);
    }

    /**
     * The row, some of its ids and targets as vision codes: in runs, as frames are, so that ranks
     * of a ring may hold nothing of one modality.
     */
    static Row withVision(SplittableRandom random, Row row) {
        boolean[] ids = new boolean[row.length()];
        boolean[] targets = new boolean[row.length()];
        boolean code = random.nextBoolean();
        for (int i = 0; i < ids.length; i++) {
            ids[i] = code;
            code = random.nextInt(7) == 0 ? !code : code;
            targets[i] = code && row.targets()[i] >= 0;
        }
        return new Row(
                row.ids(),
                row.positions(),
                row.segments(),
                row.targets(),
                row.weights(),
                ids,
                targets);
    }
}
