package org.ringworld.cli.qa;

import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.cli.InferenceSettings;
import org.ringworld.cli.TextModel;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;

/** A model from disk, asked by its own chat template. */
final class ModelAnswerer implements Answerer {
    private static final int MOST_TOKENS = 256;

    private final InferenceSettings on;
    private final boolean beyond;
    private final Tokenizer tokenizer;
    private final ChatTemplate template;
    private final long seed;
    private Engine engine;
    private int room;

    /**
     * @param seed of the choices, which the first attempt does not make: it is greedy
     * @param beyond whether prompts may be longer than the model's context
     */
    ModelAnswerer(Path model, long seed, boolean beyond) throws Exception {
        on = InferenceSettings.of(List.of(), model);
        this.beyond = beyond;
        TextModel opened = TextModel.open(on);
        tokenizer = opened.tokenizer();
        template = opened.template();
        this.seed = seed;
    }

    Tokenizer tokenizer() {
        return tokenizer;
    }

    @Override
    public String answer(String prompt, int attempt)
            throws InterruptedException, CheckpointException {
        int[] ids = template.encode(List.of(new ChatTemplate.Message("user", prompt)), tokenizer);
        on.checkFits(ids.length, beyond);
        Sampler sampler = new Sampler(attempt == 0 ? 0 : 0.8, 0, 0.95, 0, 1, seed + attempt);
        StringBuilder text = new StringBuilder();
        Ask ask = new Ask(ids, MOST_TOKENS, sampler, tokenizer.ends());
        try (Answer answer = engine(ids.length + MOST_TOKENS).ask(ask)) {
            Continuation.write(answer, tokenizer, tokenizer.decoder(), List.of(), text::append);
        }
        return text.toString();
    }

    /** With room for a text; questions about one text share what they begin with. */
    private Engine engine(int most) throws CheckpointException {
        if (engine == null || PageMemory.pages(most) > PageMemory.pages(room)) {
            if (engine != null) {
                engine.close();
            }
            room = 2 * most;
            engine = on.engine(room);
        }
        return engine;
    }

    @Override
    public void close() {
        if (engine != null) {
            engine.close();
        }
    }
}
