package org.ringworld.tokenizer.suites;

import org.ringworld.tokenizer.RowRandom;

/**
 * One task of a suite.
 *
 * @param answerTokens that an answer may have, as its paper says
 */
public record Task(String name, int answerTokens, Maker maker, Scorer scorer) {
    /** Makes a question. */
    interface Maker {
        /**
         * @param length tokens that it is made for; some tasks ask for more in longer ones
         * @param chars of text to hide something in, about; 0: the shortest question there is
         */
        Question make(Haystack haystack, RowRandom random, int length, int chars);
    }

    /** How right an answer is. */
    interface Scorer {
        /** From 0 to 1. */
        double score(Question question, String written);
    }

    /** How right what was written is, from 0 to 1. */
    public double score(Question question, String written) {
        return scorer.score(question, written);
    }
}
