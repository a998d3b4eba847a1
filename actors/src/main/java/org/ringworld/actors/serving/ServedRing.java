package org.ringworld.actors.serving;

import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.decode.PageDirectory;
import org.ringworld.model.decode.Scheduler;

/**
 * A saved model on a ring that writes texts.
 *
 * @param model its path, one that each process of the ring reaches
 * @param settings {@code key=value}, a line each, as the command line's generate takes them
 * @param vocabSize of the model
 * @param ranks of the ring
 * @param capacity tokens that there is room for, of all texts together
 * @param deterministic whether a text's tokens do not depend on what is computed beside it
 */
public record ServedRing(
        String model,
        String settings,
        int vocabSize,
        int ranks,
        long capacity,
        boolean deterministic) {
    /** Tokens of a rank that are read at a time. */
    private static final int CHUNK = 512;

    /** Up to so many tokens a text lies on one rank. */
    private static final int SHORT = 1024;

    /** Words that ranks may have before them. */
    private static final int IN_FLIGHT = 2;

    /** Of each rank: a text that goes around the ring has at most one page more on some. */
    int pagesOfRank() {
        long pages = Math.ceilDiv(capacity, PageMemory.TOKENS);
        return Math.toIntExact(Math.ceilDiv(pages, ranks));
    }

    /** Of each rank: the last page of each text, and those that a chunk fills. */
    int openOfRank() {
        return Scheduler.TEXTS + PageMemory.pages(CHUNK * ranks) + 1;
    }

    Scheduler scheduler() {
        return new Scheduler(
                deterministic
                        ? PageDirectory.fixed(ranks, pagesOfRank())
                        : new PageDirectory(ranks, pagesOfRank(), SHORT),
                vocabSize,
                CHUNK * ranks,
                IN_FLIGHT,
                deterministic);
    }
}
