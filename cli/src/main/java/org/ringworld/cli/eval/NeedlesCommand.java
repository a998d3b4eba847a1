package org.ringworld.cli.eval;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.cli.Ringworld;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.evaluation.InOrder;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.suites.LwmNeedles;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ObjectNode;

/** Evaluates a chat model as LWM's scripts eval_needle.py and eval_needle_multi.py do. */
@Command(
        name = "needles",
        description = "LWM's own needle evaluations: one needle by depth, or several.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        footer = {
            "",
            "The flags of LWM's scripts work, too. OUT has a result for each question, under LWM's keys, as they",
            "come; the same command goes on after an interruption. A picture is drawn beside it.",
            "Keys: ring.size, device.threads, devices, dtype, weights and cache (f32, bf16 or int8), maxTokens,",
            "model.ropeTheta.",
            "",
            "Examples:",
            "  ringworld needles MODEL --out results.json --haystack books --max 32000 --lengths 10 --depths 10",
            "  ringworld needles MODEL --out multi.json --total 4 --asked 2 --rounds 10",
            "  ringworld needles MODEL --output_file=r.json --context_lengths_max=8000 --n_rounds=5"
        })
public final class NeedlesCommand implements Callable<Integer> {
    private static final int WINDOW = 8;

    @Mixin private EvalModel.Options model;

    @Option(
            names = {"--out", "--output_file"},
            required = true,
            description = "The .json file of results.")
    private Path out;

    @Option(
            names = {"--haystack", "--haystack_file"},
            description = "Documents to hide needles in; made-up prose if not given.")
    private Path haystack;

    @Option(
            names = {"--min", "--context_lengths_min"},
            defaultValue = "1000",
            description = "The shortest context, in tokens of the model.")
    private int shortest;

    @Option(
            names = {"--max", "--context_lengths_max"},
            defaultValue = "32000",
            description = "The longest.")
    private int longest;

    @Option(
            names = {"--lengths", "--n_context_length_intervals"},
            defaultValue = "3",
            description = "How many lengths, evenly from the shortest to the longest.")
    private int lengths;

    @Option(
            names = {"--depths", "--n_document_depth_intervals"},
            defaultValue = "3",
            description = "How many depths, from 0 to 100 percent.")
    private int depths;

    @Option(
            names = "--depth-scale",
            defaultValue = "linear",
            description = "linear, or sigmoid: closer together at both ends.")
    private String scale;

    @Option(
            names = {"--rounds", "--n_rounds"},
            defaultValue = "2",
            description = "How often each is asked, each in a text of its own.")
    private int rounds;

    @Option(
            names = {"--total", "--n_needles_total"},
            defaultValue = "1",
            description = "Needles that are hidden; of several each has a depth of its own.")
    private int needles;

    @Option(
            names = {"--asked", "--n_needles_retrieve"},
            defaultValue = "1",
            description = "Needles that are asked for at once.")
    private int asked;

    @Option(names = "--seed", defaultValue = "1234", description = "Of cities, numbers and prose.")
    private long seed;

    @Override
    public Integer call() throws Exception {
        check();
        EvalModel opened = model.open();
        Tokenizer tokenizer = opened.opened().tokenizer();
        Path documents = haystack == null ? null : Ringworld.HUB.data(haystack);
        LwmNeedles texts = LwmNeedles.of(documents, tokenizer, rounds, longest, seed);
        checkFits(texts);
        Fence fence = Fence.claimFile(out);
        try {
            NeedleResults results = results(opened);
            opened.warnWhereLonger(longest);
            ask(opened, texts, results);
            opened.tell();
            System.out.print(results.table(lengths()));
            Path picture = ResultsJson.picture(out);
            results.draw(picture, lengths());
            System.out.printf("wrote %s and %s%n", out, picture);
        } finally {
            fence.release();
        }
        return Ringworld.DONE;
    }

