package org.ringworld.tokenizer.tasks;

import java.util.List;
import java.util.stream.IntStream;
import org.ringworld.tokenizer.RowRandom;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowStream;

/**
 * A random string, repeated to the end of the row: what an induction head is made by. The period
 * differs from row to row, so that no fixed distance does it. The first time the string weighs 0.1
 * (nobody can know it), its copies 1.
 */
public final class CopyTask implements RowStream {
    /** The 67 symbols of the strings: letters, digits and what stands between words. */
    static final String SYMBOLS =
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:\n";

    private static final int SHORTEST = 8;

    /** Names this task's random numbers, so that other tasks have others. */
    private static final long NAME = "copy".hashCode();

    private final long seed;
    private final int stage;

    private final Tokenizer tokenizer;

    public CopyTask(long seed, int stage, Tokenizer tokenizer) {
        this.seed = seed;
        this.stage = stage;
        this.tokenizer = tokenizer;
    }

    /**
     * @throws IllegalArgumentException where seqLen is under 2 × 8, too short for a copy
     */
    @Override
    public List<Row> rows(long step, int seqLen, int count) {
        if (seqLen < 2 * SHORTEST) {
            throw new IllegalArgumentException(
                    "task = copy needs seqLen ≥ %d, not %d".formatted(2 * SHORTEST, seqLen));
        }
        return IntStream.range(0, count)
                .mapToObj(
                        i ->
                                TaskDocument.row(
                                        tokenizer,
                                        seqLen,
                                        2 * SHORTEST,
                                        bytes ->
                                                document(
                                                        RowRandom.of(
                                                                NAME, seed, stage, step, seqLen, i),
                                                        bytes)))
                .toList();
    }

    private static TaskDocument document(RowRandom random, int seqLen) {
        int period = random.between(SHORTEST, seqLen / 2);
        int[] string = new int[period];
        for (int i = 0; i < period; i++) {
            string[i] = SYMBOLS.charAt(random.below(SYMBOLS.length()));
        }
        TaskDocument document = new TaskDocument();
        for (int i = 0; i < seqLen; i++) {
            document.token(
                    string[i % period], i < period ? TaskDocument.TEXT : TaskDocument.ANSWER);
        }
        return document;
    }
}
