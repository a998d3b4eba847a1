package org.ringworld.model.attention;

import java.util.Arrays;
import java.util.List;
import org.ringworld.tokenizer.packing.Row;

/**
 * One rank's part of a micro-batch: the rows' local tokens one row after the other, S in all.
 * Several rows are one flat sequence whose documents are all different segments; attention sees no
 * difference between a batch and a packed row.
 *
 * @param ids token ids [S]
 * @param positions place in the document [S]
 * @param segments document number [S], numbered 0.. through all rows; −1 is padding
 * @param targets next ids [S]; −100 for none
 * @param weights loss weight of each target [S]
 * @param rows which row each token is of [S]
 * @param places where in its row each token lies [S]; −1 is padding that the layout added
 * @param visionIds which ids are vision codes [S]; null on all ranks: no row says so
 * @param visionTargets which targets are [S]; null likewise
 */
public record SequenceBlock(
        int[] ids,
        int[] positions,
        int[] segments,
        int[] targets,
        float[] weights,
        int[] rows,
        int[] places,
        boolean[] visionIds,
        boolean[] visionTargets) {

    /** Local tokens, padding included. */
    public int length() {
        return ids.length;
    }

    /**
     * The block of the tokens at these places of each row, in their order; a place at or past the
     * end of its row is padding.
     *
     * @param at where they stand
     */
    static SequenceBlock of(List<Row> rows, List<int[]> places, BlockPositions at) {
        boolean vision = rows.stream().anyMatch(row -> row.visionIds() != null);
        SequenceBlock block = padding(at, vision);
        int local = 0;
        for (int r = 0; r < rows.size(); r++) {
            for (int place : places.get(r)) {
                block.rows[local] = r;
                if (place < rows.get(r).length()) {
                    block.set(local, rows.get(r), place);
                }
                local++;
            }
        }
        return block;
    }

    private void set(int at, Row row, int place) {
        ids[at] = row.ids()[place];
        targets[at] = row.targets()[place];
        weights[at] = row.targets()[place] < 0 ? 0 : row.weights()[place];
        places[at] = place;
        if (row.visionIds() != null) {
            visionIds[at] = row.visionIds()[place];
            visionTargets[at] = row.visionTargets()[place];
        }
    }

    /** Tokens stand there, but none is known yet. */
    private static SequenceBlock padding(BlockPositions at, boolean vision) {
        int length = at.length();
        int[] targets = new int[length];
        int[] places = new int[length];
        Arrays.fill(targets, Row.NO_TARGET);
        Arrays.fill(places, -1);
        return new SequenceBlock(
                new int[length],
                at.positions(),
                at.segments(),
                targets,
                new float[length],
                new int[length],
                places,
                vision ? new boolean[length] : null,
                vision ? new boolean[length] : null);
    }
}
