package org.ringworld.tokenizer.suites;

import java.util.function.Function;
import org.ringworld.tokenizer.RowRandom;
import org.ringworld.tokenizer.Tokenizer;

/** A question in tokens, after which {@code most} may be written. */
public record Prompt(Question question, int[] ids, int most) {
    private static final int ATTEMPTS = 24;
    private static final double NEARLY = 0.97;
    private static final double AIM = 0.985;
    private static final int MOST_CHARS = 1 << 29;

    /**
     * What questions are made of. The same one gives the same question of a task, length and
     * number, whenever it is asked.
     *
     * @param encode a question's tokens, as it will be asked
     */
    public record Source(
            Haystack haystack, Tokenizer tokenizer, Function<Question, int[]> encode, long seed) {
        private Prompt prompt(Task task, int length, int made, int number, int chars) {
            RowRandom random = RowRandom.of(task.name().hashCode(), seed, length, number);
            Question question = task.maker().make(haystack, random, made, chars);
            int right = tokenizer.encode(String.join(", ", question.answers())).length;
            // Where tokens are short, the right answer still fits, and some words around it.
            int most = Math.max(task.answerTokens(), right + right / 4 + 8);
            return new Prompt(question, encode.apply(question), most);
        }
    }

    /**
     * A question that fills a length: with its answer it has at most so many tokens, and nearly as
     * many (97 % of what the answer leaves).
     *
     * @throws IllegalArgumentException where the shortest is longer
     */
    public static Prompt fill(Task task, Source source, int length, int number) {
        int made = length;
        Prompt shortest = source.prompt(task, length, made, number, 0);
        // Where tokens are short, what is asked for in so many of them may not fit.
        while (shortest.left(length) < 0 && made > 1) {
            made /= 2;
            shortest = source.prompt(task, length, made, number, 0);
        }
        if (shortest.left(length) < 0) {
            throw new IllegalArgumentException(
                    "%s takes at least %d tokens of %s, more than a length of %d: take a longer one, or leave the task out"
                            .formatted(
                                    task.name(),
                                    length - shortest.left(length),
                                    source.tokenizer,
                                    length));
        }
        return filled(task, source, length, made, number, shortest);
    }

    /** Tries out how many characters of text the length takes. */
    private static Prompt filled(
            Task task, Source source, int length, int made, int number, Prompt shortest) {
        Prompt best = shortest;
        int low = 0;
        int high = MOST_CHARS;
        // One character a token at first, as bytes are; then what it was found to be.
        long chars = shortest.left(length);
        for (int attempt = 0; attempt < ATTEMPTS && !best.fills(length); attempt++) {
            int tried = (int) (chars > low && chars < high ? chars : low + (high - low) / 2);
            Prompt next = source.prompt(task, length, made, number, tried);
            if (next.left(length) >= 0) {
                best = next;
                low = tried;
            } else {
                high = tried;
            }
            double wanted = AIM * (length - next.most) - shortest.ids.length;
            int grown = Math.max(1, next.ids.length - shortest.ids.length);
            chars = Math.round(tried * wanted / grown);
        }
        return best;
    }

    /**
     * A right answer, as it goes on from the question: of several all that count, else the first.
     *
     * @param task of the question
     */
    public int[] answer(Task task, Tokenizer tokenizer) {
        String first = question.answers().getFirst();
        boolean isEnough = task.score(question, first) == 1;
        String right = isEnough ? first : String.join(", ", question.answers());
        String text = question.text();
        boolean isApart =
                tokenizer.addsSpace() || Character.isWhitespace(text.charAt(text.length() - 1));
        return tokenizer.encode(isApart ? right : " " + right);
    }

    /** Tokens by which it and its answer are shorter than a length. */
    private int left(int length) {
        return length - most - ids.length;
    }

    private boolean fills(int length) {
        return ids.length >= NEARLY * (length - most);
    }
}
