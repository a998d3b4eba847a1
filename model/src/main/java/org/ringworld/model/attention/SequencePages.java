package org.ringworld.model.attention;

import java.util.stream.IntStream;

/**
 * Where the keys and values of a sequence lie: page i holds its positions from i · {@link
 * PageMemory#TOKENS} on.
 *
 * @param ranks that have the pages, in order
 * @param numbers of the pages in the memory of those ranks
 */
public record SequencePages(int[] ranks, int[] numbers) {

    /** The rank that has the page of a position. */
    public int rank(int position) {
        return ranks[position / PageMemory.TOKENS];
    }

    /** The number of the page of a position. */
    int number(int position) {
        return numbers[position / PageMemory.TOKENS];
    }

    /** Numbers of a rank's pages that hold positions below {@code end}, in order. */
    public int[] of(int rank, int end) {
        return IntStream.range(0, PageMemory.pages(end))
                .filter(i -> ranks[i] == rank)
                .map(i -> numbers[i])
                .toArray();
    }

    /** Whether positions below {@code end} lie on more than one rank. */
    boolean isWide(int end) {
        return IntStream.range(0, PageMemory.pages(end)).anyMatch(i -> ranks[i] != ranks[0]);
    }
}
