package org.ringworld.model.training.coordination;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/** What all ranks answer to the same order, in the order of ranks, not of arrival. */
public final class RankAnswers {
    private final TreeMap<Integer, Report> byRank = new TreeMap<>();

    /**
     * One rank's answer; a second one of the same rank counts for nothing.
     *
     * @return what all of {@code ranks} say once this was the last of them, else an empty list
     */
    public List<Report> add(Report report, int ranks) {
        if (byRank.putIfAbsent(report.rank(), report) != null || byRank.size() < ranks) {
            return List.of();
        }
        List<Report> all = new ArrayList<>(byRank.values());
        byRank.clear();
        return all;
    }

    /** Forgets what was answered. */
    public void clear() {
        byRank.clear();
    }

    /** The answers as what they all are. */
    public static <T extends Report> List<T> as(Class<T> kind, List<Report> answers) {
        return answers.stream().map(kind::cast).toList();
    }
}
