package org.ringworld.cli.eval;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeMap;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.suites.LwmNeedles;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Results of needles in a JSON array under LWM's keys, whole on disk after each; beside them the
 * model, haystack and seed, by which a file that answers something else is known.
 */
final class NeedleResults {
    private static final JsonMapper JSON = JsonMapper.shared();

    private final Path file;
    private final ObjectNode asked;
    private final ArrayNode results;
    private final Set<Key> done = new HashSet<>();

    /**
     * A question.
     *
     * @param depth in percent; NaN: of several needles
     */
    record Key(int length, double depth, int round) {}

    private NeedleResults(Path file, ObjectNode asked, ArrayNode results) {
        this.file = file;
        this.asked = asked;
        this.results = results;
        results.forEach(result -> done.add(key(result)));
    }

    /**
     * Those that are there already.
     *
     * @throws UsageException where they are of something else, or it is no such file
     */
    static NeedleResults open(Path file, String model, String haystack, long seed)
            throws IOException {
        ObjectNode asked = JSON.createObjectNode();
        asked.put("model", model).put("haystack", haystack).put("haystack_seed", seed);
        ArrayNode results = Files.exists(file) ? read(file) : JSON.createArrayNode();
        for (JsonNode result : results) {
            for (String name : asked.propertyNames()) {
                requireSame(file, name, result.path(name), asked.path(name));
            }
        }
        return new NeedleResults(file, asked, results);
    }

    private static ArrayNode read(Path file) {
        try {
            return (ArrayNode) JSON.readTree(file.toFile());
        } catch (JacksonException | ClassCastException e) {
            throw new UsageException(file + ": holds no results of needles: give another --out");
        }
    }

    private static void requireSame(Path file, String name, JsonNode there, JsonNode asked) {
        if (!there.asString("nothing").equals(asked.asString())) {
            throw new UsageException(
                    "%s: has results with %s = %s, not %s: give another --out"
                            .formatted(file, name, there.asString("nothing"), asked.asString()));
        }
    }

    boolean has(Key key) {
        return done.contains(key);
    }

    void add(ObjectNode result) throws IOException {
        results.add(result.setAll(asked));
        ResultsJson.write(file, results);
    }

    /** What was answered, as LWM writes it: a list of numbers where several were hidden. */
    static ObjectNode of(LwmNeedles.Asked asked, String written) {
        ObjectNode result = JSON.createObjectNode();
        result.put("context_length", asked.length());
        if (asked.hidden().size() == 1) {
            LwmNeedles.Hidden hidden = asked.hidden().getFirst();
            result.put("depth_percent", hidden.depth()).put("response", written);
            result.put("answer", hidden.number());
            result.put("correct", written.contains(hidden.number()));
        } else {
            ObjectNode infos = result.putObject("needles_info");
            asked.hidden().forEach(h -> infos.putArray(h.city()).add(h.number()).add(h.depth()));
            result.put("question", asked.question());
            ArrayNode answers = result.putArray("answer");
            asked.asked().forEach(h -> answers.add(h.number()));
            result.put("response", written);
            ArrayNode correct = result.putArray("correct");
            asked.asked().forEach(h -> correct.add(written.contains(h.number())));
        }
        return result.put("seed", asked.round());
    }

    private static Key key(JsonNode result) {
        return new Key(
                result.path("context_length").asInt(),
                result.path("depth_percent").asDouble(Double.NaN),
                result.path("seed").asInt());
    }

    /** Shares of right numbers by depth, then length; of several needles by that of each. */
    private TreeMap<Double, TreeMap<Integer, double[]>> counts(List<Integer> lengths) {
        TreeMap<Double, TreeMap<Integer, double[]>> counts = new TreeMap<>();
        for (JsonNode result : results) {
            int length = result.path("context_length").asInt();
            if (!lengths.contains(length)) {
                continue;
            }
            if (result.path("correct").isBoolean()) {
                double depth = result.path("depth_percent").asDouble();
                count(counts, depth, length, result.path("correct").asBoolean());
                continue;
            }
            for (int i = 0; i < result.path("answer").size(); i++) {
                String number = result.path("answer").path(i).asString();
                for (JsonNode info : result.path("needles_info")) {
                    if (info.path(0).asString().equals(number)) {
                        boolean right = result.path("correct").path(i).asBoolean();
                        count(counts, info.path(1).asDouble(), length, right);
                    }
                }
            }
        }
        return counts;
    }

    private static void count(
            TreeMap<Double, TreeMap<Integer, double[]>> counts,
            double depth,
            int length,
            boolean right) {
        double[] cell =
                counts.computeIfAbsent(depth, _ -> new TreeMap<>())
                        .computeIfAbsent(length, _ -> new double[2]);
        cell[0] += right ? 1 : 0;
        cell[1]++;
    }

    /** Percent that was right, a line a depth. */
    String table(List<Integer> lengths) {
        TreeMap<Double, TreeMap<Integer, double[]>> counts = counts(lengths);
        StringBuilder table = new StringBuilder("%-12s".formatted("depth"));
        lengths.forEach(length -> table.append("%9d".formatted(length)));
        counts.forEach(
                (depth, cells) -> {
                    table.append(String.format(Locale.ROOT, "%n%-12s", depth + " %"));
                    lengths.forEach(length -> table.append(percent(cells.get(length))));
                });
        table.append("%n%-12s".formatted("all"));
        for (int length : lengths) {
            double[] all = new double[2];
            for (TreeMap<Integer, double[]> cells : counts.values()) {
                double[] cell = cells.getOrDefault(length, new double[2]);
                all[0] += cell[0];
                all[1] += cell[1];
            }
            table.append(percent(all));
        }
        return table.append(System.lineSeparator()).toString();
    }

    private static String percent(double[] cell) {
        return cell == null || cell[1] == 0
                ? "%9s".formatted("")
                : String.format(Locale.ROOT, "%9.1f", 100 * cell[0] / cell[1]);
    }

    /** A field for each depth and length, the darker the better. */
    void draw(Path picture, List<Integer> lengths) throws IOException {
        TreeMap<Double, TreeMap<Integer, double[]>> counts = counts(lengths);
        List<Double> depths = List.copyOf(counts.descendingKeySet());
        List<String> named = depths.stream().map(depth -> depth + " %").toList();
        HeatMap.draw(
                picture,
                "needles: right, %",
                lengths,
                named,
                (length, depth) -> {
                    double[] cell = counts.get(depths.get(depth)).get(lengths.get(length));
                    return cell == null ? Double.NaN : 100 * cell[0] / cell[1];
                });
    }
}
