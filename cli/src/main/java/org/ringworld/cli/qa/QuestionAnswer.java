package org.ringworld.cli.qa;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/**
 * A question with its answer, as models write them: after some thinking, with labels of several
 * forms ({@code Question:}, {@code **Question:**}, {@code ## Question}, {@code 1. Q:}), the last
 * one where there are several.
 *
 * @param fault why there is none; null where there is
 */
record QuestionAnswer(String question, String answer, String fault) {
    private static final Pattern THOUGHT =
            Pattern.compile("(?is)\\A.*</(?:think|thinking|thought|reasoning)>");
    private static final Pattern THINKING =
            Pattern.compile("(?i)<(?:think|thinking|thought|reasoning)>");
    // What stands before a label in lists, headings and quotes; then the colon, or a line of its
    // own.
    private static final String BEFORE = "[ \\t>#*_\\-•]*+(?:\\d++[ \\t]*+[.)])?[ \\t*_]*+";
    private static final String COLON = "[ \\t]*+\\d*+[ \\t]*+[*_]*+[ \\t]*+[:：][ \\t]*+[*_]*+";
    private static final String ALONE = "[ \\t]*+\\d*+[ \\t*_]*+$";
    private static final Pattern QUESTION =
            Pattern.compile(
                    "(?im)^%s(?:Q(?:uestion)?%s|Question%s)".formatted(BEFORE, COLON, ALONE));
    private static final Pattern ANSWER =
            Pattern.compile(
                    "(?im)(?:^%1$s|(?<=\\W))A(?:nswer)?%2$s|^%1$sAnswer%3$s"
                            .formatted(BEFORE, COLON, ALONE));

    static QuestionAnswer none(String fault) {
        return new QuestionAnswer(null, null, fault);
    }

    static QuestionAnswer read(String said) {
        String text = THOUGHT.matcher(said).replaceFirst("");
        if (THINKING.matcher(text).find()) {
            return none("its thinking comes to no end");
        }
        if (text.isBlank()) {
            return none("it says nothing");
        }
        List<MatchResult> questions = new ArrayList<>(QUESTION.matcher(text).results().toList());
        QuestionAnswer best = none("it has no line \"Question: …\"");
        int end = text.length();
        for (MatchResult label : questions.reversed()) {
            QuestionAnswer pair = pair(text.substring(label.end(), end));
            if (pair.fault == null) {
                return pair;
            }
            best = pair;
            end = label.start();
        }
        return best;
    }

    /** What stands between the label of a question and that of the next one, or the end. */
    private static QuestionAnswer pair(String text) {
        MatchResult label = ANSWER.matcher(text).results().findFirst().orElse(null);
        if (label == null) {
            return none("its question has no line \"Answer: …\"");
        }
        String question = plain(text.substring(0, label.start()));
        String answer = plain(text.substring(label.end()));
        if (!question.matches("(?s).*[?？؟].*")) {
            return none("its question asks nothing: no question mark");
        }
        return answer.isEmpty()
                ? none("its answer is empty")
                : new QuestionAnswer(question, answer, null);
    }

    /** Without space, marks of emphasis and rules around it. */
    private static String plain(String text) {
        int from = 0;
        int to = text.length();
        while (from < to && isMark(text.charAt(from))) {
            from++;
        }
        while (to > from && isMark(text.charAt(to - 1))) {
            to--;
        }
        String plain = text.substring(from, to);
        int line = plain.lastIndexOf('\n') + 1;
        return line > 0
                        && plain.startsWith("---", line)
                        && plain.substring(line).chars().allMatch(c -> c == '-')
                ? plain(plain.substring(0, line))
                : plain;
    }

    private static boolean isMark(char c) {
        return Character.isWhitespace(c) || c == '*' || c == '_';
    }
}
