package org.ringworld.model.attention;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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

    BlockPositions blockPositions() {
        return new BlockPositions(positions, segments);
    }

    /** Cuts rows into one block a rank; all blocks have the same length. */
    public static List<SequenceBlock> cut(List<Row> rows, Layout layout, int size) {
        List<int[]> segments = numberSegments(rows);
        List<SequenceBlock> blocks = new ArrayList<>();
        for (int r = 0; r < size; r++) {
            int rank = r;
            List<int[]> places =
                    rows.stream().map(row -> layout.places(rank, size, row.length())).toList();
            blocks.add(of(rows, segments, places));
        }
        return blocks;
    }

    /**
     * The block of the tokens at these places of each row, in their order; a place at or past the
     * end of its row is padding.
     */
    public static SequenceBlock of(List<Row> rows, List<int[]> places) {
        return of(rows, numberSegments(rows), places);
    }

    private static SequenceBlock of(List<Row> rows, List<int[]> segments, List<int[]> places) {
        int length = places.stream().mapToInt(p -> p.length).sum();
        boolean vision = rows.stream().anyMatch(row -> row.visionIds() != null);
        SequenceBlock block = padding(length, vision);
        int at = 0;
        for (int r = 0; r < rows.size(); r++) {
            for (int place : places.get(r)) {
                block.rows[at] = r;
                if (place < rows.get(r).length()) {
                    block.set(at, rows.get(r), place, segments.get(r)[place]);
                }
                at++;
            }
        }
        return block;
    }

    private void set(int at, Row row, int place, int segment) {
        ids[at] = row.ids()[place];
        positions[at] = row.positions()[place];
        segments[at] = segment;
        targets[at] = row.targets()[place];
        weights[at] = row.targets()[place] < 0 ? 0 : row.weights()[place];
        places[at] = place;
        if (row.visionIds() != null) {
            visionIds[at] = row.visionIds()[place];
            visionTargets[at] = row.visionTargets()[place];
        }
    }

    private static SequenceBlock padding(int length, boolean vision) {
        int[] segments = new int[length];
        int[] targets = new int[length];
        int[] places = new int[length];
        Arrays.fill(segments, -1);
        Arrays.fill(targets, -100);
        Arrays.fill(places, -1);
        return new SequenceBlock(
                new int[length],
                new int[length],
                segments,
                targets,
                new float[length],
                new int[length],
                places,
                vision ? new boolean[length] : null,
                vision ? new boolean[length] : null);
    }

    /** Numbers all rows' documents 0.. in order of appearance; padding stays −1. */
    private static List<int[]> numberSegments(List<Row> rows) {
        List<int[]> numbered = new ArrayList<>();
        int next = 0;
        for (Row row : rows) {
            Map<Integer, Integer> numbers = new HashMap<>();
            int[] segments = new int[row.segments().length];
            int last = -1;
            for (int i = 0; i < segments.length; i++) {
                int segment = row.segments()[i];
                if (segment < 0) {
                    segments[i] = -1;
                } else if (i > 0 && segment == row.segments()[i - 1]) {
                    segments[i] = last;
                } else {
                    Integer known = numbers.putIfAbsent(segment, next);
                    segments[i] = known == null ? next++ : known;
                }
                last = segments[i];
            }
            numbered.add(segments);
        }
        return numbered;
    }

    /** Tiles end where chunks do; only rows of one length share a chunk length. */
    static int chunkLength(List<Row> rows, Layout layout, int size) {
        int seqLen = rows.getFirst().ids().length;
        boolean alike = rows.stream().allMatch(r -> r.ids().length == seqLen);
        return alike ? layout.chunkLength(size, seqLen) : 1;
    }
}
