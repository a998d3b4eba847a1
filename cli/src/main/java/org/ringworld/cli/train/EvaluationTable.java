package org.ringworld.cli.train;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeSet;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import org.ringworld.model.training.Curriculum;
import org.ringworld.model.training.job.Probe;

/** What a run was evaluated by: of each kind a table, a line a stage and a column a length. */
final class EvaluationTable {
    private EvaluationTable() {}

    /**
     * @param evaluated results after each stage; −1: before the first
     */
    static List<String> lines(
            Curriculum curriculum, SortedMap<Integer, List<Probe.Result>> evaluated) {
        List<String> lines = new ArrayList<>();
        Set<Probe.Kind> kinds = new LinkedHashSet<>();
        evaluated.values().stream()
                .flatMap(Collection::stream)
                .forEach(result -> kinds.add(result.kind()));
        for (Probe.Kind kind : kinds) {
            TreeSet<Integer> lengths = new TreeSet<>();
            evaluated.values().forEach(all -> of(kind, all).forEach(r -> lengths.add(r.seqLen())));
            lines.add("");
            lines.add(line(kind.name(), lengths, Integer::toString));
            evaluated.forEach(
                    (stage, all) -> {
                        if (!of(kind, all).isEmpty()) {
                            String when = LossChart.moment(curriculum, stage);
                            lines.add(line(when, lengths, n -> score(of(kind, all), n)));
                        }
                    });
        }
        if (!lines.isEmpty()) {
            lines.add("");
        }
        return lines;
    }

    private static List<Probe.Result> of(Probe.Kind kind, List<Probe.Result> all) {
        return all.stream().filter(result -> result.kind().equals(kind)).toList();
    }

    private static String line(String name, Set<Integer> lengths, IntFunction<String> cell) {
        return lengths.stream()
                .map(length -> "%9s".formatted(cell.apply(length)))
                .collect(Collectors.joining("", "%-24s".formatted(name), ""))
                .stripTrailing();
    }

    /** Of a length; empty where it was not evaluated. */
    private static String score(List<Probe.Result> results, int length) {
        return results.stream()
                .filter(result -> result.seqLen() == length)
                .map(result -> String.format(Locale.ROOT, "%.3f", result.score()))
                .findFirst()
                .orElse("");
    }
}
