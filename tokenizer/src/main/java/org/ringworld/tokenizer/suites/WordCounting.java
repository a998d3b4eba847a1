package org.ringworld.tokenizer.suites;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ringworld.tokenizer.RowRandom;

/**
 * RULER's aggregation: cwe, the ten words of a list that are in it more often than all others, and
 * fwe, the three most frequent words of a text whose words are as frequent as ζ says.
 */
final class WordCounting {
    private static final int COMMON = 10;
    private static final int FREQUENT = 3;
    private static final double ALPHA = 2;
    private static final double ZETA = Math.PI * Math.PI / 6;
    private static final int LETTERS = 6;

    /** From this length on there are more copies of each word. */
    private static final int LONG = 4096;

    private static final int FEWEST_OTHERS = 5;

    /** With fewer, the third word would be no more frequent than the fourth. */
    private static final int FEWEST_WORDS = 80;

    private static final String COMMON_ASKED =
            """
            Below is a numbered list of words. In these words, some appear more often than others. Memorize the ones that appear most often.
            %s
            Question: What are the 10 most common words in the above list?""";
    private static final String COMMON_BEGIN =
            " Answer: The top 10 words that appear most often in the list are:";

    private static final String FREQUENT_ASKED =
            "Read the following coded text and track the frequency of each coded word. Find the three most frequently appeared coded words. %s\nQuestion: Do not provide any explanation. Please ignore the dots '....'. What are the three most frequently appeared words in the above coded text?";
    private static final String FREQUENT_BEGIN =
            " Answer: According to the coded text above, the three most frequently appeared words are:";

    static final List<Task> TASKS =
            List.of(
                    new Task("cwe", 120, WordCounting::common, Scores::containsAll),
                    new Task(
                            "fwe",
                            50,
                            (_, random, length, chars) -> frequent(random, length, chars),
                            Scores::containsAll));

    private WordCounting() {}

    /** How often words are in a list: the ten, and all others. */
    private record Copies(int common, int other) {}

    private static Question common(Haystack haystack, RowRandom random, int length, int chars) {
        boolean isLong = length >= LONG;
        Copies copies = isLong ? new Copies(30, 3) : new Copies(6, 1);
        Copies fewer = isLong ? new Copies(10, 3) : new Copies(3, 1);
        int others = chars / (copies.other * "12345. another ".length());
        int shown = isLong ? 30 : 10;
        List<String> words =
                haystack.words(random, 2 * COMMON + shown + Math.max(FEWEST_OTHERS, others));
        Question example = list(random, words.subList(0, COMMON + shown), fewer);
        Question asked = list(random, words.subList(COMMON + shown, words.size()), copies);
        String solved = example.text() + " " + numbered(example.answers()) + "\n";
        return Question.of(
                solved + asked.messages().getFirst().content(), asked.begin(), asked.answers());
    }

    private static Question list(RowRandom random, List<String> words, Copies copies) {
        List<String> common = words.subList(0, COMMON);
        List<String> all = new ArrayList<>();
        common.forEach(word -> all.addAll(Collections.nCopies(copies.common, word)));
        words.subList(COMMON, words.size())
                .forEach(word -> all.addAll(Collections.nCopies(copies.other, word)));
        String context = numbered(Words.shuffled(all, random));
        return Question.of(COMMON_ASKED.formatted(context), COMMON_BEGIN, common);
    }

    private static String numbered(List<String> words) {
        return IntStream.range(0, words.size())
                .mapToObj(i -> i + 1 + ". " + words.get(i))
                .collect(Collectors.joining(" "));
    }

    private static Question frequent(RowRandom random, int length, int chars) {
        List<String> words =
                new ArrayList<>(
                        Words.different(
                                Math.max(COMMON, length / 50),
                                () -> Words.letters(random, 'a', LETTERS)));
        // The most frequent of all is none: dots.
        words.set(0, "...");
        double count = Math.max(FEWEST_WORDS, chars / (LETTERS + 1));
        List<String> all = new ArrayList<>();
        for (int rank = 1; rank <= words.size(); rank++) {
            int copies = (int) (count / (Math.pow(rank, ALPHA) * ZETA));
            all.addAll(Collections.nCopies(copies, words.get(rank - 1)));
        }
        String context = String.join(" ", Words.shuffled(all, random));
        return Question.of(
                FREQUENT_ASKED.formatted(context), FREQUENT_BEGIN, words.subList(1, FREQUENT + 1));
    }
}
