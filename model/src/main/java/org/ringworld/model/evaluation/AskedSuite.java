package org.ringworld.model.evaluation;

import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.decode.Scheduler;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;
import org.ringworld.tokenizer.suites.Haystack;
import org.ringworld.tokenizer.suites.Prompt;
import org.ringworld.tokenizer.suites.Question;
import org.ringworld.tokenizer.suites.Task;

/**
 * The questions of a suite, in the order in which they are asked: by length, task and number. They
 * are made as they are asked, since a long one takes much memory.
 *
 * @param lengths tokens of a question with its answer, each at least 1
 * @param documents questions of each task at each length
 * @param template of the chat in which it is asked; null: a text that is gone on with
 */
public record AskedSuite(
        List<Task> tasks,
        List<Integer> lengths,
        int documents,
        long seed,
        Haystack haystack,
        Tokenizer tokenizer,
        ChatTemplate template) {
    /** Tokens that wait at a time: the engine is to find its next text asked already. */
    private static final int WAITING = 1 << 20;

    /**
     * What was answered.
     *
     * @param promptTokens of the question
     * @param answers that are right
     * @param score from 0 to 1
     */
    public record Answered(
            String task,
            int length,
            int number,
            int promptTokens,
            List<String> answers,
            String written,
            double score) {}

    public int size() {
        return lengths.size() * tasks.size() * documents;
    }

    public int longest() {
        return Collections.max(lengths);
    }

    /**
     * Makes a question of each task at the shortest length.
     *
     * @throws IllegalArgumentException naming a task whose questions do not fit
     */
    public void check() {
        tasks.forEach(task -> prompt(task, Collections.min(lengths), 0));
    }

    /**
     * Asks them greedily and scores the answers.
     *
     * @param from the first that is asked; those before it are answered already
     * @throws IllegalArgumentException saying what cannot be answered
     */
    public void ask(Engine engine, int from, InOrder.Out<Answered> out) throws Exception {
        InOrder.run(from, size(), i -> window(length(i)), i -> answer(engine, i), out);
    }

    private static int window(int length) {
        return Math.clamp(WAITING / length, 2, 2 * Scheduler.TEXTS);
    }

    private int length(int index) {
        return lengths.get(index / documents / tasks.size());
    }

    private Answered answer(Engine engine, int index) throws InterruptedException {
        Task task = tasks.get(index / documents % tasks.size());
        int length = length(index);
        int number = index % documents;
        Prompt prompt = prompt(task, length, number);
        Question question = prompt.question();
        Ask ask = new Ask(prompt.ids(), prompt.most(), Sampler.GREEDY, tokenizer.ends());
        List<String> stops = template == null ? question.stops() : List.of();
        String written = Continuation.of(ask, engine, tokenizer, stops).text();
        return new Answered(
                task.name(),
                length,
                number,
                prompt.ids().length,
                question.answers(),
                written,
                task.score(question, written));
    }

    /** A question of a task, as it is asked. */
    public Prompt prompt(Task task, int length, int number) {
        Prompt.Source source = new Prompt.Source(haystack, tokenizer, this::encode, seed);
        return Prompt.fill(task, source, length, number);
    }

    private int[] encode(Question question) {
        if (template == null) {
            return tokenizer.prompt(question.text());
        }
        int[] chat = template.encode(question.messages(), tokenizer);
        if (question.begin().isEmpty()) {
            return chat;
        }
        // The assistant's turn has begun with these words.
        String begin = tokenizer.addsSpace() ? question.begin().stripLeading() : question.begin();
        return IntStream.concat(IntStream.of(chat), IntStream.of(tokenizer.encode(begin)))
                .toArray();
    }
}
