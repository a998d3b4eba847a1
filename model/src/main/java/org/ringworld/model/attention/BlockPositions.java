package org.ringworld.model.attention;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.tokenizer.packing.Row;

/**
 * Where a rank's tokens stand: all that the other ranks of a ring need to know of them before a
 * step, since it decides who sees whom.
 *
 * @param positions place in the document [S]
 * @param sees the last position of its document that each token sees [S]; the same array where it
 *     is its own
 * @param segments document number [S], numbered 0.. through all rows; −1 is padding
 */
public record BlockPositions(int[] positions, int[] sees, int[] segments) {
    public int length() {
        return positions.length;
    }

    /**
     * Of the tokens at these places of each row, in their order.
     *
     * @param segments as {@link #numberSegments} numbers them
     */
    static BlockPositions of(
            List<Row> rows, List<int[]> segments, List<int[]> places, CausalMask mask) {
        int length = places.stream().mapToInt(p -> p.length).sum();
        int[] own = new int[length];
        boolean isCausal = mask.equals(CausalMask.CAUSAL);
        BlockPositions block =
                new BlockPositions(own, isCausal ? own : new int[length], new int[length]);
        Arrays.fill(block.segments, Row.PADDING);
        int at = 0;
        for (int r = 0; r < rows.size(); r++) {
            int[] positions = rows.get(r).positions();
            for (int place : places.get(r)) {
                if (place < positions.length) {
                    block.positions[at] = positions[place];
                    block.sees[at] = mask.last(positions[place]);
                    block.segments[at] = segments.get(r)[place];
                }
                at++;
            }
        }
        return block;
    }

    /** Numbers all rows' documents 0.. in order of appearance; padding stays −1. */
    static List<int[]> numberSegments(List<Row> rows) {
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
}
