package org.ringworld.model.training.coordination;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.decode.Scheduler;
import org.ringworld.model.training.job.Probe;
import org.ringworld.tokenizer.packing.Row;

/**
 * Evaluates a saved model by probes: each document of a row is a text that an engine scores from
 * its first target of weight to its last. So nothing is computed for what nobody asks about, and
 * what documents begin with in common is read once.
 */
public final class AskedProbes {
    /** Rows that wait at a time: the engine is to find its next text asked already. */
    private static final int ROWS = 2 * Scheduler.TEXTS;

    private AskedProbes() {}

    /** A document of a row, from place {@code at} on. */
    private record Text(int at, Answer answer) {}

    private record AskedRow(int probe, Row row, List<Text> texts) {}

    /**
     * @param each is told after each row
     * @throws IllegalArgumentException saying what cannot be answered
     */
    public static List<Probe.Result> evaluate(Engine engine, List<Probe> probes, Runnable each)
            throws InterruptedException {
        Evaluation evaluation = new Evaluation(probes, List.of());
        Deque<AskedRow> open = new ArrayDeque<>();
        for (int p = 0; p < probes.size(); p++) {
            for (Row row : probes.get(p).rows()) {
                open.add(new AskedRow(p, row, ask(engine, row)));
                if (open.size() == ROWS) {
                    add(open.remove(), evaluation);
                    each.run();
                }
            }
        }
        while (!open.isEmpty()) {
            add(open.remove(), evaluation);
            each.run();
        }
        return evaluation.results();
    }

    private static List<Text> ask(Engine engine, Row row) {
        List<Text> texts = new ArrayList<>();
        for (int at = 0; at < row.length(); ) {
            int end = at + 1;
            while (end < row.length() && row.positions()[end] > 0) {
                end++;
            }
            Ask ask = ask(row, at, end);
            if (ask != null) {
                texts.add(new Text(at, engine.ask(ask)));
            }
            at = end;
        }
        return texts;
    }

    /** Of a document at [at, end); null where it has no target of weight. */
    private static Ask ask(Row row, int at, int end) {
        int first = at;
        while (first < end && row.weights()[first] == 0) {
            first++;
        }
        if (first == end) {
            return null;
        }
        int last = end - 1;
        while (row.weights()[last] == 0) {
            last--;
        }
        int[] prompt = Arrays.copyOfRange(row.ids(), at, last + 2);
        prompt[last + 1 - at] = row.targets()[last];
        return new Ask(prompt, 0, Sampler.GREEDY, Set.of(), 0, first + 1 - at);
    }

    private static void add(AskedRow asked, Evaluation evaluation) throws InterruptedException {
        double lossSum = 0;
        double weight = 0;
        boolean right = true;
        for (Text text : asked.texts) {
            try (Answer answer = text.answer) {
                answer.next();
                float[] scores = answer.scores();
                for (int i = 1; i < scores.length; i++) {
                    float w = asked.row.weights()[text.at + i - 1];
                    if (w > 0) {
                        lossSum -= (double) w * scores[i];
                        weight += w;
                        right &= w < 1 || answer.hits()[i];
                    }
                }
            }
        }
        evaluation.add(asked.probe, lossSum, weight, right ? 1 : 0);
    }
}
