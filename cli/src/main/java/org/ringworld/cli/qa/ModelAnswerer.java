package org.ringworld.cli.qa;

import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.cli.GenerateCommand;
import org.ringworld.cli.InferenceSettings;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.LocalEngine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.layers.MappedParameters;
import org.ringworld.model.layers.ParameterStore;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Devices;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;

/** A model from disk, asked by its own chat template. */
final class ModelAnswerer implements Answerer {
    private static final int MOST_TOKENS = 256;

    private final ModelFiles files;
    private final Device device;
    private final InferenceSettings on;
    private final boolean beyond;
    private final LlamaConfig config;
    private final ParameterStore parameters;
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
        files = on.open();
        config = on.config();
        tokenizer = GenerateCommand.tokenizer(files);
        template = ChatTemplate.load(files.directory());
        device = Devices.open(on.devices().getFirst());
        parameters = new MappedParameters(device, files, config, on.dtype());
        this.seed = seed;
    }

    Tokenizer tokenizer() {
        return tokenizer;
    }

    @Override
    public String answer(String prompt, int attempt) throws InterruptedException {
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
    private Engine engine(int most) {
        if (engine == null || PageMemory.pages(most) > PageMemory.pages(room)) {
            if (engine != null) {
                engine.close();
            }
            room = 2 * most;
            engine = new LocalEngine(device, parameters, config, room);
        }
        return engine;
    }

    @Override
    public void close() {
        if (engine != null) {
            engine.close();
        }
        device.close();
        files.close();
    }
}
