package org.ringworld.tokenizer.sources;

/** Takes the rows of a table in order. */
@FunctionalInterface
interface RowTaker {
    /**
     * @param bytes of its text, about
     * @param shareOfFile that is read with it
     */
    void take(Example row, long bytes, double shareOfFile);
}
