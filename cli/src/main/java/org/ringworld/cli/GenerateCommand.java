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
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.ringworld.actors.Faults;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.training.job.KeyValue;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.TextDecoder;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
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
            "  ringworld generate MODEL --prompt-file book.txt --stop \"Chapter\" --json --logprobs 5",
            "  ringworld generate MODEL --prompts questions.jsonl --out answers.jsonl ring.size=2",
            "  ringworld generate hf:OWNER/NAME --prompt \"Once\"",
            "  ringworld generate MODEL --prompt \"Once\" weights=int8 cache=int8",
            "  ringworld generate MODEL --prompt \"Once\" ring.size=3 --cluster 127.0.0.1:25520",
            "",
            "A line of --prompts is {\"prompt\": TEXT} or {\"messages\": [{\"role\": …, \"content\": …}, …]}, optionally with",
            "id, max_tokens, temperature, top_k, top_p, min_p, repetition_penalty, seed and stop (a text or several).",
            "OUT has a line for each, in the same order; one that exists is gone on with."
        })
public final class GenerateCommand implements Callable<Integer> {
    private static final int MOST = 128;
    private static final int MOST_ALTERNATIVES = 20;

    @Mixin private ModelOptions model;

    @Mixin private SamplingOptions sampling;

    @Option(names = "--prompt", paramLabel = "TEXT", description = "What to go on from.")
    private String prompt;

    @Option(
            names = "--prompt-file",
            paramLabel = "FILE",
            description =
                    "What to go on from is in this file, in UTF-8, less its last line's end; -, also alone, is standard input.")
    private String promptFile;

    @Option(
            names = "--prompts",
            paramLabel = "FILE.jsonl",
            description = "Many prompts, a line each, which are computed together.")
    private Path prompts;

    @Option(
            names = "--out",
            paramLabel = "OUT.jsonl",
            description = "Of --prompts: what was written after each.")
    private Path out;

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
            names = "--json",
            description = "Print one object at the end: text, ids, logprobs, usage and seconds.")
    private boolean json;

    @Option(
            names = "--logprobs",
            paramLabel = "N",
            description =
                    "With --json or --prompts: so many of the likeliest tokens beside each one, up to 20.")
    private Integer alternatives;

    @Override
    public Integer call() throws Exception {
        boolean dash = model.remove("-");
        checkOptions(dash);
        if (prompts != null) {
            return PromptsFile.generate(
                    prompts,
                    out,
                    model,
                    new PromptLine.Defaults(
                            sampling.most(MOST),
                            sampling.sampler(),
                            sampling.stops(),
                            alternatives));
        }
        write(prompt(dash), sampling.most(MOST), sampling.sampler(), sampling.stops());
        return Ringworld.DONE;
    }

    private void checkOptions(boolean dash) {
        if ((prompts == null) != (out == null)) {
            throw new UsageException("--prompts FILE.jsonl and --out OUT.jsonl belong together");
        }
        boolean one = prompt != null || promptFile != null || dash;
        if (prompts != null && (one || chat || json)) {
            throw new UsageException(
                    "--prompts says all: its lines are prompts or messages of a chat, and --out is JSON");
        }
        if (system != null && !chat) {
            throw new UsageException("--system belongs to a chat: give --chat too");
        }
        if (alternatives != null && !json && prompts == null) {
            throw new UsageException("--logprobs belongs to JSON: give --json too");
        }
        if (alternatives != null && (alternatives < 0 || alternatives > MOST_ALTERNATIVES)) {
            throw new UsageException("--logprobs " + alternatives + " must be 0 to 20");
        }
    }

    private void write(String asked, int most, Sampler sampler, List<String> stops)
            throws Exception {
        long start = System.nanoTime();
        TextModel text = model.open();
        Tokenizer tokenizer = text.tokenizer();
        int[] ids = chat ? ask(asked, text) : tokenizer.prompt(asked);
        text.on().checkFits(ids.length, model.beyond());
        TextDecoder decoder = tokenizer.decoder();
        if (!chat) {
            // So that a space between the prompt and what follows is not lost.
            IntStream.of(ids).forEach(decoder::next);
        }
        int count = alternatives == null ? 0 : alternatives;
        Ask ask = new Ask(ids, most, sampler, tokenizer.ends(), count, 0);
        try (Engine engine = model.engine(text, Math.addExact(ids.length, most))) {
            double load = (System.nanoTime() - start) * 1e-9;
            if (!chat) {
                show(asked);
            }
            try (Answer answer = engine.ask(ask)) {
                Continuation written =
                        Continuation.write(answer, tokenizer, decoder, stops, this::show);
                tell(new Written(written, ids.length), tokenizer, load);
            }
        }
    }

    private void tell(Written written, Tokenizer tokenizer, double load) {
        if (json) {
            ObjectNode all = written.json(tokenizer, alternatives != null);
            all.putObject("seconds")
                    .put("load", load)
                    .put("prefill", written.text().prefillSeconds())
                    .put("decode", written.text().decodeSeconds());
            System.out.println(all);
            return;
        }
        System.out.println();
        if (RateLine.errorOnTerminal()) {
            System.err.printf(Locale.ROOT, "load %.2f s  %s%n", load, written.rates());
        }
    }

    /** The one prompt that is given. */
    private String prompt(boolean dash) throws IOException {
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

    /** The tokens of a chat; what is answered is a text of its own. */
    private int[] ask(String prompt, TextModel text) throws DataException {
        List<ChatTemplate.Message> messages = new ArrayList<>();
        if (system != null) {
            messages.add(new ChatTemplate.Message("system", system));
        }
        messages.add(new ChatTemplate.Message("user", prompt));
        return text.template().encode(messages, text.tokenizer());
    }
}
