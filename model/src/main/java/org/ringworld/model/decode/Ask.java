package org.ringworld.model.decode;

import java.util.Set;

/**
 * A text to be read and gone on with.
 *
 * @param prompt its tokens, at least one
 * @param most tokens to be written after it at most; 0: it is only read
 * @param ends tokens after which it is over
 * @param alternatives how many of the likeliest tokens are told beside each one written
 * @param scores whether it is told how likely each token of the prompt was
 */
public record Ask(
        int[] prompt,
        int most,
        Sampler sampler,
        Set<Integer> ends,
        int alternatives,
        boolean scores) {

    public Ask(int[] prompt, int most, Sampler sampler, Set<Integer> ends) {
        this(prompt, most, sampler, ends, 0, false);
    }

    /** Tokens that it may come to have. */
    int longest() {
        return Math.addExact(prompt.length, most);
    }
}
