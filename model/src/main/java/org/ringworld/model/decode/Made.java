package org.ringworld.model.decode;

import java.util.Arrays;
import java.util.List;

/**
 * What a step came to, told by a rank: the first one tells of tokens, any of its part of scores.
 *
 * @param serve number of the {@link Serve} in force
 * @param left steps that it still allows
 * @param seconds that the step took
 */
public record Made(
        int rank, long serve, int left, List<Token> tokens, List<Scores> scores, double seconds) {

    /**
     * A token that was written.
     *
     * @param index its place among the written ones, from 0
     * @param logprob ln of the probability that the model gave it
     * @param alternatives the likeliest tokens, the likeliest first
     * @param last whether the text is over with it
     */
    public record Token(
            long text,
            int index,
            int id,
            double logprob,
            List<Alternative> alternatives,
            boolean last) {
        /** The same, of a text that somebody else has another number for. */
        public Token of(long other) {
            return new Token(other, index, id, logprob, alternatives, last);
        }
    }

    /** A token that might have been written, and ln of its probability. */
    public record Alternative(int id, double logprob) {}

    /**
     * How likely tokens of a prompt were.
     *
     * @param from position of the first of them, at least 1
     * @param logprobs ln of the probability of each after all before it
     * @param hits whether each had the greatest logit
     * @param likeliest as many tokens as are asked for at each place of the prompt, the likeliest
     *     first, one place after the other
     * @param theirs ln of the probability of each of them
     */
    public record Scores(
            long text,
            int from,
            float[] logprobs,
            boolean[] hits,
            int[] likeliest,
            float[] theirs) {
        /** Position behind the last of them. */
        public int to() {
            return from + logprobs.length;
        }

        /** The same, of a text that somebody else has another number for. */
        public Scores of(long other) {
            return new Scores(other, from, logprobs, hits, likeliest, theirs);
        }

        /** Those of positions [first, end) alone. */
        public Scores part(int first, int end) {
            int told = likeliest.length / logprobs.length;
            int a = first - from;
            int b = end - from;
            return new Scores(
                    text,
                    first,
                    Arrays.copyOfRange(logprobs, a, b),
                    Arrays.copyOfRange(hits, a, b),
                    Arrays.copyOfRange(likeliest, a * told, b * told),
                    Arrays.copyOfRange(theirs, a * told, b * told));
        }
    }
}
