package org.ringworld.cli.eval;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.cli.qa.JsonLines;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.evaluation.AskedSuite;
import org.ringworld.model.evaluation.AskedSuite.Answered;
import org.ringworld.model.evaluation.SuiteScores;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.sources.TextFiles;
import org.ringworld.tokenizer.suites.Haystack;
import org.ringworld.tokenizer.suites.Ruler;
import org.ringworld.tokenizer.suites.Suite;
import org.ringworld.tokenizer.suites.Task;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Evaluates by a suite of long contexts. With {@code --json FILE} every answer is kept in
 * FILE.answers as it comes, so that an evaluation that was cut off goes on where it was.
 */
final class SuiteEval {
    private static final JsonMapper JSON = JsonMapper.shared();
    private static final long SEED = 20_240_406;

    /** RULER's lengths begin here. */
    private static final int SHORTEST = 4096;

    private SuiteEval() {}

    /**
     * @param open opens the model, when all else has been found right
     * @param lengths none: from 4096 to the model's context
     * @param chat whether questions are asked in the model's chat template
     * @param json null: none is written
     */
    static void run(
            SuiteOptions options,
            Callable<EvalModel> open,
            List<Integer> lengths,
            boolean chat,
            Path json)
            throws Exception {
        Suite suite = options.suite();
        List<Task> tasks = options.tasks();
        int documents = options.documents();
        Haystack haystack = haystack(options.texts());
        EvalModel model = open.call();
        List<Integer> at = lengths.isEmpty() ? model.lengths(SHORTEST) : lengths;
        AskedSuite asked =
                new AskedSuite(
                        tasks,
                        at.stream().sorted().distinct().toList(),
                        documents,
                        SEED,
                        haystack,
                        model.opened().tokenizer(),
                        chat ? model.opened().template() : null);
        try {
            asked.check();
        } catch (IllegalArgumentException e) {
            throw new UsageException(e.getMessage());
        }
        ObjectNode request = request(suite, asked, model, options.texts(), chat);
        SuiteScores scores = SuiteScores.of(asked, answers(model, asked, request, json));
        model.tell();
        print(suite, scores);
        if (json != null) {
            ResultsJson.write(json, json(suite, request, scores));
            Path picture = Path.of(json.toString().replaceFirst("\\.json$", "") + ".png");
            SuiteChart.draw(picture, suite.title(), scores);
            System.out.printf("wrote %s and %s%n", json, picture);
        }
    }

    private static Haystack haystack(Path texts) throws IOException {
        if (texts == null) {
            return Haystack.prose();
        }
        String notRead = TextFiles.notRead(texts);
        if (notRead != null) {
            System.err.println("ringworld: skipped " + notRead);
        }
        return Haystack.of(texts);
    }

    /** All that decides the answers. */
    private static ObjectNode request(
            Suite suite, AskedSuite asked, EvalModel model, Path texts, boolean chat) {
        ObjectNode request = JSON.createObjectNode();
        request.put("model", model.path().toString()).put("suite", suite.title());
        ArrayNode keys = request.putArray("settings");
        model.keys().forEach(keys::add);
        ArrayNode tasks = request.putArray("tasks");
        asked.tasks().forEach(task -> tasks.add(task.name()));
        ArrayNode lengths = request.putArray("lengths");
        asked.lengths().forEach(lengths::add);
        request.put("documents", asked.documents()).put("seed", SEED).put("chat", chat);
        request.put("texts", texts == null ? null : texts.toString());
        return request.put("textsChecksum", asked.haystack().checksum());
    }

    /** All answers: those that were kept before, and those that are asked for now. */
    private static List<Answered> answers(
            EvalModel model, AskedSuite asked, ObjectNode request, Path json) throws Exception {
        List<Answered> answered = new ArrayList<>();
        if (json == null) {
            ask(model, asked, answered, _ -> {});
            return answered;
        }
        Path file = Path.of(json + ".answers");
        Fence fence = Fence.claimFile(file);
        try (JsonLines kept = new JsonLines(file, fence)) {
            List<JsonNode> before = kept.before();
            if (before.isEmpty()) {
                kept.add(request);
            } else if (!before.getFirst().equals(JSON.readTree(request.toString()))) {
                throw new UsageException(
                        file + " has answers to something else: give another --json, or delete it");
            }
            before.stream()
                    .skip(1)
                    .map(line -> JSON.treeToValue(line, Answered.class))
                    .forEach(answered::add);
            ask(model, asked, answered, answer -> kept.add(JSON.valueToTree(answer)));
        } finally {
            fence.release();
        }
        return answered;
    }

    private static void ask(
            EvalModel model, AskedSuite asked, List<Answered> answered, AskedSuite.Out keep)
            throws Exception {
        int from = answered.size();
        if (from == asked.size()) {
            return;
        }
        try (Engine engine = model.engine(asked.longest());
                EvalLine line = new EvalLine("questions", asked.size() - from)) {
            asked.ask(
                    engine,
                    from,
                    answer -> {
                        keep.answered(answer);
                        answered.add(answer);
                        line.step();
                    });
        }
    }

    private static void print(Suite suite, SuiteScores scores) {
        StringBuilder table = new StringBuilder("%-18s".formatted(suite.title()));
        scores.lengths().forEach(length -> table.append("%9d".formatted(length)));
        for (String task : scores.tasks()) {
            table.append("%n%-18s".formatted(task));
            scores.lengths().forEach(n -> table.append(percent(scores.score(task, n))));
        }
        table.append("%n%-18s".formatted("mean"));
        scores.lengths().forEach(n -> table.append(percent(scores.mean(n))));
        System.out.println(table);
        if (suite == Suite.RULER) {
            OptionalInt effective = scores.effectiveLength(Ruler.THRESHOLD);
            System.out.printf(
                    Locale.ROOT,
                    "effective length: %s, the greatest at which the mean of %s is at least %.1f %%%n",
                    effective.isPresent() ? effective.getAsInt() : "none of these",
                    scores.tasks().size() == suite.tasks().size()
                            ? "all tasks"
                            : "these tasks (RULER takes all %d)".formatted(suite.tasks().size()),
                    100 * Ruler.THRESHOLD);
        }
    }

    private static String percent(double score) {
        return String.format(Locale.ROOT, "%9.1f", 100 * score);
    }

    private static ObjectNode json(Suite suite, ObjectNode request, SuiteScores scores) {
        ObjectNode json = request.deepCopy();
        ArrayNode results = json.putArray("results");
        for (int length : scores.lengths()) {
            for (String task : scores.tasks()) {
                results.addObject()
                        .put("task", task)
                        .put("length", length)
                        .put("score", scores.score(task, length));
            }
        }
        ArrayNode means = json.putArray("means");
        for (int length : scores.lengths()) {
            means.addObject().put("length", length).put("score", scores.mean(length));
        }
        if (suite == Suite.RULER) {
            OptionalInt effective = scores.effectiveLength(Ruler.THRESHOLD);
            json.put("threshold", Ruler.THRESHOLD);
            json.put("effectiveLength", effective.isPresent() ? effective.getAsInt() : null);
        }
        json.set("answers", JSON.valueToTree(scores.answered()));
        return json;
    }
}
