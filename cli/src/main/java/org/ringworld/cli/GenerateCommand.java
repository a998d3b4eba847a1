package org.ringworld.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.ringworld.actors.Faults;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Generator;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.layers.MappedParameters;
import org.ringworld.model.layers.ParameterStore;
import org.ringworld.model.training.job.KeyValue;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Devices;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.TextDecoder;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

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
            "  ringworld generate MODEL --chat --prompt \"Who hid the letter?\" --system \"Be brief.\"",
            "  ringworld generate MODEL --prompt-file book.txt --stop \"Chapter\" --json"
        })
public final class GenerateCommand implements Callable<Integer> {
    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "A model directory or file, or a run.")
    private Path model;

    @Parameters(
            index = "1..*",
            arity = "0..*",
            paramLabel = "key=value",
            description =
                    "dtype, device.threads, devices (of which the first is used), model.ropeTheta; - : the prompt is standard input.")
    private List<String> settings = List.of();

    @Option(names = "--prompt", description = "What to go on from.")
    private String prompt;

    @Option(
            names = "--prompt-file",
            paramLabel = "FILE",
            description =
                    "What to go on from is in this file, in UTF-8, less its last line's end; - is standard input.")
    private String promptFile;

    @Option(
            names = "--chat",
            description =
                    "The prompt is what a user says: ask with the model's chat template, or LWM's.")
    private boolean chat;

    @Option(
            names = "--system",
            paramLabel = "TEXT",
            description = "With --chat: what holds for it.")
    private String system;

    @Option(
            names = "--stop",
            paramLabel = "TEXT",
            description =
                    "Stop before this text, which is not printed; may be given several times.")
    private List<String> stops = List.of();

    @Option(names = "--beyond", description = "Take a prompt longer than the model's context.")
    private boolean beyond;

    @Option(
            names = "--json",
            description = "Print one object at the end: text, ids, logprobs, usage and seconds.")
    private boolean json;

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

    @Option(
            names = "--min-p",
            defaultValue = "0",
            description = "Only those at least so many times as likely as the likeliest.")
    private double minP;

    @Option(
            names = "--repetition-penalty",
            defaultValue = "1",
            description = "Above 1: what stands in the text already becomes less likely.")
    private double repetitionPenalty;

    @Option(names = "--seed", defaultValue = "1", description = "Of the choices.")
    private long seed;

    @Override
    public Integer call() throws Exception {
        if (maxNewTokens < 1) {
            throw new UsageException("--max-new-tokens " + maxNewTokens + " must be at least 1");
        }
        if (stops.contains("")) {
            throw new UsageException("--stop needs a text");
        }
        if (system != null && !chat) {
            throw new UsageException("--system belongs to a chat: give --chat too");
        }
        String asked = prompt();
        Sampler sampler = new Sampler(temperature, topK, topP, minP, repetitionPenalty, seed);
        List<String> keys = settings.stream().filter(word -> !word.equals("-")).toList();
        long start = System.nanoTime();
        InferenceSettings on = InferenceSettings.of(keys, model);
        try (ModelFiles files = on.open();
                Device device = Devices.open(on.devices().getFirst())) {
            LlamaConfig config = on.config();
            Tokenizer tokenizer = tokenizer(files);
            TextDecoder decoder = tokenizer.decoder();
            int[] ids =
                    chat
                            ? ask(asked, tokenizer, files.directory())
                            : goOn(asked, tokenizer, decoder);
            on.checkFits(ids.length, beyond);
            ParameterStore parameters =
                    new MappedParameters(device, files, config, on.dtype(), on.weights());
            double load = (System.nanoTime() - start) * 1e-9;
            if (!chat) {
                show(asked);
            }
            int most = ids.length + maxNewTokens;
            try (Generator generator =
                            new Generator(device, parameters, config, most, on.cache(), 1);
                    Generator.Sequence sequence = generator.open(ids, most)) {
                Continuation written =
                        Continuation.write(
                                sequence,
                                sampler,
                                tokenizer,
                                decoder,
                                maxNewTokens,
                                stops,
                                this::show);
                System.out.println(json ? json(written, ids.length, sequence.cached(), load) : "");
            }
        }
        return Ringworld.DONE;
    }

    /** The one prompt that is given. */
    private String prompt() throws IOException {
        boolean dash = settings.contains("-");
        if ((prompt != null ? 1 : 0) + (promptFile != null ? 1 : 0) + (dash ? 1 : 0) != 1) {
            throw new UsageException("give one prompt: --prompt TEXT, --prompt-file FILE or -");
        }
        if (prompt != null) {
            return prompt;
        }
        boolean input = dash || promptFile.equals("-");
        String name = input ? "standard input" : promptFile;
        try {
            byte[] bytes = input ? System.in.readAllBytes() : Files.readAllBytes(file(promptFile));
            // A file's last line ends; the prompt goes on.
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString()
                    .replaceFirst("^\\ufeff", "")
                    .replaceFirst("\\r?\\n\\z", "");
        } catch (CharacterCodingException e) {
            throw new UsageException("the prompt in " + name + " is not UTF-8");
        } catch (NoSuchFileException e) {
            throw new UsageException("--prompt-file " + name + ": there is no such file");
        } catch (IOException e) {
            throw new IOException(name + ": cannot be read: " + Faults.sentence(e), e);
        }
    }

    private static Path file(String name) {
        return Path.of(KeyValue.withHome(name));
    }

    private void show(String text) {
        if (!json) {
            System.out.print(text);
            System.out.flush();
        }
    }

    private static String json(Continuation written, int promptTokens, int cached, double load) {
        ObjectNode all = JsonMapper.shared().createObjectNode();
        all.put("text", written.text());
        ArrayNode ids = all.putArray("ids");
        written.ids().forEach(ids::add);
        ArrayNode logprobs = all.putArray("logprobs");
        written.logprobs().forEach(logprobs::add);
        all.put("finish_reason", written.stopped() ? "stop" : "length");
        all.putObject("usage")
                .put("prompt_tokens", promptTokens)
                .put("completion_tokens", written.ids().size())
                .put("cached_tokens", cached);
        all.putObject("seconds")
                .put("load", load)
                .put("prefill", written.prefillSeconds())
                .put("decode", written.decodeSeconds());
        return all.toString();
    }

    /** The prompt's tokens; the decoder has heard them, so that a space after them is not lost. */
    private static int[] goOn(String prompt, Tokenizer tokenizer, TextDecoder decoder) {
        int[] ids = Continuation.prompt(prompt, tokenizer);
        for (int id : ids) {
            decoder.next(id);
        }
        return ids;
    }

    /** The tokens of a chat; what is answered is a text of its own. */
    private int[] ask(String prompt, Tokenizer tokenizer, Path directory) throws DataException {
        List<ChatTemplate.Message> messages = new ArrayList<>();
        if (system != null) {
            messages.add(new ChatTemplate.Message("system", system));
        }
        messages.add(new ChatTemplate.Message("user", prompt));
        return ChatTemplate.load(directory).encode(messages, tokenizer);
    }

    /** The model's own tokenizer; one that the vocabulary does not hold is refused. */
    public static Tokenizer tokenizer(ModelFiles files) throws Exception {
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
}
