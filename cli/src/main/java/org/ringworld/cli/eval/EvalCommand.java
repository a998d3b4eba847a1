package org.ringworld.cli.eval;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.ringworld.cli.Ringworld;
import org.ringworld.model.training.job.UsageException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Evaluates a model on unseen data: needles, texts, suites of long contexts, questions. */
@Command(
        name = "eval",
        description =
                "Evaluate a model: retrieval by length and depth, bits per byte of texts, suites of long contexts, choices, questions.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        footer = {
            "",
            "Keys: ring.size, device.threads, devices, dtype, weights and cache (f32, bf16 or int8), maxTokens,",
            "model.ropeTheta (also ropeTheta).",
            "",
            "Examples:",
            "  ringworld eval runs/needles",
            "  ringworld eval runs/needles --lengths 2048,4096 --needles 1,4 ropeTheta=2.56e6",
            "  ringworld eval MODEL --text book.txt --lengths 1024 --json book.json",
            "  ringworld eval MODEL --suite ruler --texts books --lengths 4096,8192 --json ruler.json",
            "  ringworld eval MODEL --suite babilong --tasks qa1,qa2 --documents 50 --chat",
            "  ringworld eval MODEL --choices arc.jsonl --json arc.results.json",
            "  ringworld eval MODEL --qa questions.jsonl --chat --judge https://HOST/v1"
        })
public final class EvalCommand implements Callable<Integer> {
    /** Needles are hidden in at least so many tokens. */
    private static final int SHORTEST = 256;

    @Mixin private EvalModel.Options model;

    @Option(
            names = "--text",
            description =
                    "Texts (.txt, .jsonl, a directory or hf:datasets/OWNER/NAME) to take the loss of, instead of needles.")
    private Path text;

    @Option(
            names = "--lengths",
            split = ",",
            showDefaultValue = Visibility.NEVER,
            description = "Context lengths; default: up to the model's own.")
    private List<Integer> lengths = List.of();

    @Option(
            names = "--needles",
            split = ",",
            defaultValue = "1,4",
            description = "How many are hidden.")
    private List<Integer> needles;

    @Option(
            names = "--depths",
            defaultValue = "5",
            description = "Depths from 0 to 1, evenly spaced.")
    private int depths;

    @Option(names = "--json", description = "Write the results as JSON too.")
    private Path json;

    @Mixin private SuiteOptions suite;

    @Option(
            names = "--chat",
            description = "Of --suite and --qa: ask with the model's chat template, or LWM's.")
    private boolean chat;

    @Option(
            names = "--choices",
            paramLabel = "FILE.jsonl",
            description =
                    "Questions with choices, of which the likeliest is the answer: lines with question, query or ctx, choices or endings, and answer, label, gold or answerKey.")
    private Path choices;

    @Mixin private QaOptions qa;

    @Override
    public Integer call() throws Exception {
        checkOptions();
        if (suite.isGiven()) {
            SuiteEval.run(suite, model::open, lengths, chat, json);
        } else if (choices != null) {
            ChoicesEval.run(choices, model::open, json);
        } else if (qa.isGiven()) {
            QaEval.run(qa, model::open, chat, json);
        } else {
            EvalModel opened = model.open();
            List<Integer> at = lengths.isEmpty() ? opened.lengths(SHORTEST) : lengths;
            if (text != null) {
                ProbesEval.texts(opened, Ringworld.HUB.data(text), at, json);
            } else {
                ProbesEval.needles(opened, needles, at, depths, json);
            }
        }
        return Ringworld.DONE;
    }

    private void checkOptions() {
        long given =
                Stream.of(text != null, suite.isGiven(), choices != null, qa.isGiven())
                        .filter(b -> b)
                        .count();
        if (given > 1) {
            throw new UsageException("give one of --text, --suite, --choices and --qa");
        }
        if (chat && !suite.isGiven() && !qa.isGiven()) {
            throw new UsageException("--chat belongs to --suite and --qa");
        }
        if (lengths.stream().anyMatch(n -> n < 2)) {
            throw new UsageException("--lengths must be at least 2");
        }
        suite.checkAlone();
        qa.checkAlone();
        checkJson();
    }

    /** At once: it is written after hours of work. */
    private void checkJson() {
        if (json == null) {
            return;
        }
        Path parent = json.toAbsolutePath().getParent();
        if (Files.isDirectory(json) || !Files.isDirectory(parent)) {
            throw new UsageException(
                    Files.isDirectory(json)
                            ? "--json %s is a directory: name a file".formatted(json)
                            : "--json %s: there is no directory %s: make it, or name another file"
                                    .formatted(json, parent));
        }
    }
}
