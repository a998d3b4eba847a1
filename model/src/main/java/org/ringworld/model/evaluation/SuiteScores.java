package org.ringworld.model.evaluation;

import java.util.List;
import java.util.OptionalInt;
import org.ringworld.model.evaluation.AskedSuite.Answered;
import org.ringworld.tokenizer.suites.Task;

/** How a model did in a suite, by task and length; scores are from 0 to 1. */
public record SuiteScores(List<String> tasks, List<Integer> lengths, List<Answered> answered) {
    public static SuiteScores of(AskedSuite suite, List<Answered> answered) {
        List<String> tasks = suite.tasks().stream().map(Task::name).toList();
        return new SuiteScores(tasks, suite.lengths(), List.copyOf(answered));
    }

    /** The mean of a task's questions at a length. */
    public double score(String task, int length) {
        return answered.stream()
                .filter(a -> a.length() == length && a.task().equals(task))
                .mapToDouble(Answered::score)
                .average()
                .orElse(0);
    }

    /** The mean of all tasks at a length. */
    public double mean(int length) {
        return tasks.stream().mapToDouble(task -> score(task, length)).average().orElse(0);
    }

    /** The greatest length at which the mean of all tasks is at least so much; none: at none. */
    public OptionalInt effectiveLength(double threshold) {
        return lengths.stream()
                .mapToInt(Integer::intValue)
                .filter(length -> mean(length) >= threshold)
                .max();
    }
}