    private void check() {
        boolean counts = lengths > 0 && depths > 0 && rounds > 0 && asked > 0;
        if (!counts || shortest < 1 || longest < shortest) {
            throw new UsageException(
                    "--lengths, --depths, --rounds, --asked and --min must be at least 1, --max at least --min");
        }
        if (asked > needles || needles > 1 && needles > depths) {
            throw new UsageException(
                    "%d of %d needles at %d depths: no more can be asked for than are hidden, nor hidden than there are depths"
                            .formatted(asked, needles, depths));
        }
        if (!scale.equals("linear") && !scale.equals("sigmoid")) {
            throw new UsageException(
                    "--depth-scale %s is neither linear nor sigmoid".formatted(scale));
        }
    }

    private void checkFits(LwmNeedles texts) throws Exception {
        try {
            questions(texts).getFirst().make.call();
        } catch (IllegalArgumentException e) {
            throw new UsageException(e.getMessage() + ": give a longer --min");
        }
    }

    private NeedleResults results(EvalModel opened) throws IOException {
        String texts = haystack == null ? "made-up prose" : haystack.toString();
        return NeedleResults.open(out, opened.path().toString(), texts, seed);
    }

    private void ask(EvalModel opened, LwmNeedles texts, NeedleResults results) throws Exception {
        List<Callable<LwmNeedles.Asked>> left =
                questions(texts).stream()
                        .filter(q -> !results.has(q.key))
                        .map(q -> q.make)
                        .toList();
        if (left.isEmpty()) {
            return;
        }
        Tokenizer tokenizer = opened.opened().tokenizer();
        try (Engine engine = opened.engine(longest);
                EvalLine line = new EvalLine("questions", left.size())) {
            InOrder.run(
                    0,
                    left.size(),
                    _ -> WINDOW,
                    i -> answer(engine, tokenizer, left.get(i).call()),
                    result -> {
                        results.add(result);
                        line.step();
                    });
        }
    }

    /** One that is made when it is asked. */
    private record Question(NeedleResults.Key key, Callable<LwmNeedles.Asked> make) {}

    private List<Question> questions(LwmNeedles texts) {
        List<Question> questions = new ArrayList<>();
        List<Double> percents = depths();
        for (int length : lengths()) {
            for (double depth : needles == 1 ? percents : List.of(Double.NaN)) {
                for (int round = 0; round < rounds; round++) {
                    int of = round;
                    questions.add(
                            new Question(
                                    new NeedleResults.Key(length, depth, round),
                                    () ->
                                            needles == 1
                                                    ? texts.one(length, depth, of)
                                                    : texts.several(
                                                            length, percents, needles, asked, of)));
                }
            }
        }
        return questions;
    }

    private static ObjectNode answer(Engine engine, Tokenizer tokenizer, LwmNeedles.Asked asked)
            throws InterruptedException {
        Ask ask = new Ask(asked.ids(), asked.most(), Sampler.GREEDY, tokenizer.ends());
        String written = Continuation.of(ask, engine, tokenizer, List.of()).text();
        return NeedleResults.of(asked, written);
    }

    private List<Integer> lengths() {
        return spaced(shortest, longest, lengths)
                .mapToObj(n -> (int) Math.rint(n))
                .distinct()
                .toList();
    }

    private List<Double> depths() {
        return spaced(0, 100, depths)
                .map(scale.equals("linear") ? Math::rint : NeedlesCommand::logistic)
                .boxed()
                .toList();
    }

    /** As numpy's linspace. */
    private static DoubleStream spaced(double from, double to, int count) {
        return IntStream.range(0, count)
                .mapToDouble(i -> count == 1 ? from : from + i * (to - from) / (count - 1));
    }

    private static double logistic(double percent) {
        return percent == 0 || percent == 100
                ? percent
                : Math.rint(1000 * 100 / (1 + Math.exp(-0.1 * (percent - 50)))) / 1000;
    }
}
