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
 * Needles in a haystack, in LWM's words (LWM, §3.3): sentences that give cities a magic number are
 * hidden in prose, and at the end some are asked for. Documents of bytes fill their row exactly,
 * those of other tokens nearly. Digits of answers weigh 1, all other text 0.1.
 *
 * <p>Tests use cities, numbers and prose that training never shows.
 */
public final class NeedleTask implements RowStream {
    /** Cities of the test, in no training document. */
    public static final List<String> HELD_OUT_CITIES = Needle.HELD_OUT_CITIES;

    private static final String HIDDEN = "\nThe special magic %s number is: %s\n";
    private static final String QUESTION = "\nWhat is the special magic %s number? ";
    private static final int SHORTEST_ROW = 128;
    private static final long TEST = 0x7e57;

    /** Names this task's random numbers, so that other tasks have others. */
    private static final long NAME = "needles".hashCode();

    private final long seed;
    private final int stage;
    private final Tokenizer tokenizer;

    public NeedleTask(long seed, int stage, Tokenizer tokenizer) {
        this.seed = seed;
        this.stage = stage;
        this.tokenizer = tokenizer;
    }

    /** How many needles a training document hides, and how many it asks for at most. */
    record Range(int fewest, int most, int mostAsked) {
        static Range of(int seqLen) {
            if (seqLen < 512) {
                return new Range(3, 3, 3);
            }
            return seqLen < 1024 ? new Range(2, 6, 4) : new Range(2, 8, 6);
        }
    }

    /**
     * One document a row: 3 needles in a row of 256, 2 to 6 in one of 512, 2 to 8 in longer ones,
     * fewer where they do not fit.
     *
     * @throws IllegalArgumentException where seqLen is under 128
     */
    @Override
    public List<Row> rows(long step, int seqLen, int count) {
        if (seqLen < SHORTEST_ROW) {
            throw new IllegalArgumentException(
                    "task = needles needs seqLen ≥ %d, not %d".formatted(SHORTEST_ROW, seqLen));
        }
        return IntStream.range(0, count)
                .mapToObj(
                        i ->
                                TaskDocument.row(
                                        tokenizer,
                                        seqLen,
                                        SHORTEST_ROW,
                                        bytes ->
                                                training(
                                                        RowRandom.of(
                                                                NAME, seed, stage, step, seqLen, i),
                                                        bytes)))
                .toList();
    }

    private static TaskDocument training(RowRandom random, int seqLen) {
        Range range = Range.of(seqLen);
        int count = random.between(range.fewest, range.most);
        List<Needle> needles = Needle.training(random, count);
        int asked = random.between(1, Math.min(count, range.mostAsked));
        while (bytes(needles, asked) > seqLen - 1) {
            if (asked > 1) {
                asked--;
            } else {
                needles = needles.subList(0, needles.size() - 1);
            }
        }
        return document(
                random, Prose.TRAINING, seqLen, needles, asked, Double.NaN, TaskDocument.TEXT);
    }

    /**
     * Rows to measure retrieval with: weight 1 on the digits of the answers and 0 elsewhere. With
     * one asked, the digits are the document's last text.
     *
     * @param asked how many of the needles are asked for
     * @param depth of the first needle that is asked, 0 (begin) to 1 (just before the question);
     *     NaN: anywhere, as all others are
     * @throws IllegalArgumentException where they do not fit in a row or are over 20
     */
    public static List<Row> test(
            Tokenizer tokenizer,
            long seed,
            int seqLen,
            int needles,
            int asked,
            double depth,
            int count) {
        if (asked < 1 || asked > needles || needles > HELD_OUT_CITIES.size()) {
            throw new IllegalArgumentException(
                    "%d of %d needles cannot be asked; there are %d cities"
                            .formatted(asked, needles, HELD_OUT_CITIES.size()));
        }
        if (depth < 0 || depth > 1) {
            throw new IllegalArgumentException("depth = " + depth + " is not in 0 to 1");
        }
        return IntStream.range(0, count)
                .mapToObj(
                        i ->
                                TaskDocument.row(
                                        tokenizer,
                                        seqLen,
                                        1,
                                        bytes -> test(seed, bytes, needles, asked, depth, i)))
                .toList();
    }

    private static TaskDocument test(
            long seed, int seqLen, int count, int asked, double depth, int number) {
        RowRandom random = RowRandom.of(TEST, seed, number);
        List<Needle> needles = Needle.heldOut(random, count);
        if (bytes(needles, asked) > seqLen - 1) {
            throw new IllegalArgumentException(
                    "%d needles, %d asked, need %d bytes, more than a row of %d holds"
                            .formatted(count, asked, bytes(needles, asked) + 1, seqLen));
        }
        return document(random, Prose.HELD_OUT, seqLen, needles, asked, depth, 0);
    }

    /** BOS, prose with the needles between its sentences, the questions with answers, EOS. */
    private static TaskDocument document(
            RowRandom random,
            Prose prose,
            int seqLen,
            List<Needle> needles,
            int asked,
            double depth,
            float textWeight) {
        List<String> sentences = prose.sentences(random, seqLen - 1 - bytes(needles, asked));
        // The first ones are asked: which those are is random already.
        List<List<String>> before = new ArrayList<>();
        for (int i = 0; i <= sentences.size(); i++) {
            before.add(new ArrayList<>());
        }
        for (int i = needles.size() - 1; i >= 0; i--) {
            boolean placed = i == 0 && !Double.isNaN(depth);
            int border = placed ? border(sentences, depth) : random.below(sentences.size() + 1);
            before.get(border).add(hidden(needles.get(i)));
        }
        TaskDocument document = new TaskDocument();
        for (int i = 0; i <= sentences.size(); i++) {
            before.get(i).forEach(needle -> document.text(needle, textWeight));
            if (i < sentences.size()) {
                document.text(sentences.get(i), textWeight);
            }
        }
        for (Needle needle : needles.subList(0, asked)) {
            document.text(question(needle), textWeight).text(needle.number(), TaskDocument.ANSWER);
        }
        return document.token(ByteTokenizer.EOS, textWeight);
    }

    /** The border between sentences that is nearest to a share of all prose. */
    private static int border(List<String> sentences, double depth) {
        int total = sentences.stream().mapToInt(String::length).sum();
        int best = 0;
        int at = 0;
        double nearest = depth * total;
        for (int i = 0; i < sentences.size(); i++) {
            at += sentences.get(i).length();
            if (Math.abs(at - depth * total) <= nearest) {
                nearest = Math.abs(at - depth * total);
                best = i + 1;
            }
        }
        return best;
    }

    private static int bytes(List<Needle> needles, int asked) {
        int hidden = needles.stream().mapToInt(n -> hidden(n).length()).sum();
        return hidden
                + needles.subList(0, Math.min(asked, needles.size())).stream()
                        .mapToInt(n -> question(n).length() + n.number().length())
                        .sum();
    }

    private static String hidden(Needle needle) {
        return HIDDEN.formatted(needle.city(), needle.number());
    }

    private static String question(Needle needle) {
        return QUESTION.formatted(needle.city());
    }
}
