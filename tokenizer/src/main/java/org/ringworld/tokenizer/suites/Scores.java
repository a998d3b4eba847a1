package org.ringworld.tokenizer.suites;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** How right an answer is, from 0 to 1, as the papers of suites and data sets say it. */
public final class Scores {
    private Scores() {}

    /** RULER's string_match_all: the part of the answers that are in what was written. */
    static double containsAll(Question question, String written) {
        return question.answers().stream()
                .mapToDouble(a -> contains(written, a))
                .average()
                .orElse(0);
    }

    /** RULER's string_match_part: whether any of the answers is in what was written. */
    static double containsAny(Question question, String written) {
        return question.answers().stream().mapToDouble(a -> contains(written, a)).max().orElse(0);
    }

    private static double contains(String written, String answer) {
        return written.toLowerCase(Locale.ROOT).contains(answer.toLowerCase(Locale.ROOT)) ? 1 : 0;
    }

    /** SQuAD's exact match (Rajpurkar et al. 2016, §6.1) with the likest of the answers. */
    public static double exactMatch(List<String> answers, String written) {
        String plain = normalized(written);
        return answers.stream().anyMatch(a -> normalized(a).equals(plain)) ? 1 : 0;
    }

    /** SQuAD's F1 over words, with the likest of the answers. */
    public static double f1(List<String> answers, String written) {
        List<String> plain = words(written);
        return answers.stream().mapToDouble(a -> f1(words(a), plain)).max().orElse(0);
    }

    private static double f1(List<String> right, List<String> written) {
        if (right.isEmpty() || written.isEmpty()) {
            // Nothing is right where nothing was to be said.
            return right.equals(written) ? 1 : 0;
        }
        Map<String, Integer> left = new HashMap<>();
        right.forEach(word -> left.merge(word, 1, Integer::sum));
        int common = 0;
        for (String word : written) {
            if (left.merge(word, -1, Integer::sum) >= 0) {
                common++;
            }
        }
        // 2 / (1 / precision + 1 / recall)
        return 2.0 * common / (right.size() + written.size());
    }

    private static List<String> words(String text) {
        String plain = normalized(text);
        return plain.isEmpty() ? List.of() : Arrays.asList(plain.split(" "));
    }

    /** As SQuAD compares: lower case, without punctuation, articles and double spaces. */
    static String normalized(String text) {
        return text.toLowerCase(Locale.ROOT)
                .replaceAll("\\p{Punct}", "")
                .replaceAll("\\b(a|an|the)\\b", " ")
                .replaceAll("\\s+", " ")
                .strip();
    }
}
