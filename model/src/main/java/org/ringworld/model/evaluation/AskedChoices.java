package org.ringworld.model.evaluation;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.decode.Scheduler;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.Utf8;

/**
 * Multiple choice by likelihood, as lm-evaluation-harness scores it: of the choices, each written
 * after the question and a space, the model chooses the likeliest, as a whole (acc) or for each of
 * its bytes (acc_norm). Nothing is generated, and the pages that choices of a question begin with
 * in common are read once.
 */
public final class AskedChoices {
    private AskedChoices() {}

    /**
     * @param prompt all that stands before a choice, without the space; not empty
     * @param right the number of the right choice, from 0
     */
    public record Question(String prompt, List<String> choices, int right) {}

    /**
     * @param logprobs ln p of each choice after its question
     * @param chosen the likeliest choice
     * @param chosenByByte the one with the likeliest bytes
     */
    public record Chosen(int right, List<Double> logprobs, int chosen, int chosenByByte) {}

    /** A question whose choices are being scored. */
    private record Open(Question question, List<Answer> answers) {}

    /** The tokens of a question with one of its choices. */
    public static int[] ids(Question question, String choice, Tokenizer tokenizer) {
        return tokenizer.prompt(question.prompt + " " + choice);
    }

    /**
     * @param out is told each question's, in order
     * @throws IllegalArgumentException saying what cannot be scored
     */
    public static void evaluate(
            Engine engine, List<Question> questions, Tokenizer tokenizer, Consumer<Chosen> out)
            throws InterruptedException {
        Deque<Open> open = new ArrayDeque<>();
        for (Question question : questions) {
            open.add(ask(engine, question, tokenizer));
            if (open.size() == Scheduler.TEXTS) {
                out.accept(chosen(open.remove()));
            }
        }
        while (!open.isEmpty()) {
            out.accept(chosen(open.remove()));
        }
    }

    private static Open ask(Engine engine, Question question, Tokenizer tokenizer) {
        int prompt = tokenizer.prompt(question.prompt).length;
        List<Answer> answers = new ArrayList<>();
        for (String choice : question.choices) {
            int[] ids = ids(question, choice, tokenizer);
            // A tokenizer may join the end of the prompt with the choice.
            int from = Math.clamp(prompt, 1, ids.length - 1);
            answers.add(engine.ask(new Ask(ids, 0, Sampler.GREEDY, Set.of(), 0, from)));
        }
        return new Open(question, answers);
    }

    private static Chosen chosen(Open open) throws InterruptedException {
        List<Double> logprobs = new ArrayList<>();
        for (Answer answer : open.answers) {
            try (answer) {
                answer.next();
                double sum = 0;
                for (float score : answer.scores()) {
                    // Of the question nothing is told.
                    sum += Float.isNaN(score) ? 0 : score;
                }
                logprobs.add(sum);
            }
        }
        List<Double> byByte =
                IntStream.range(0, logprobs.size())
                        .mapToObj(
                                i ->
                                        logprobs.get(i)
                                                / Utf8.bytes(open.question.choices.get(i)).length)
                        .toList();
        return new Chosen(open.question.right, logprobs, greatest(logprobs), greatest(byByte));
    }

    /** The first of the greatest. */
    private static int greatest(List<Double> values) {
        int best = 0;
        for (int i = 1; i < values.size(); i++) {
            best = values.get(i) > values.get(best) ? i : best;
        }
        return best;
    }
}
