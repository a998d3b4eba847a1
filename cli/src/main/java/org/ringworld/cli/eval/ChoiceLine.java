package org.ringworld.cli.eval;

import java.util.List;
import org.ringworld.model.evaluation.AskedChoices;
import org.ringworld.model.training.job.UsageException;
import tools.jackson.databind.JsonNode;

/**
 * A question with choices, in the forms that data sets have: ARC's, HellaSwag's, MMLU's. A {@code
 * question} is written as {@code Question: … Answer:}, a {@code query} or {@code ctx} as it is.
 */
final class ChoiceLine {
    private ChoiceLine() {}

    /**
     * @throws UsageException saying what is wrong with it
     */
    static AskedChoices.Question parse(JsonNode line) {
        JsonNode given = QuestionFile.one(line, "choices", "endings");
        List<String> choices =
                QuestionFile.texts(given.isObject() ? given.path("text") : given, "choices")
                        .stream()
                        .map(choice -> isHellaSwag(line) ? plain(choice) : choice.strip())
                        .toList();
        if (choices.size() < 2) {
            throw new UsageException("has one choice, where at least two are needed");
        }
        JsonNode answer = QuestionFile.one(line, "answer", "label", "gold", "answerKey");
        List<String> labels =
                given.path("label").valueStream().map(label -> label.asString("")).toList();
        int right = right(answer, choices, labels);
        return new AskedChoices.Question(prompt(line), choices, right);
    }

    private static boolean isHellaSwag(JsonNode line) {
        return line.has("endings");
    }

    private static String prompt(JsonNode line) {
        String asked =
                QuestionFile.text(
                        QuestionFile.one(line, "question", "query", "ctx"), "the question");
        if (line.has("question")) {
            return "Question: %s\nAnswer:".formatted(asked.strip());
        }
        String activity = line.path("activity_label").asString("");
        String whole = activity.isBlank() ? asked : activity + ": " + asked;
        return isHellaSwag(line) ? plain(whole) : whole.stripTrailing();
    }

    /** HellaSwag's texts without their marks, as lm-evaluation-harness takes them. */
    private static String plain(String text) {
        return text.strip()
                .replace(" [title]", ". ")
                .replaceAll("\\[.*?\\]", "")
                .replace("  ", " ")
                .strip();
    }

    /** A label, a choice itself, a letter, or a number from 0. */
    static int right(JsonNode answer, List<String> choices, List<String> labels) {
        if (answer.isIntegralNumber()) {
            return inRange(answer.asInt(), answer, choices);
        }
        String text = QuestionFile.text(answer, "the answer").strip();
        int label = labels.indexOf(text);
        if (label >= 0) {
            return inRange(label, answer, choices);
        }
        if (choices.contains(text)) {
            return choices.indexOf(text);
        }
        if (text.matches("[A-Z]")) {
            return inRange(text.charAt(0) - 'A', answer, choices);
        }
        if (text.matches("\\d{1,3}")) {
            return inRange(Integer.parseInt(text), answer, choices);
        }
        throw new UsageException("the answer %s is none of the choices".formatted(answer));
    }

    private static int inRange(int right, JsonNode answer, List<String> choices) {
        if (right < 0 || right >= choices.size()) {
            throw new UsageException(
                    "the answer %s is none of the %d choices".formatted(answer, choices.size()));
        }
        return right;
    }
}
