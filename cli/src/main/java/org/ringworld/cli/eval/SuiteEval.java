package org.ringworld.cli.eval;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import org.ringworld.cli.Ringworld;
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
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Evaluates by a suite of long contexts.
 *
 * @param request all that decides the answers
 * @param json null: none is written
 */
record SuiteEval(Suite suite, EvalModel model, AskedSuite asked, ObjectNode request, Path json) {
    private static final JsonMapper JSON = JsonMapper.shared();
    private static final long SEED = 20_240_406;

    /** RULER's lengths begin here. */
    private static final int SHORTEST = 4096;

    /**
     * @param open opens the model, when all else has been found right
     * @param lengths none: from 4096 to the model's context
     * @param chat whether questions are asked in the model's chat template
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
        new SuiteEval(suite, model, asked, request, json).evaluate();
    }

    private static Haystack haystack(Path texts) throws IOException {
        if (texts == null) {
            return Haystack.prose();
        }
        Path documents = Ringworld.HUB.data(texts);
        String notRead = TextFiles.notRead(documents);
        if (notRead != null) {
            System.err.println("ringworld: skipped " + notRead);
        }
        return Haystack.of(documents);
    }

    private static ObjectNode request(
            Suite suite, AskedSuite asked, EvalModel model, Path texts, boolean chat) {
        ObjectNode request = model.request().put("suite", suite.title());
        ArrayNode tasks = request.putArray("tasks");
        asked.tasks().forEach(task -> tasks.add(task.name()));
        ArrayNode lengths = request.putArray("lengths");
        asked.lengths().forEach(lengths::add);
        request.put("documents", asked.documents()).put("seed", SEED).put("chat", chat);
        request.put("texts", texts == null ? null : texts.toString());
        return request.put("textsChecksum", asked.haystack().checksum());
    }

    private void evaluate() throws Exception {
        try (KeptAnswers kept = KeptAnswers.open(json, request)) {
            List<Answered> answered = new ArrayList<>();
            model.warnWhereLonger(asked.longest());
            kept.before().forEach(line -> answered.add(JSON.treeToValue(line, Answered.class)));
            ask(answered, kept);
            SuiteScores scores = SuiteScores.of(asked, answered);
            tell(scores);
            if (json != null) {
                write(scores);
            }
            kept.delete();
        }
    }

    private void ask(List<Answered> answered, KeptAnswers kept) throws Exception {
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
                        kept.add(JSON.valueToTree(answer));
                        answered.add(answer);
                        line.step();
                    });
        }
    }

    private void tell(SuiteScores scores) {
        model.tell();
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
            System.out.println(effective(scores));
        }
    }

    private String effective(SuiteScores scores) {
        OptionalInt effective = scores.effectiveLength(Ruler.THRESHOLD);
        int all = suite.tasks().size();
        String tasks =
                scores.tasks().size() == all
                        ? "all tasks"
                        : "these tasks alone (RULER takes all %d)".formatted(all);
        return String.format(
                Locale.ROOT,
                effective.isPresent()
                        ? "effective length: %1$d, the greatest at which the mean of %2$s is at least %3$.1f %%"
                        : "effective length: none of these, the mean of %2$s is under %3$.1f %% at each",
                effective.orElse(0),
                tasks,
                100 * Ruler.THRESHOLD);
    }

    private static String percent(double score) {
        return String.format(Locale.ROOT, "%9.1f", 100 * score);
    }

    private void write(SuiteScores scores) throws IOException {
        ObjectNode node = request.deepCopy();
        ArrayNode results = node.putArray("results");
        for (int length : scores.lengths()) {
            for (String task : scores.tasks()) {
                results.addObject()
                        .put("task", task)
                        .put("length", length)
                        .put("score", scores.score(task, length));
            }
        }
        ArrayNode means = node.putArray("means");
        for (int length : scores.lengths()) {
            means.addObject().put("length", length).put("score", scores.mean(length));
        }
        if (suite == Suite.RULER) {
            OptionalInt effective = scores.effectiveLength(Ruler.THRESHOLD);
            node.put("threshold", Ruler.THRESHOLD);
            node.put("effectiveLength", effective.isPresent() ? effective.getAsInt() : null);
        }
        node.set("answers", JSON.valueToTree(scores.answered()));
        ResultsJson.write(json, node);
        Path picture = ResultsJson.picture(json);
        List<String> rows = scores.tasks().reversed();
        HeatMap.draw(
                picture,
                suite.title() + ": score, %",
                scores.lengths(),
                rows,
                (x, y) -> 100 * scores.score(rows.get(y), scores.lengths().get(x)));
        System.out.printf("wrote %s and %s%n", json, picture);
    }
}
