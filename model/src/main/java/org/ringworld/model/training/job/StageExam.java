package org.ringworld.model.training.job;

import java.nio.file.Path;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.suites.Haystack;
import org.ringworld.tokenizer.suites.Prompt;
import org.ringworld.tokenizer.suites.Suite;
import org.ringworld.tokenizer.suites.Task;

/**
 * What a model is asked at a stage's end, in rows of the stage's length, and what it must reach
 * there for the next stage to begin. A question counts where, given the true text before it, each
 * token of its answer is the likeliest: stricter than the suite itself, which asks what a free
 * answer contains.
 *
 * @param suite null: single needles, as stages of needles are evaluated by anyway
 * @param tasks of the suite; none of needles
 * @param documents questions of each task
 * @param texts in which things are hidden; null: made-up prose
 * @param advance the mean of the tasks' scores, 0 to 1, under which the stage is done again
 * @param times how often it is done at most
 */
public record StageExam(
        Suite suite, List<Task> tasks, int documents, Path texts, double advance, int times) {

    /** Whether a result counts in its score. */
    private boolean asks(Probe.Result result, int seqLen) {
        boolean own =
                suite == null
                        ? result.kind().equals(new Probe.Needles(1))
                        : tasks.stream().anyMatch(task -> result.kind().equals(kind(task)));
        return own && result.seqLen() == seqLen;
    }

    /** The mean of all tasks' scores in rows of a length, 0 to 1. */
    public double score(List<Probe.Result> results, int seqLen) {
        return results.stream()
                .filter(result -> asks(result, seqLen))
                .mapToDouble(Probe.Result::accuracy)
                .average()
                .orElse(0);
    }

    /**
     * The questions of a suite, a probe a task. Long ones take much memory: they are made when they
     * are asked.
     *
     * @throws DataException where texts cannot be read, or a question does not fit in a row
     */
    List<Probe> probes(Tokenizer tokenizer, int seqLen, long seed) throws DataException {
        Haystack haystack = texts == null ? Haystack.prose() : Haystack.of(texts);
        Prompt.Source source =
                new Prompt.Source(haystack, tokenizer, q -> tokenizer.prompt(q.text()), seed);
        List<Probe> probes = new ArrayList<>();
        for (Task task : tasks) {
            List<Row> rows =
                    new AbstractList<>() {
                        @Override
                        public Row get(int number) {
                            return row(task, source, seqLen, number);
                        }

                        @Override
                        public int size() {
                            return documents;
                        }
                    };
            try {
                rows.getFirst();
            } catch (IllegalArgumentException e) {
                throw new DataException(e.getMessage(), e);
            }
            probes.add(new Probe(kind(task), seqLen, Double.NaN, rows));
        }
        return probes;
    }

    private Probe.Kind kind(Task task) {
        return new Probe.Answers(suite.title(), task.name());
    }

    private static Row row(Task task, Prompt.Source source, int seqLen, int number) {
        Prompt prompt = Prompt.fill(task, source, seqLen, number);
        int[] answer = prompt.answer(task, source.tokenizer());
        int asked = prompt.ids().length;
        int[] text = Arrays.copyOf(prompt.ids(), asked + answer.length);
        System.arraycopy(answer, 0, text, asked, answer.length);
        // The last token has no target, and all after it is padding.
        int used = text.length - 1;
        int[] ids = Arrays.copyOf(Arrays.copyOf(text, used), seqLen);
        int[] positions = new int[seqLen];
        int[] segments = new int[seqLen];
        int[] targets = new int[seqLen];
        float[] weights = new float[seqLen];
        Arrays.fill(segments, used, seqLen, Row.PADDING);
        Arrays.fill(targets, used, seqLen, Row.NO_TARGET);
        for (int i = 0; i < used; i++) {
            positions[i] = i;
            targets[i] = text[i + 1];
            weights[i] = i + 1 >= asked ? 1 : 0;
        }
        return new Row(ids, positions, segments, targets, weights);
    }
}
