package org.ringworld.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import org.ringworld.model.training.job.KeyValue;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;
import org.ringworld.tokenizer.documents.FieldLanguage;
import org.ringworld.tokenizer.documents.Tokenization;
import org.ringworld.tokenizer.documents.TokenizedLines;
import org.ringworld.tokenizer.sources.TextFiles;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Tokenizes documents once, for training to read. */
@Command(
        name = "tokenize",
        description =
                "Make a token cache, which data.path of a job may name; or the ids of each line.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        footer = {
            "",
            "Interrupted, it goes on when started again; it does nothing where nothing changed.",
            "",
            "Examples:",
            "  ringworld tokenize books --tokenizer tokenizer.model --out books.tokens",
            "  ringworld tokenize qa.jsonl --tokenizer MODEL --out qa.tokens --fields \"[q],a\"",
            "  ringworld tokenize 'hf:datasets/OWNER/NAME/data/train-*' --tokenizer hf:OWNER/NAME --out a.tokens",
            "  ringworld tokenize --tokenizer tokenizer.json --jsonl in.jsonl --out ids.jsonl"
        })
final class TokenizeCommand implements Callable<Integer> {
    private static final long QUIET_NANOS = 5_000_000_000L;

    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "SOURCE",
            description =
                    "Documents: a directory, a file (.txt, .jsonl, .json, each also .gz or .zst, .parquet, .arrow), a pattern of them, or hf:datasets/OWNER/NAME.")
    private Path source;

    @Option(
            names = "--tokenizer",
            required = true,
            description =
                    "bytes, a tokenizer.model, a tokenizer.json, a model directory or hf:OWNER/NAME.")
    private String tokenizerName;

    @Option(names = "--out", required = true, description = "The file to write.")
    private Path out;

    @Option(
            names = "--jsonl",
            description = "Write {\"text\":…,\"ids\":[…]} for each line of this file instead.")
    private Path jsonl;

    @Option(
            names = "--fields",
            defaultValue = "text",
            description = "What of a line is taken; several times: one of these for each line.")
    private List<String> fields;

    @Option(
            names = "--fields-from-example",
            description = "The field in which each line says so itself.")
    private String fieldsFromExample;

    @Option(names = "--separator", defaultValue = " ", description = "Between joined fields.")
    private String separator;

    @Option(names = "--prepend", defaultValue = "", description = "Text before the first field.")
    private String prepended;

    @Option(
            names = "--chat-template",
            paramLabel = "TEMPLATE",
            description =
                    "Of lines that are chats: a model directory, a .jinja file or lwm; that of the tokenizer's model if not given.")
    private String chatTemplate;

    @Option(names = "--no-bos", description = "No BOS before a document.")
    private boolean noBos;

    @Option(names = "--no-eos", description = "No EOS after a document.")
    private boolean noEos;

    @Option(names = "--tokens-per-frame", defaultValue = "256", description = "Of vision fields.")
    private int tokensPerFrame;

    @Option(
            names = "--max-frames",
            defaultValue = "0",
            description = "More are sampled evenly; 0: all.")
    private int maxFrames;

    private long lastLine = System.nanoTime();

    @Override
    public Integer call() throws Exception {
        if ((source == null) == (jsonl == null)) {
            throw new UsageException("tokenize needs either a SOURCE or --jsonl");
        }
        tokenizerName = Ringworld.HUB.tokenizer(KeyValue.withHome(tokenizerName));
        Tokenizer tokenizer = Tokenizer.of(tokenizerName);
        if (jsonl != null) {
            long lines = TokenizedLines.write(Ringworld.HUB.data(jsonl), tokenizer, out);
            System.out.printf("%s: %d lines%n", out, lines);
            return Ringworld.DONE;
        }
        source = Ringworld.HUB.data(source);
        long start = System.nanoTime();
        Tokenization.Result result;
        try (ProgressBar bar = LiveLine.onTerminal() ? bar() : null) {
            result =
                    Tokenization.run(
                            source,
                            language(),
                            tokenizer,
                            out,
                            (done, total, tokens) -> show(bar, start, done, total, tokens));
        }
        report(result, (System.nanoTime() - start) * 1e-9);
        return Ringworld.DONE;
    }

    private FieldLanguage language() throws IOException {
        ChatTemplate chat =
                chatTemplate == null
                        ? ChatTemplate.of(tokenizerName)
                        : ChatTemplate.named(
                                Ringworld.HUB.tokenizer(KeyValue.withHome(chatTemplate)));
        try {
            return new FieldLanguage(
                    fields,
                    fieldsFromExample,
                    separator,
                    !noBos,
                    !noEos,
                    prepended,
                    tokensPerFrame,
                    maxFrames,
                    Map.of(),
                    chat);
        } catch (IllegalArgumentException e) {
            throw new UsageException(e.getMessage());
        }
    }

    private static ProgressBar bar() {
        return new ProgressBarBuilder()
                .setTaskName("tokenize")
                .setUnit(" MB", 1_000_000)
                .clearDisplayOnFinish()
                .build();
    }

    private void show(ProgressBar bar, long start, long done, long total, long tokens) {
        if (bar != null) {
            bar.maxHint(total);
            bar.stepTo(Math.min(done, total));
        } else if (System.nanoTime() - lastLine > QUIET_NANOS) {
            lastLine = System.nanoTime();
            double seconds = (lastLine - start) * 1e-9;
            System.out.printf(
                    Locale.ROOT,
                    "%.1f of %.1f MB  %d tokens  %.1f MB/s  ETA %s%n",
                    done * 1e-6,
                    total * 1e-6,
                    tokens,
                    done * 1e-6 / seconds,
                    LiveLine.time(seconds * (total - done) / done));
        }
    }

    private void report(Tokenization.Result result, double seconds) throws DataException {
        String notRead = TextFiles.notRead(source);
        if (notRead != null) {
            System.err.println("ringworld: skipped " + notRead);
        }
        result.faults().forEach(fault -> System.err.println("ringworld: skipped " + fault));
        if (result.badLines() > 0) {
            System.err.printf("ringworld: %d lines could not be used%n", result.badLines());
        }
        if (result.wasThere()) {
            System.out.printf(
                    "%s is there already: %d documents, %d tokens; neither source nor tokenizer changed%n",
                    out, result.documents(), result.tokens());
            return;
        }
        System.out.printf(
                Locale.ROOT,
                "%s: %d documents, %d tokens of %.1f MB in %.1f s, %.1f MB/s%n",
                out,
                result.documents(),
                result.tokens(),
                result.sourceBytes() * 1e-6,
                seconds,
                result.sourceBytes() * 1e-6 / seconds);
    }
}
