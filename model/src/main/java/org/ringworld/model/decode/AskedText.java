package org.ringworld.model.decode;

import java.util.BitSet;

/** A text as the {@link Scheduler} knows it. */
final class AskedText {
    final long id;
    final Ask ask;
    final Scheduler.Listener listener;
    // The other stream of a guided one; it gets the same tokens.
    final AskedText guide;
    final BitSet scored = new BitSet();
    PageDirectory.Sequence place;
    int[] ids;
    int length;

    boolean isOver;

    /** Positions whose keys and values are there. */
    int filled;

    /** Positions that are to be read before it is gone on with. */
    int reads;

    /** Of these, those that ranks were told to read. */
    int toldTo;

    AskedText(long id, Ask ask, Scheduler.Listener listener) {
        this.id = id;
        this.ask = ask;
        this.listener = listener;
        this.ids = ask.prompt();
        this.length = ids.length;
        this.guide = ask.guidance() == null ? null : new AskedText(-id, ask.unguided(), null);
    }

    /** Whether all is told that was asked of the prompt. */
    boolean isScored() {
        return isScoredTo(ask.prompt().length - 1);
    }

    /** Whether all is told that was asked of what has been read. */
    boolean isScoredSoFar() {
        return isScoredTo(Math.min(filled, ask.prompt().length - 1));
    }

    private boolean isScoredTo(int last) {
        return !ask.scores() || scored.nextClearBit(ask.firstAsked() + 1) > last;
    }

    /** It has a token more, before which all are computed. */
    void append(int id) {
        filled = length;
        ids[length++] = id;
    }

    int written() {
        return length - ask.prompt().length;
    }

    boolean isRead() {
        return filled >= reads;
    }

    /** It joins the ranks, with what is in its pages. */
    void joins() {
        // Behind the last token of what is only scored nobody asks anything.
        boolean isScoredAlone = ask.scores() && ask.most() == 0;
        reads = isScoredAlone ? Math.max(1, length - 1) : length;
        toldTo = filled;
    }
}
