package org.ringworld.cli.eval;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.decode.Scheduler;
import org.ringworld.model.evaluation.InOrder;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;
import org.ringworld.tokenizer.suites.Scores;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Evaluates by a user's questions, which are answered greedily in words.
 *
 * @param template of the chat in which they are asked; null: as texts that are gone on with
 */
record QaEval(Path file, List<QaLine> lines, EvalModel model, ChatTemplate template) {
    private static final JsonMapper JSON = JsonMapper.shared();

    /** Tokens of an answer: the rest of a line, or what an assistant says. */
    private static final int LINE_TOKENS = 64;

    private static final int CHAT_TOKENS = 256;

    /**
     * What was answered.
     *
     * @param question without its context
     * @param judge null: nobody judged
     */
    record Answered(
            String question,
            List<String> answers,
            String type,
            String written,
            double score,
            Judge.Verdict judge) {}

    /**
     * @param open opens the model, when the file has been found right
     * @param json null: none is written
     */
    static void run(QaOptions options, Callable<EvalModel> open, boolean chat, Path json)
            throws Exception {
        List<QaLine> lines = QuestionFile.read(options.file(), QaLine::parse);
        try (Judge judge = options.judge()) {
            EvalModel model = open.call();
            ChatTemplate template = chat ? model.opened().template() : null;
            QaEval eval = new QaEval(options.file(), lines, model, template);
            eval.evaluate(judge, options.judgeName(), json);
        }
    }

    private void evaluate(Judge judge, String judgeName, Path json) throws Exception {
        ObjectNode request = request(judgeName);
        try (KeptAnswers kept = KeptAnswers.open(json, request)) {
            List<Answered> answered = new ArrayList<>();
            kept.before().forEach(line -> answered.add(JSON.treeToValue(line, Answered.class)));
            if (answered.size() < lines.size()) {
                ask(judge, answered, kept);
            }
            model.tell();
            System.out.printf("%s: %d questions%n", file, lines.size());
            ObjectNode scores = JSON.createObjectNode();
            tell(answered, judgeName, scores);
            if (json != null) {
                request.set("scores", scores);
                request.set("answers", JSON.valueToTree(answered));
                ResultsJson.write(json, request);
                System.out.println("wrote " + json);
            }
            kept.delete();
        }
    }

    /** All that decides the answers. */
    private ObjectNode request(String judgeName) {
        CRC32C crc = new CRC32C();
        lines.forEach(line -> crc.update(line.toString().getBytes(StandardCharsets.UTF_8)));
        ObjectNode request = model.request().put("qa", file.toString());
        request.put("questions", lines.size()).put("checksum", crc.getValue());
        return request.put("chat", template != null).put("judge", judgeName);
    }

    private void ask(Judge judge, List<Answered> answered, KeptAnswers kept) throws Exception {
        List<Ask> asks = asks();
        int longest = asks.stream().mapToInt(a -> a.prompt().length + a.most()).max().orElse(1);
        model.warnWhereLonger(longest);
        try (Engine engine = model.engine(longest);
                EvalLine line = new EvalLine("questions", lines.size() - answered.size())) {
            InOrder.run(
                    answered.size(),
                    lines.size(),
                    _ -> 2 * Scheduler.TEXTS,
                    i -> write(engine, asks.get(i), i),
                    written -> {
                        // One at a time: the endpoint may take no more.
                        answered.add(scored(lines.get(answered.size()), written, judge));
                        kept.add(JSON.valueToTree(answered.getLast()));
                        line.step();
                    });
        }
    }

    private List<Ask> asks() {
        Tokenizer tokenizer = model.opened().tokenizer();
        List<Ask> asks = new ArrayList<>();
        for (QaLine line : lines) {
            int[] ids =
                    template == null
                            ? tokenizer.prompt(line.text())
                            : template.encode(
                                    List.of(new ChatTemplate.Message("user", line.message())),
                                    tokenizer);
            int most = template == null ? LINE_TOKENS : CHAT_TOKENS;
            asks.add(new Ask(ids, most, Sampler.GREEDY, tokenizer.ends()));
        }
        return asks;
    }

    private String write(Engine engine, Ask ask, int index)
            throws InterruptedException, DataException {
        List<String> stops = template == null ? List.of("\n") : List.of();
        try {
            return Continuation.of(ask, engine, model.opened().tokenizer(), stops).text();
        } catch (IllegalArgumentException e) {
            throw new DataException(
                    "%s: question %d: %s".formatted(file, index + 1, e.getMessage()), e);
        }
    }

    private static Answered scored(QaLine line, String written, Judge judge)
            throws IOException, InterruptedException {
        Judge.Verdict verdict = judge == null ? null : judge.judge(line, written);
        return new Answered(
                line.question(),
                line.answers(),
                line.type().title(),
                written,
                line.score(written),
                verdict);
    }

    private void tell(List<Answered> answered, String judgeName, ObjectNode scores) {
        tell("exact_match", answered, line -> line.type().isWords(), QaEval::exact, scores);
        tell("f1", answered, line -> line.type().isWords(), QaEval::f1, scores);
        tell("yesno", answered, line -> line.type() == QaLine.Type.YESNO, Answered::score, scores);
        tell(
                "choice",
                answered,
                line -> line.type() == QaLine.Type.CHOICE,
                Answered::score,
                scores);
        // Each as its type says.
        tell("all", answered, _ -> true, Answered::score, scores);
        if (judgeName != null) {
            tell("judge", answered, _ -> true, a -> a.judge.right() ? 1 : 0, scores);
        }
    }

    private static double exact(Answered a) {
        return Scores.exactMatch(a.answers, a.written);
    }

    private static double f1(Answered a) {
        return Scores.f1(a.answers, a.written);
    }

    /** A line of the table, where there is a question of its kind. */
    private void tell(
            String name,
            List<Answered> answered,
            Predicate<QaLine> of,
            ToDoubleFunction<Answered> score,
            ObjectNode scores) {
        double[] all =
                IntStream.range(0, lines.size())
                        .filter(i -> of.test(lines.get(i)))
                        .mapToDouble(i -> score.applyAsDouble(answered.get(i)))
                        .toArray();
        if (all.length > 0) {
            double mean = Arrays.stream(all).average().orElse(0);
            System.out.printf(Locale.ROOT, "%-12s %6d %8.4f%n", name, all.length, mean);
            scores.putObject(name).put("questions", all.length).put("score", mean);
        }
    }
}
