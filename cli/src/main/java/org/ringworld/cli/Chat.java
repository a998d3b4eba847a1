package org.ringworld.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.chat.ChatTemplate;

/** A conversation with a model: what was said so far, by whom. */
final class Chat {
    private final TextModel model;
    private final ChatTemplate template;
    private final Limits limits;
    private final Engine engine;
    private final List<ChatTemplate.Message> said = new ArrayList<>();
    private final int first;
    private volatile Answer current;

    /**
     * @param room tokens that a conversation may have
     * @param most tokens of an answer
     * @param beyond whether it may be longer than the model's context
     */
    record Limits(int room, int most, boolean beyond) {}

    /**
     * @param system what holds for it all; null: nothing
     */
    Chat(TextModel model, Engine engine, Limits limits, String system) throws DataException {
        this.model = model;
        this.template = model.template();
        this.engine = engine;
        this.limits = limits;
        if (system != null) {
            said.add(new ChatTemplate.Message("system", system));
        }
        first = said.size();
    }

    /** What was said is forgotten, but for what holds for it all. */
    void reset() {
        said.subList(first, said.size()).clear();
    }

    /**
     * Answers; a message that cannot be answered was never said.
     *
     * @param out is given the answer as it comes
     * @throws IllegalArgumentException saying why it cannot be answered
     * @throws UsageException where it is too long for the model
     */
    Written answer(String message, Sampler sampler, List<String> stops, Consumer<String> out)
            throws InterruptedException {
        said.add(new ChatTemplate.Message("user", message));
        try {
            Written written = write(sampler, stops, out);
            // As templates join messages: with spaces of their own.
            String text = written.text().text().strip();
            said.add(new ChatTemplate.Message("assistant", text));
            return written;
        } catch (RuntimeException | InterruptedException e) {
            said.removeLast();
            throw e;
        }
    }

    private Written write(Sampler sampler, List<String> stops, Consumer<String> out)
            throws InterruptedException {
        int[] ids = template.encode(said, model.tokenizer());
        model.on().checkFits(ids.length, limits.beyond);
        int most = Math.min(limits.most, limits.room - ids.length);
        if (most < 1) {
            throw new IllegalArgumentException(
                    "the chat has %d tokens, and there is room for %d with the answer: /reset begins anew, maxTokens= gives more room"
                            .formatted(ids.length, limits.room));
        }
        Ask ask = new Ask(ids, most, sampler, model.tokenizer().ends());
        try (Answer answer = engine.ask(ask)) {
            current = answer;
            Continuation written =
                    Continuation.write(
                            answer, model.tokenizer(), model.tokenizer().decoder(), stops, out);
            return new Written(written, ids.length);
        } finally {
            current = null;
        }
    }

    /** The answer that is being written ends here. From any thread. */
    void stop() {
        Answer answer = current;
        if (answer != null) {
            answer.stop();
        }
    }
}
