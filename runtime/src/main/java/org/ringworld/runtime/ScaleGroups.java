package org.ringworld.runtime;

import java.util.Arrays;

/**
 * Which elements of an I8 tensor share a scale: it is the greatest magnitude among them over 127,
 * and each stands for its integer, −127 to 127, times the scale. Of a matrix [N,K] it is a row; of
 * pages [.,T,G,D] all that one page has of one head, its keys apart from its values.
 *
 * @param blocks rows of a matrix; or pages times two, their keys and their values
 * @param rows of a block: 1, or T
 * @param heads groups of a block, which lie side by side in its rows: 1, or G
 * @param run elements of a group in a row: K, or D
 */
public record ScaleGroups(long blocks, int rows, int heads, int run) {
    /**
     * @throws IllegalArgumentException for a shape that is neither a matrix's nor that of pages
     */
    public static ScaleGroups of(long... shape) {
        int axes = shape.length;
        if (axes == 2) {
            return new ScaleGroups(shape[0], 1, 1, Math.toIntExact(shape[1]));
        }
        if (axes < 4) {
            throw new IllegalArgumentException(
                    "I8 is for matrices and pages, not for " + Arrays.toString(shape));
        }
        return new ScaleGroups(
                Tensor.count(Arrays.copyOf(shape, axes - 3)),
                Math.toIntExact(shape[axes - 3]),
                Math.toIntExact(shape[axes - 2]),
                Math.toIntExact(shape[axes - 1]));
    }

    /** Groups of all blocks. */
    public long count() {
        return blocks * heads;
    }

    /** The shape of the scales of a tensor whose first axis is {@code first}: [first, .]. */
    long[] scales(long first) {
        return new long[] {first, first == 0 ? 0 : count() / first};
    }

    /** The group of an element. */
    public long of(long element) {
        return element / ((long) rows * heads * run) * heads + element / run % heads;
    }

    /** The first element of the run that a group has in a row of its block. */
    public long element(long group, int row) {
        long block = group / heads;
        return ((block * rows + row) * heads + group % heads) * run;
    }
}
