package org.ringworld.examples;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.ringworld.checkpoints.LlamaConfig;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.model.Generator;
import org.ringworld.model.ParameterStore;
import org.ringworld.model.Sampler;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;
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
            "  ringworld generate MODEL --prompt \"Once\" --temperature 0.8 --top-p 0.95 --seed 7"
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
            int[] ids = withBos(tokenizer, tokenizer.encode(prompt));
            try (Generator generator =
                    new Generator(device, parameters, config, ids.length + maxNewTokens)) {
                System.out.print(prompt);
                generate(generator, sampler, tokenizer, ids);
                System.out.println();
            }
        }
        return Ringworld.DONE;
    }

    private void generate(Generator generator, Sampler sampler, Tokenizer tokenizer, int[] ids) {
        TextDecoder decoder = tokenizer.decoder();
        float[] logits = generator.read(ids);
        for (int i = 0; i < maxNewTokens; i++) {
            int next = sampler.next(logits);
            if (next == tokenizer.eos() || next >= tokenizer.vocabSize()) {
                break;
            }
            System.out.print(decoder.next(next));
            System.out.flush();
            if (i + 1 < maxNewTokens) {
                logits = generator.read(new int[] {next});
            }
        }
        System.out.print(decoder.finish());
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
