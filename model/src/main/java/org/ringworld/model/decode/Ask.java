package org.ringworld.model.decode;

import java.util.Set;

/**
 * A text to be read and gone on with. Its tokens are numbers of {@link JointVocabulary}: it may
 * hold pictures.
 *
 * @param prompt its tokens, at least one
 * @param most tokens to be written after it at most; 0: it is only read
 * @param ends tokens after which it is over
 * @param alternatives how many of the likeliest tokens are told beside each one that is written or
 *     scored
 * @param scoresFrom position of the first token of the prompt of which it is told how likely it
 *     was, as of all behind it; the first that can be is 1. 0: of none
 * @param guidance null: none
 * @param frames null: it shows no pictures
 */
public record Ask(
        int[] prompt,
        int most,
        Sampler sampler,
        Set<Integer> ends,
        int alternatives,
        int scoresFrom,
        Guidance guidance,
        Frames frames) {

    /**
     * Classifier-free guidance in two streams (Ho and Salimans 2022, eq. 6; LWM, §4.3): tokens are
     * chosen by u + scale · (c − u), where c are the logits after the prompt and u those after
     * another one, which gets the same tokens.
     */
    public record Guidance(int[] prompt, double scale) {}

    public Ask(int[] prompt, int most, Sampler sampler, Set<Integer> ends) {
        this(prompt, most, sampler, ends, 0, 0, null, null);
    }

    public Ask(
            int[] prompt,
            int most,
            Sampler sampler,
            Set<Integer> ends,
            int alternatives,
            int scoresFrom) {
        this(prompt, most, sampler, ends, alternatives, scoresFrom, null, null);
    }

    /** The other stream's, which chooses nothing. */
    Ask unguided() {
        return new Ask(guidance.prompt, most, sampler, ends, 0, 0, null, frames);
    }

    /** Position of the first token of the prompt after which logits are computed. */
    int firstAsked() {
        int last = prompt.length - 1;
        return scores() ? Math.min(scoresFrom - 1, last) : last;
    }

    public boolean scores() {
        return scoresFrom > 0;
    }

    /** Tokens that it may come to have. */
    public int longest() {
        return prompt.length + most;
    }
}
