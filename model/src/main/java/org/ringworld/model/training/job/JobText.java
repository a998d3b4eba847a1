package org.ringworld.model.training.job;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigList;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** A resolved job as text, and what two of them differ in. */
public final class JobText {
    private static final List<String> ORDER =
            List.of(
                    "name",
                    "output",
                    "continue",
                    "seed",
                    "dtype",
                    "ring",
                    "device",
                    "devices",
                    "model",
                    "tokenizer",
                    "data",
                    "evaluate",
                    "optimizer",
                    "recompute",
                    "snapshot",
                    "stages");

    /** A tokenizer that is no file. */
    private static final String BYTES = "bytes";

    private JobText() {}

    /**
     * The job as processes in other directories read it: each path that it names, at the top, in a
     * stage or in a source of either, is said from the root.
     *
     * @param here the directory that relative ones are of
     */
    public static Config absolute(Config job, Path here) {
        String name = job.getIsNull("name") ? "job" : job.getString("name");
        String output = job.getIsNull("output") ? "runs/" + name : job.getString("output");
        return KeyValue.mapPaths(
                job.withValue("output", ConfigValueFactory.fromAnyRef(output)),
                (_, path) -> path.equals(BYTES) ? path : here.resolve(path).normalize().toString());
    }

    /**
     * The text that is kept beside the results: a line a key and a line a stage. What a stage has
     * from the job's optimizer or the defaults is not said again.
     */
    public static String render(Config job) {
        return render(job, JobFile.usualStage(job));
    }

    /** Every key, those of stages too; but the job's optimizer and data are not said again. */
    public static String renderWhole(Config job) {
        Config ofTheJob =
                ConfigFactory.empty()
                        .withValue("optimizer", job.getValue("optimizer"))
                        .withValue("data", JobFile.stageData(job).root());
        return render(job, ofTheJob);
    }

    private static String render(Config job, Config usual) {
        StringBuilder text = new StringBuilder();
        for (String key : ORDER) {
            if (key.equals("stages")) {
                text.append("stages = [\n");
                for (ConfigValue stage : JobFile.list(job, "stages")) {
                    text.append("  ")
                            .append(concise(without((ConfigObject) stage, usual.root())))
                            .append('\n');
                }
                text.append("]\n");
            } else {
                text.append(key).append(" = ").append(concise(job.root().get(key))).append('\n');
            }
        }
        return text.toString();
    }

    private static String concise(ConfigValue value) {
        String text = value.render(ConfigRenderOptions.concise().setJson(false));
        // HOCON leaves out the braces of what it takes for a whole file.
        return value instanceof ConfigObject ? "{" + text + "}" : text;
    }

    /** What differs from the usual. */
    private static ConfigObject without(ConfigObject object, ConfigObject usual) {
        ConfigObject rest = object;
        for (Map.Entry<String, ConfigValue> entry : object.entrySet()) {
            ConfigValue other = usual.get(entry.getKey());
            if (entry.getValue().equals(other)) {
                rest = rest.withoutKey(entry.getKey());
            } else if (entry.getValue() instanceof ConfigObject inner
                    && other instanceof ConfigObject usualInner) {
                rest = rest.withValue(entry.getKey(), without(inner, usualInner));
            }
        }
        return rest;
    }

    /** Keys in which two jobs differ, with both values; how a job is run is not part of it. */
    public static List<String> differences(Config there, Config here) {
        Map<String, String> a = values(there);
        Map<String, String> b = values(here);
        List<String> differing = new ArrayList<>();
        TreeMap<String, String> all = new TreeMap<>(a);
        all.putAll(b);
        for (String key : all.keySet()) {
            boolean how =
                    key.matches(
                            "(ring|device|snapshot|evaluate)\\..*|devices.*|recompute|output|continue|name");
            String was = a.getOrDefault(key, "nothing");
            String is = b.getOrDefault(key, "nothing");
            if (!how && !was.equals(is)) {
                differing.add("%s (there %s, here %s)".formatted(key, was, is));
            }
        }
        return differing;
    }

    private static Map<String, String> values(Config job) {
        Map<String, String> values = new TreeMap<>();
        flatten(job.root(), "", values);
        return values;
    }

    private static void flatten(ConfigValue value, String path, Map<String, String> into) {
        switch (value) {
            case ConfigObject object ->
                    object.forEach(
                            (key, inner) ->
                                    flatten(inner, path.isEmpty() ? key : path + "." + key, into));
            case ConfigList list -> {
                for (int i = 0; i < list.size(); i++) {
                    flatten(list.get(i), path + "." + i, into);
                }
            }
            default -> into.put(path, String.valueOf(value.unwrapped()));
        }
    }
}
