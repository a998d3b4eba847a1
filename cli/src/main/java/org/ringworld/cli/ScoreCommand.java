package org.ringworld.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.Utf8;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** How well a model foretells a text, as a whole and by position. */
@Command(
        name = "score",
        description = "Tell how likely a text is to a model: nll and perplexity, by position.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        footer = {
            "",
            "nll is the mean of -ln p of a token after all before it, perplexity e to that. A bucket has the",
            "tokens at positions from <= position < to, counted from 0, which is BOS where the tokenizer adds",
            "one and else the first token; it has no probability. A text longer than the model's context is",
            "refused without --beyond or model.ropeTheta.",
            "",
            "Examples:",
            "  ringworld score MODEL --text-file book.txt",
            "  ringworld score MODEL --text-file book.txt --json ring.size=2 model.ropeTheta=1e6"
        })
final class ScoreCommand implements Callable<Integer> {
    @Mixin private ModelOptions model;

    @Option(
            names = "--text-file",
            required = true,
            paramLabel = "FILE",
            description = "The text, in UTF-8.")
    private Path file;

    @Option(names = "--json", description = "Print one object instead of a table.")
    private boolean json;

    /** Tokens at positions from {@code from} up to and without {@code to}. */
    record Bucket(int from, int to, int tokens, double sum) {
        double nll() {
            return sum / tokens;
        }

        ObjectNode into(ObjectNode node) {
            return node.put("tokens", tokens).put("nll", nll()).put("perplexity", Math.exp(nll()));
        }

        String line(String name) {
            return String.format(
                    Locale.ROOT, "%16s %9d %9.4f %12.4f", name, tokens, nll(), Math.exp(nll()));
        }
    }

    @Override
    public Integer call() throws Exception {
        TextModel text = model.open();
        int[] ids = text.tokenizer().prompt(Utf8.read(file));
        if (ids.length < 2) {
            throw new UsageException(file + ": there is no token in it that could be foretold");
        }
        text.on().checkFits(ids.length, model.beyond());
        List<Bucket> buckets = buckets(scores(text, ids));
        Bucket all =
                new Bucket(
                        1,
                        ids.length,
                        ids.length - 1,
                        buckets.stream().mapToDouble(Bucket::sum).sum());
        if (json) {
            System.out.println(json(all, buckets));
        } else {
            System.out.printf("%16s %9s %9s %12s%n", "positions", "tokens", "nll", "perplexity");
            for (Bucket bucket : buckets) {
                System.out.println(bucket.line(bucket.from + " – " + (bucket.to - 1)));
            }
            System.out.println(all.line("all"));
        }
        return Ringworld.DONE;
    }

    private float[] scores(TextModel text, int[] ids) throws Exception {
        Ask ask = new Ask(ids, 0, Sampler.GREEDY, Set.of(), 0, 1);
        try (Engine engine = model.engine(text, ids.length);
                Answer answer = engine.ask(ask);
                RateLine line =
                        new RateLine("tokens", ids.length, answer::scored, answer::scored)) {
            line.start();
            answer.next();
            return answer.scores();
        }
    }

    /** Between powers of two. */
    private static List<Bucket> buckets(float[] scores) {
        List<Bucket> buckets = new ArrayList<>();
        for (int from = 1; from > 0 && from < scores.length; from *= 2) {
            int to = (int) Math.min(2L * from, Integer.MAX_VALUE);
            int end = Math.min(to, scores.length);
            double sum = 0;
            for (int i = from; i < end; i++) {
                sum -= scores[i];
            }
            buckets.add(new Bucket(from, to, end - from, sum));
        }
        return buckets;
    }

    private static ObjectNode json(Bucket all, List<Bucket> buckets) {
        ObjectNode json = all.into(JsonMapper.shared().createObjectNode());
        ArrayNode array = json.putArray("buckets");
        for (Bucket bucket : buckets) {
            bucket.into(array.addObject().put("from", bucket.from).put("to", bucket.to));
        }
        return json;
    }
}
