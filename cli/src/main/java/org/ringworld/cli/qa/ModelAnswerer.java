package org.ringworld.cli.qa;

import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.cli.GenerateCommand;
import org.ringworld.cli.InferenceSettings;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Generator;
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
    private Generator generator;
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
    public String answer(String prompt, int attempt) {
        int[] ids = template.encode(List.of(new ChatTemplate.Message("user", prompt)), tokenizer);
        on.checkFits(ids.length, beyond);
        Sampler sampler = new Sampler(attempt == 0 ? 0 : 0.8, 0, 0.95, 0, 1, seed + attempt);
        StringBuilder text = new StringBuilder();
        try (Generator.Sequence sequence = open(ids)) {
            Continuation.write(
                    sequence,
                    sampler,
                    tokenizer,
                    tokenizer.decoder(),
                    MOST_TOKENS,
                    List.of(),
                    text::append);
        }
        return text.toString();
    }

    /** Questions about one text share what they begin with. */
    private Generator.Sequence open(int[] ids) {
        int most = ids.length + MOST_TOKENS;
        if (generator == null || PageMemory.pages(most) > PageMemory.pages(room)) {
            if (generator != null) {
                generator.close();
            }
            room = 2 * most;
            generator = new Generator(device, parameters, config, room);
        }
        return generator.open(ids, most);
    }

    @Override
    public void close() {
        device.close();
        files.close();
    }
}
