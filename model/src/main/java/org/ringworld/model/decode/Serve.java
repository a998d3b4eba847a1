package org.ringworld.model.decode;

import java.util.BitSet;
import java.util.List;
import org.ringworld.model.attention.SequencePages;

/**
 * What all ranks do in the next step, and in {@code ahead} steps in all as long as nothing newer
 * comes: texts that are read to their end get one token more in each.
 *
 * @param number counts from 1
 * @param joins texts that begin
 * @param leaves texts that are over; their pages may be another's from now on
 * @param fills what is read in the first of the steps
 * @param mirrors pages that are copied to other ranks meanwhile
 */
public record Serve(
        long number,
        List<Join> joins,
        List<Long> leaves,
        List<Fill> fills,
        List<PageDirectory.Mirror> mirrors,
        int ahead) {

    /**
     * A text begins, or is gone on with on a new ring.
     *
     * @param ids tokens that are known
     * @param pages for as many as it may come to have
     * @param held of the pages, by index, those that hold the keys and values of their tokens
     * @param written of the tokens, those that were not of the prompt
     * @param guide the text whose logits its own are told apart from; 0: none
     */
    public record Join(
            long text,
            int[] ids,
            SequencePages pages,
            BitSet held,
            int written,
            long guide,
            Ask ask) {}

    /** Keys and values of positions [from, to) of a text are to be computed. */
    public record Fill(long text, int from, int to) {}
}
