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
 * hidden in prose, and at the end some are asked for, plainly or as LWM's evaluation asks a chat.
 * Documents of bytes fill their row exactly, those of other tokens nearly. Digits of answers, and
 * cities that an answer names, weigh 1, all other text 0.1.
 *
 * <p>Tests use cities, numbers and prose that training never shows.
 */
public final class NeedleTask implements RowStream {
    /** Cities of the test, in no training document. */
    public static final List<String> HELD_OUT_CITIES = Needle.HELD_OUT_CITIES;

    private static final String HIDDEN = "\nThe special magic %s number is: %s\n";
    private static final long TEST = 0x7e57;

    /** Names this task's random numbers, so that other tasks have others. */
    private static final long NAME = "needles".hashCode();

    private final Form form;
    private final long seed;
    private final int stage;
    private final Tokenizer tokenizer;

    public NeedleTask(Form form, long seed, int stage, Tokenizer tokenizer) {
        this.form = form;
        this.seed = seed;
        this.stage = stage;
        this.tokenizer = tokenizer;
    }

    /** How a document asks. */
    public enum Form {
        /** A question a line, with its answer behind it. */
        PLAIN("", "\nWhat is the special magic %s number? ", "", false, 0),
        /**
         * LWM's template for single needles (scripts/eval_needle.py); more are asked in turns. The
         * answer is a sentence: so far behind a question its city is more easily said again than
         * kept in mind.
         */
        CHAT(
                "You are a helpful assistant. USER: ",
                " What is the special magic %s number? Don't give information outside the document"
                        + " or repeat your findings. Keep your response short and direct."
                        + " ASSISTANT: ",
                " USER:",
                true,
                256);

        private static final int SHORTEST_ROW = 128;

        /** A needle's sentence with the plain question and some prose. */
        private static final int BYTES_OF_A_NEEDLE = 64;

        private final String begin;
        private final String question;
        private final String between;
        private final boolean inSentences;
        private final int around;

        /**
         * @param around bytes of the template, about
         */
        Form(String begin, String question, String between, boolean inSentences, int around) {
            this.begin = begin;
            this.question = question;
            this.between = between;
            this.inSentences = inSentences;
            this.around = around;
        }

        private int shortestRow() {
            return around + SHORTEST_ROW;
        }

        /** The shortest row to test so many needles in; shorter ones hide fewer. */
        public int shortestTest(int needles) {
            return around + Math.max(SHORTEST_ROW, needles * BYTES_OF_A_NEEDLE);
        }

        private String question(Needle needle) {
            return question.formatted(needle.city());
        }

        private String answer(Needle needle) {
            return inSentences ? hidden(needle).strip() : needle.number();
        }

        private void answer(Needle needle, float textWeight, TaskDocument to) {
            if (inSentences) {
                String[] around = HIDDEN.strip().split("%s");
                to.text(around[0], textWeight)
                        .text(needle.city(), TaskDocument.ANSWER)
                        .text(around[1], textWeight);
            }
            to.text(needle.number(), TaskDocument.ANSWER);
        }

        /** Of all that is not prose. */
        private int bytes(List<Needle> needles, int asked) {
            int last = Math.min(asked, needles.size());
            int hidden = needles.stream().mapToInt(n -> hidden(n).length()).sum();
            int questions =
                    needles.subList(0, last).stream()
                            .mapToInt(n -> question(n).length() + answer(n).length())
                            .sum();
            return begin.length() + hidden + questions + (last - 1) * between.length();
        }
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
     * @throws IllegalArgumentException where seqLen is under 128, or 384 in a chat
     */
    @Override
    public List<Row> rows(long step, int seqLen, int count) {
        if (seqLen < form.shortestRow()) {
            throw new IllegalArgumentException(
                    "task = %s needs seqLen ≥ %d, not %d"
                            .formatted(
                                    form == Form.PLAIN ? "needles" : "questions",
                                    form.shortestRow(),
                                    seqLen));
        }
        return IntStream.range(0, count)
                .mapToObj(
                        i ->
                                TaskDocument.row(
                                        tokenizer,
                                        seqLen,
                                        form.shortestRow(),
                                        bytes ->
                                                training(
                                                        RowRandom.of(
                                                                NAME, seed, stage, step, seqLen, i),
                                                        bytes)))
                .toList();
    }

    private TaskDocument training(RowRandom random, int seqLen) {
        Range range = Range.of(seqLen);
        int count = random.between(range.fewest, range.most);
        List<Needle> needles = Needle.training(random, count);
        int asked = random.between(1, Math.min(count, range.mostAsked));
        while (form.bytes(needles, asked) > seqLen - 1) {
            if (asked > 1) {
                asked--;
            } else {
                needles = needles.subList(0, needles.size() - 1);
            }
        }
        return document(
                form,
                random,
                Prose.TRAINING,
                seqLen,
                needles,
                asked,
                Double.NaN,
                TaskDocument.TEXT);
    }

    /**
     * Rows to measure retrieval with: weight 1 on the digits of the answers, and on the cities that
     * they name, and 0 elsewhere. With one asked, the digits are the document's last text.
     *
     * @param asked how many of the needles are asked for
     * @param depth of the first needle that is asked, 0 (begin) to 1 (just before the question);
     *     NaN: anywhere, as all others are
     * @throws IllegalArgumentException where they do not fit in a row or are over 20
     */
    public static List<Row> test(
            Form form,
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
                                        bytes -> test(form, seed, bytes, needles, asked, depth, i)))
                .toList();
    }

    private static TaskDocument test(
            Form form, long seed, int seqLen, int count, int asked, double depth, int number) {
        RowRandom random = RowRandom.of(TEST, seed, number);
        List<Needle> needles = Needle.heldOut(random, count);
        if (form.bytes(needles, asked) > seqLen - 1) {
            throw new IllegalArgumentException(
                    "%d needles, %d asked, need %d bytes, more than a row of %d holds"
                            .formatted(count, asked, form.bytes(needles, asked) + 1, seqLen));
        }
        return document(form, random, Prose.HELD_OUT, seqLen, needles, asked, depth, 0);
    }

    /** BOS, prose with the needles between its sentences, the questions with answers, EOS. */
    private static TaskDocument document(
            Form form,
            RowRandom random,
            Prose prose,
            int seqLen,
            List<Needle> needles,
            int asked,
            double depth,
            float textWeight) {
        List<String> sentences = prose.sentences(random, seqLen - 1 - form.bytes(needles, asked));
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
        TaskDocument document = new TaskDocument().text(form.begin, textWeight);
        for (int i = 0; i <= sentences.size(); i++) {
            before.get(i).forEach(needle -> document.text(needle, textWeight));
            if (i < sentences.size()) {
                document.text(sentences.get(i), textWeight);
            }
        }
        for (int i = 0; i < asked; i++) {
            Needle needle = needles.get(i);
            document.text(i == 0 ? "" : form.between, textWeight)
                    .text(form.question(needle), textWeight);
            form.answer(needle, textWeight, document);
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

    private static String hidden(Needle needle) {
        return HIDDEN.formatted(needle.city(), needle.number());
    }
}
