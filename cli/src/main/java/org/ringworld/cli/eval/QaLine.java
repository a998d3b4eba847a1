package org.ringworld.cli.eval;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.suites.Scores;
import tools.jackson.databind.JsonNode;

/**
 * A question that is answered in words.
 *
 * @param context that answers it; empty: none
 * @param question with its choices
 * @param isPrompt whether a model goes on from it as it is
 * @param answers any of which is right
 */
record QaLine(String context, String question, boolean isPrompt, List<String> answers, Type type) {
    private static final Pattern YES_NO = Pattern.compile("\\b(yes|no)\\b");
    private static final Pattern LETTER = Pattern.compile("\\b[A-Z]\\b");

    /** How an answer is compared. */
    enum Type {
        EXACT,
        F1,
        YESNO,
        CHOICE;

        static Type of(String name) {
            return Arrays.stream(values())
                    .filter(type -> type.title().equals(name))
                    .findFirst()
                    .orElseThrow(
                            () ->
                                    new UsageException(
                                            "the type %s is none of exact, f1, yesno, choice"
                                                    .formatted(name)));
        }

        String title() {
            return name().toLowerCase(Locale.ROOT);
        }

        boolean isWords() {
            return this == EXACT || this == F1;
        }
    }

    /**
     * @throws UsageException saying what is wrong with it
     */
    static QaLine parse(JsonNode line) {
        String asked =
                QuestionFile.text(QuestionFile.one(line, "question", "prompt"), "the question");
        List<String> choices =
                line.hasNonNull("choices")
                        ? QuestionFile.texts(line.get("choices"), "choices")
                        : List.of();
        String name = line.path("type").asString(choices.isEmpty() ? "f1" : "choice");
        Type type = Type.of(name);
        if (line.has("context") && !line.get("context").isString()) {
            throw new UsageException("the context must be a text");
        }
        String context = line.path("context").asString("").strip();
        String question = asked + lettered(choices);
        JsonNode answer = QuestionFile.one(line, "answers", "answer");
        return new QaLine(
                context, question, line.has("prompt"), answers(answer, type, choices), type);
    }

    private static String lettered(List<String> choices) {
        return IntStream.range(0, choices.size())
                .mapToObj(i -> "\n%c. %s".formatted('A' + i, choices.get(i)))
                .collect(Collectors.joining());
    }

    private static List<String> answers(JsonNode given, Type type, List<String> choices) {
        // SQuAD's have their places too.
        JsonNode node = given.isObject() ? given.path("text") : given;
        if (type == Type.CHOICE && !choices.isEmpty()) {
            int right = ChoiceLine.right(node.isArray() ? node.path(0) : node, choices, List.of());
            return List.of(Character.toString('A' + right));
        }
        if (type == Type.YESNO && node.isBoolean()) {
            return List.of(node.booleanValue() ? "yes" : "no");
        }
        List<String> answers =
                node.isArray()
                        ? QuestionFile.texts(node, "answers")
                        : List.of(QuestionFile.text(node, "the answer"));
        boolean right =
                answers.stream()
                        .allMatch(
                                a ->
                                        switch (type) {
                                            case YESNO -> a.matches("(?i)yes|no");
                                            case CHOICE -> a.matches("[A-Z]");
                                            case EXACT, F1 -> true;
                                        });
        if (!right) {
            throw new UsageException(
                    type == Type.YESNO
                            ? "the answer must be yes or no"
                            : "the answer must be a letter, or choices a list of texts");
        }
        return answers;
    }

    /** All that is asked, as a user says it. */
    String message() {
        return context.isEmpty() ? question : context + "\n\n" + question;
    }

    /** What a model goes on from. */
    String text() {
        return isPrompt ? message() : message() + "\nAnswer:";
    }

    /** How right what was written is, from 0 to 1. */
    double score(String written) {
        return switch (type) {
            case EXACT -> Scores.exactMatch(answers, written);
            case F1 -> Scores.f1(answers, written);
            case YESNO -> first(YES_NO, written.toLowerCase(Locale.ROOT));
            case CHOICE -> first(LETTER, written);
        };
    }

    private double first(Pattern word, String written) {
        Matcher said = word.matcher(written);
        return said.find() && answers.stream().anyMatch(said.group()::equalsIgnoreCase) ? 1 : 0;
    }
}
