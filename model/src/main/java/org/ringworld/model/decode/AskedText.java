package org.ringworld.model.decode;

import java.util.Arrays;
import java.util.BitSet;

/** A text as the {@link Scheduler} knows it. */
final class AskedText {
    final long id;
    final Ask ask;
    final Scheduler.Listener listener;
    // The other stream of a guided one; it gets the same tokens.
    final AskedText guide;
    final BitSet scored = new BitSet();
    final PageKey.Chain keys = new PageKey.Chain();
    PageDirectory.Sequence place;
    int[] ids;
    int length;

    boolean hasBegun;
    boolean isOver;

    /** Positions whose keys and values are there. */
    int filled;

    /** Positions whose keys and values were there on another ring; 0: it has been on none. */
    int wasRead;

    /** Positions that are to be read before it is gone on with. */
    int reads;

    /** Of these, those that were not there when it joined. */
    int lacked;

    /** Of these, those that ranks were told to read. */
    int toldTo;

    /**
     * @param written tokens that it has been given before
     */
    AskedText(long id, Ask ask, int[] written, Scheduler.Listener listener) {
        this.id = id;
        this.ask = ask;
        this.listener = listener;
        this.length = ask.prompt().length + written.length;
        this.ids = Arrays.copyOf(ask.prompt(), length);
        System.arraycopy(written, 0, ids, ask.prompt().length, written.length);
        this.wasRead = written.length == 0 ? 0 : length - 1;
        this.guide =
                ask.guidance() == null ? null : new AskedText(-id, ask.unguided(), written, null);
    }

    /** Its tokens up to the first after which logits are computed, known or not. */
    int[] begin() {
        int first = length - 1;
        if (!isScored()) {
            first = scored.nextClearBit(ask.firstAsked() + 1) - 1;
        }
        return Arrays.copyOf(ids, first + 1);
    }

    /** Whether all is told that was asked of the prompt. */
    boolean isScored() {
        int last = ask.prompt().length - 1;
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

    /** Positions that ranks are to be told to read, those of its guide among them. */
    int unread() {
        return reads - toldTo + (guide == null ? 0 : guide.unread());
    }

    /** It joins the ranks, with what is in its pages. */
    void joins(PageDirectory.Sequence in) {
        place = in;
        ids = Arrays.copyOf(ids, ask.longest());
        filled = in.missing(0);
        // Behind the last token of what is only scored nobody asks anything.
        boolean isScoredAlone = ask.scores() && ask.most() == 0;
        reads = isScoredAlone ? Math.max(1, length - 1) : length;
        toldTo = filled;
        lacked = reads - filled;
    }
}
