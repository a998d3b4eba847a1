package org.ringworld.cli.eval;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.evaluation.AskedChoices;
import org.ringworld.model.evaluation.AskedChoices.Chosen;
import org.ringworld.model.evaluation.AskedChoices.Question;
import org.ringworld.tokenizer.Tokenizer;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Evaluates by questions with choices, of which the likeliest is the answer. */
final class ChoicesEval {
    private ChoicesEval() {}

    /** The part of so many that was right, with its standard error. */
    private record Accuracy(long right, int of) {
        double mean() {
            return (double) right / of;
        }

        /** Of the mean of a sample. */
        double error() {
            return of < 2 ? 0 : Math.sqrt(mean() * (1 - mean()) / (of - 1));
        }

        String line(String name) {
            return String.format(Locale.ROOT, "%-9s %.4f ± %.4f", name, mean(), error());
        }
    }

    /**
     * @param open opens the model, when the file has been found right
     * @param json null: none is written
     */
    static void run(Path file, Callable<EvalModel> open, Path json) throws Exception {
        List<Question> questions = QuestionFile.read(file, ChoiceLine::parse);
        EvalModel model = open.call();
        Tokenizer tokenizer = model.opened().tokenizer();
        int longest = 0;
        for (Question question : questions) {
            for (String choice : question.choices()) {
                longest = Math.max(longest, AskedChoices.ids(question, choice, tokenizer).length);
            }
        }
        model.warnWhereLonger(longest);
        List<Chosen> chosen = new ArrayList<>();
        try (Engine engine = model.engine(longest);
                EvalLine line = new EvalLine("questions", questions.size())) {
            AskedChoices.evaluate(
                    engine,
                    questions,
                    tokenizer,
                    one -> {
                        chosen.add(one);
                        line.step();
                    });
        }
        int all = questions.size();
        Accuracy plain =
                new Accuracy(chosen.stream().filter(c -> c.chosen() == c.right()).count(), all);
        Accuracy byByte =
                new Accuracy(
                        chosen.stream().filter(c -> c.chosenByByte() == c.right()).count(), all);
        double chance = questions.stream().mapToDouble(q -> 1.0 / q.choices().size()).sum() / all;
        model.tell();
        System.out.printf(Locale.ROOT, "%s: %d questions, chance %.4f%n", file, all, chance);
        System.out.println(plain.line("acc"));
        System.out.println(byByte.line("acc_norm"));
        if (json != null) {
            ObjectNode node = model.request().put("choices", file.toString());
            node.put("questions", all).put("chance", chance);
            node.put("acc", plain.mean()).put("acc_stderr", plain.error());
            node.put("acc_norm", byByte.mean()).put("acc_norm_stderr", byByte.error());
            ArrayNode answers = node.putArray("answers");
            chosen.forEach(c -> answers.add(JsonMapper.shared().<ObjectNode>valueToTree(c)));
            ResultsJson.write(json, node);
            System.out.println("wrote " + json);
        }
    }
}
