package org.ringworld.tokenizer.tasks;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.RowRandom;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowStream;

/**
 * Needles that are all asked by repeating what stands before the number, without a question: the
 * step between copying and {@link NeedleTask}. One document has one separator between key and
 * number, a suffix of {@code " number is: "} of random length, and perhaps a prefix: what a model
 * must look back over grows from a byte to twelve.
 */
public final class SeparatorTask implements RowStream {
    private static final String PREFIX = "The special magic ";
    private static final String SEPARATOR = " number is: ";
    private static final int SHORTEST_ROW = 128;

    /** Names this task's random numbers, so that other tasks have others. */
    private static final long NAME = "separators".hashCode();

    private final long seed;
    private final int stage;

    private final Tokenizer tokenizer;

    public SeparatorTask(long seed, int stage, Tokenizer tokenizer) {
        this.seed = seed;
        this.stage = stage;
        this.tokenizer = tokenizer;
    }

    /**
     * @throws IllegalArgumentException where seqLen is under 128: two needles may not fit
     */
    @Override
    public List<Row> rows(long step, int seqLen, int count) {
        if (seqLen < SHORTEST_ROW) {
            throw new IllegalArgumentException(
                    "task = separators needs seqLen ≥ %d, not %d".formatted(SHORTEST_ROW, seqLen));
        }
        return IntStream.range(0, count)
                .mapToObj(
                        i ->
                                TaskDocument.row(
                                        tokenizer,
                                        seqLen,
                                        SHORTEST_ROW,
                                        bytes ->
                                                document(
                                                        RowRandom.of(
                                                                NAME, seed, stage, step, seqLen, i),
                                                        bytes)))
                .toList();
    }

    private static TaskDocument document(RowRandom random, int seqLen) {
        String prefix = random.below(2) == 0 ? PREFIX : "";
        String separator = SEPARATOR.substring(random.below(SEPARATOR.length()));
        int fixed = prefix.length() + separator.length() + 7 + 1;
        List<Needle> needles = new ArrayList<>(Needle.training(random, random.between(3, 6)));
        int room = seqLen - 1;
        while (bytes(needles, fixed) > room) {
            needles.removeLast();
        }
        TaskDocument document = new TaskDocument();
        List<String> prose = Prose.TRAINING.sentences(random, room - bytes(needles, fixed));
        prose.forEach(sentence -> document.text(sentence, TaskDocument.TEXT));
        for (Needle needle : needles) {
            document.text(
                    prefix + needle.city() + separator + needle.number() + "\n", TaskDocument.TEXT);
        }
        while (!needles.isEmpty()) {
            Needle asked = needles.remove(random.below(needles.size()));
            document.text(prefix + asked.city() + separator, TaskDocument.TEXT)
                    .text(asked.number(), TaskDocument.ANSWER)
                    .text("\n", TaskDocument.TEXT);
        }
        return document.token(ByteTokenizer.EOS, TaskDocument.TEXT);
    }

    /** Every needle is there twice. */
    private static int bytes(List<Needle> needles, int fixed) {
        return needles.stream().mapToInt(n -> 2 * (n.city().length() + fixed)).sum();
    }
}
