package org.ringworld.actors.serving;

import java.util.List;
import java.util.stream.IntStream;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.decode.PageDirectory;
import org.ringworld.model.decode.Scheduler;
import org.ringworld.model.ring.LinkAddress;

/**
 * A saved model on a ring that writes texts.
 *
 * @param model its path, one that each process of the ring reaches
 * @param saved since when it is there, milliseconds since 1970
 * @param settings {@code key=value}, a line each, as the command line's generate takes them
 * @param tokens of the model, of both modalities
 * @param ranks that it is planned for; it goes on with fewer where some are lost
 * @param capacity tokens that there is room for, of all texts together
 * @param deterministic whether a text's tokens do not depend on what is computed beside it
 * @param mirrored whether full pages lie on a second rank, of another host or process, where there
 *     is one
 */
public record ServedRing(
        String model,
        long saved,
        String settings,
        int tokens,
        int ranks,
        long capacity,
        boolean deterministic,
        boolean mirrored) {
    /** Tokens of a rank that are read at a time. */
    private static final int CHUNK = 512;

    /** Up to so many tokens a text lies on one rank. */
    private static final int SHORT = 1024;

    /** Words that ranks may have before them. */
    private static final int IN_FLIGHT = 2;

    /** Of each rank, its own and the mirrors of others. */
    int pagesOfRank() {
        return (mirrored && ranks > 1 ? 2 : 1) * planned();
    }

    /** Of each rank: a text that goes around the ring has at most one page more on some. */
    private int planned() {
        long pages = Math.ceilDiv(capacity, PageMemory.TOKENS);
        return Math.toIntExact(Math.ceilDiv(pages, ranks));
    }

    /** Of each rank: the last page of each text, and those that a chunk fills. */
    int openOfRank() {
        return Scheduler.TEXTS + PageMemory.pages(CHUNK * ranks) + 1;
    }

    /**
     * One that knows of the ring as it is planned; {@link Scheduler#restart} tells it of others.
     */
    Scheduler scheduler() {
        PageDirectory pages = pages(PageDirectory.unmirrored(ranks));
        return new Scheduler(pages, tokens, CHUNK * ranks, IN_FLIGHT, deterministic);
    }

    /** The pages of a ring whose ranks are at these places. */
    PageDirectory pages(List<LinkAddress> places) {
        return pages(
                IntStream.range(0, places.size())
                        .map(rank -> mirrored ? mirrorOf(rank, places) : PageDirectory.NO_MIRROR)
                        .toArray());
    }

    private PageDirectory pages(int[] mirrorOf) {
        return new PageDirectory(
                mirrorOf, pagesOfRank(), (long) ranks * planned(), SHORT, deterministic);
    }

    /** The next rank of another host, else of another process, else none. */
    static int mirrorOf(int rank, List<LinkAddress> places) {
        LinkAddress own = places.get(rank);
        int process = PageDirectory.NO_MIRROR;
        for (int i = 1; i < places.size(); i++) {
            int other = (rank + i) % places.size();
            LinkAddress there = places.get(other);
            if (!there.isOn(own.host())) {
                return other;
            }
            if (process < 0 && !there.process().equals(own.process())) {
                process = other;
            }
        }
        return process;
    }
}
