package org.ringworld.model.decode;

import java.util.List;
import java.util.stream.IntStream;

/**
 * What an engine is busy with.
 *
 * @param epoch of its ring; 0: it has none
 * @param running texts that are read or written
 * @param waiting texts whose turn has not come
 * @param ranks of its ring
 * @param read tokens of prompts that it has read, without those that were read before
 * @param written tokens that it has written
 * @param recoveredPages that texts found again on another ring than the one they began on
 * @param recomputedTokens that such texts had been read to, and that were read again
 */
public record Load(
        long epoch,
        int running,
        int waiting,
        List<Rank> ranks,
        long read,
        long written,
        long recoveredPages,
        long recomputedTokens) {
    /** Of an engine that does not say. */
    public static final Load UNKNOWN = new Load(0, 0, 0, List.of(), 0, 0, 0, 0);

    /**
     * A rank's memory.
     *
     * @param device that it is; empty: the only one
     * @param pages that there is room for
     * @param used of these, pages of texts that are read or written
     * @param kept of the others, pages of earlier texts that some may begin with, and mirrors
     */
    public record Rank(String device, int pages, int used, int kept) {}

    /** The same of a ring of these devices, in the order of its ranks. */
    public Load of(long ringEpoch, List<String> devices) {
        List<Rank> named =
                IntStream.range(0, ranks.size())
                        .mapToObj(
                                i ->
                                        new Rank(
                                                devices.get(i),
                                                ranks.get(i).pages,
                                                ranks.get(i).used,
                                                ranks.get(i).kept))
                        .toList();
        return new Load(
                ringEpoch,
                running,
                waiting,
                named,
                read,
                written,
                recoveredPages,
                recomputedTokens);
    }
}
