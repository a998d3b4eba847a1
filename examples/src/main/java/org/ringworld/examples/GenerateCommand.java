package org.ringworld.examples;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import org.ringworld.checkpoints.LlamaConfig;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.model.Generator;
import org.ringworld.model.ParameterStore;
import org.ringworld.model.Sampler;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.ChatTemplate;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.TextDecoder;
import org.ringworld.tokenizer.Tokenizer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Writes on from a prompt. */
@Command(
        name = "generate",
        description = "Generate text from a model, streaming.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        footer = {
            "",
            "Examples:",
            "  ringworld generate runs/needles --prompt \"The special magic \"",
            "  ringworld generate MODEL --prompt \"Once\" --temperature 0.8 --top-p 0.95 --seed 7",
            "  ringworld generate MODEL --chat --prompt \"Who hid the letter?\""
        })
final class GenerateCommand implements Callable<Integer> {
    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "A model directory or file, or a run.")
    private Path model;

    @Parameters(
            index = "1..*",
            arity = "0..*",
            paramLabel = "key=value",
            description = "dtype, device.threads, model.ropeTheta.")
    private List<String> settings = List.of();

    @Option(names = "--prompt", required = true, description = "What to go on from.")
    private String prompt;

    @Option(
            names = "--chat",
            description =
                    "The prompt is what a user says: ask with the model's chat template, or LWM's.")
    private boolean chat;

    @Option(
            names = "--max-new-tokens",
            defaultValue = "128",
            description = "Stop after so many, or at the end of the text.")
    private int maxNewTokens;

    @Option(names = "--temperature", defaultValue = "0", description = "0 is greedy.")
    private double temperature;

    @Option(names = "--top-k", defaultValue = "0", description = "Only the k likeliest; 0: all.")
    private int topK;

    @Option(
            names = "--top-p",
            defaultValue = "1",
            description = "Only the likeliest that reach probability p together.")
    private double topP;

    @Option(names = "--seed", defaultValue = "1", description = "Of the choices.")
    private long seed;

    @Override
    public Integer call() throws Exception {
        if (maxNewTokens < 1) {
            throw new UsageException("--max-new-tokens " + maxNewTokens + " must be at least 1");
        }
        Sampler sampler = new Sampler(temperature, topK, topP, seed);
        InferenceSettings on = InferenceSettings.of(settings, model);
        try (ModelFiles files = on.open();
                Device device = new CpuDevice(on.threads())) {
            LlamaConfig config = on.config();
            Tokenizer tokenizer = tokenizer(files);
            ParameterStore parameters = new ParameterStore(device, config, on.dtype(), false);
            parameters.load(files);
            TextDecoder decoder = tokenizer.decoder();
            int[] ids = chat ? ask(tokenizer, files.directory()) : goOn(tokenizer, decoder);
            try (Generator generator =
                    new Generator(device, parameters, config, ids.length + maxNewTokens)) {
                write(
                        generator,
                        sampler,
                        tokenizer,
                        decoder,
                        ids,
                        maxNewTokens,
                        GenerateCommand::show);
                System.out.println();
            }
        }
        return Ringworld.DONE;
    }

    private static void show(String text) {
        System.out.print(text);
        System.out.flush();
    }

    /** The prompt's tokens; the decoder has heard them, so that a space after them is not lost. */
    private int[] goOn(Tokenizer tokenizer, TextDecoder decoder) {
        int[] ids = withBos(tokenizer, tokenizer.encode(prompt));
        for (int id : ids) {
            decoder.next(id);
        }
        System.out.print(prompt);
        return ids;
    }

    /** The tokens of a chat; what is answered is a text of its own. */
    private int[] ask(Tokenizer tokenizer, Path directory) throws DataException {
        return ChatTemplate.load(directory)
                .encode(List.of(new ChatTemplate.Message("user", prompt)), tokenizer);
    }

    /** Goes on after {@code ids} to the end of the text or for {@code most} tokens. */
    static void write(
            Generator generator,
            Sampler sampler,
            Tokenizer tokenizer,
            TextDecoder decoder,
            int[] ids,
            int most,
            Consumer<String> out) {
        float[] logits = generator.read(ids);
        for (int i = 0; i < most; i++) {
            int next = sampler.next(logits);
            if (next == tokenizer.eos() || next >= tokenizer.vocabSize()) {
                break;
            }
            out.accept(decoder.next(next));
            if (i + 1 < most) {
                logits = generator.read(new int[] {next});
            }
        }
        out.accept(decoder.finish());
    }

    /** The model's own tokenizer; one that the vocabulary does not hold is refused. */
    static Tokenizer tokenizer(ModelFiles files) throws Exception {
        Tokenizer tokenizer = Tokenizer.load(files.directory());
        if (tokenizer.vocabSize() > files.config().vocabSize()) {
            throw new UsageException(
                    "%s: its tokenizer has %d tokens, the model only %d"
                            .formatted(
                                    files.directory(),
                                    tokenizer.vocabSize(),
                                    files.config().vocabSize()));
        }
        return tokenizer;
    }

    private static int[] withBos(Tokenizer tokenizer, int[] ids) {
        int[] with = new int[ids.length + 1];
        with[0] = tokenizer.bos();
        System.arraycopy(ids, 0, with, 1, ids.length);
        return with;
    }
}
