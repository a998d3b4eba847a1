package org.ringworld.model.training.job;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigList;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueFactory;
import com.typesafe.config.ConfigValueType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.commons.text.similarity.LevenshteinDistance;
import org.ringworld.checkpoints.hf.LlamaConfig;

/**
 * A job's configuration: HOCON, over the defaults, under {@code key=value} from the command line. A
 * key that no job knows is an error that names the nearest one.
 */
public final class JobFile {
    private static final Config DEFAULTS =
            ConfigFactory.parseResourcesAnySyntax(
                    JobFile.class.getClassLoader(), "job-defaults.conf");
    private static final Config MIX = ConfigFactory.parseString("seqLen = 0, share = 0");
    private static final Config SOURCE =
            stageData(DEFAULTS)
                    .withoutPath("sources")
                    .withoutPath("modalityWeights")
                    .withValue("weight", ConfigValueFactory.fromAnyRef(1));

    /** Keys whose values are paths. */
    private static final Set<String> PATHS =
            Set.of(
                    "output",
                    "path",
                    "continue",
                    "tokenizer",
                    "queue",
                    "key",
                    "certificate",
                    "authority");

    /** A text in quotes, or (the first group) the mark of a comment outside of them. */
    private static final Pattern COMMENT_MARK =
            Pattern.compile("\"\"\".*?\"\"\"|\"(?:[^\"\\\\]|\\\\.)*\"|(//|#)", Pattern.DOTALL);

    private JobFile() {}

    /** The job that runs when none is named. */
    public static Config defaultJob() {
        return ConfigFactory.parseResources(JobFile.class.getClassLoader(), "jobs/needles.conf")
                .withValue("name", ConfigValueFactory.fromAnyRef("needles"));
    }

    /** Reads a job file. */
    public static Config read(Path file) {
        if (!Files.exists(file)) {
            throw new UsageException(
                    file + ": there is no such job file; examples lie in examples/jobs");
        }
        if (Files.isDirectory(file)) {
            throw new UsageException(file + ": is a directory, not a job file");
        }
        String name = file.getFileName().toString().replaceFirst("\\.[^.]*$", "");
        try {
            // Absolute, or includes are silently skipped.
            return ConfigFactory.parseFile(file.toAbsolutePath().toFile())
                    .withFallback(ConfigFactory.parseMap(Map.of("name", name)));
        } catch (ConfigException e) {
            throw new UsageException(file + ": is not HOCON: " + e.getMessage());
        }
    }

    /** Puts overrides over a job and defaults under it, and checks that every key is known. */
    public static Config resolve(Config job, List<String> overrides) {
        Config merged = job;
        for (String override : overrides) {
            merged = override(merged, override);
        }
        try {
            merged = merged.resolve();
        } catch (ConfigException e) {
            throw new UsageException("the job cannot be resolved: " + e.getMessage());
        }
        checkKeys(merged);
        Config whole =
                merged.withFallback(preset(merged))
                        .withFallback(DEFAULTS.withoutPath("stage"))
                        .resolve();
        whole = ((ConfigObject) withHome("", whole.root())).toConfig();
        whole = whole.withValue("stages", stages(whole));
        return StartModel.fill(whole);
    }

    /** {@code key=value} over defaults that list every key known. */
    public static Config settings(List<String> overrides, Config defaults) {
        Config merged = ConfigFactory.empty();
        for (String override : overrides) {
            merged = override(merged, override);
        }
        checkKeys(merged, defaults, "");
        Config whole = merged.withFallback(defaults).resolve();
        return ((ConfigObject) withHome("", whole.root())).toConfig();
    }

    /** Sizes of the preset that a job names, for the keys it does not give. */
    private static Config preset(Config job) {
        if (!job.hasPath("model.preset") || job.getString("model.preset").equals("none")) {
            return ConfigFactory.empty();
        }
        LlamaConfig preset;
        try {
            preset = LlamaConfig.preset(job.getString("model.preset"));
        } catch (IllegalArgumentException e) {
            throw new UsageException("model.preset: " + e.getMessage());
        }
        return ConfigFactory.parseMap(
                        Map.of(
                                "vocabSize", preset.vocabSize(),
                                "hiddenSize", preset.hiddenSize(),
                                "intermediateSize", preset.intermediateSize(),
                                "numLayers", preset.numLayers(),
                                "numHeads", preset.numHeads(),
                                "numKvHeads", preset.numKvHeads(),
                                "headDim", preset.headDim(),
                                "rmsNormEps", preset.rmsNormEps()))
                .atKey("model");
    }

    private static Config override(Config job, String text) {
        int equals = text.indexOf('=');
        if (equals <= 0) {
            throw new UsageException(
                    "'" + text + "' is neither an option nor key=value; try --help");
        }
        String key = text.substring(0, equals).trim();
        String value = text.substring(equals + 1);
        List<String> path;
        try {
            path = ConfigUtil.splitPath(key);
        } catch (ConfigException e) {
            throw new UsageException("'" + key + "' is not a key: " + e.getMessage());
        }
        return ((ConfigObject) set(job.root(), path, value(value), key)).toConfig();
    }

    /**
     * A value as it was typed: HOCON where the whole of it is one HOCON value, else the text
     * itself. A comment's mark or a line's end inside it, as in {@code path=D//books}, is part of
     * the value.
     */
    private static ConfigValue value(String text) {
        try {
            // In a list, so that what follows a comma or a line's end is seen and not left out.
            ConfigObject parsed =
                    ConfigFactory.parseString("value = [" + quoteComments(text) + "\n]").root();
            if (parsed.size() == 1
                    && parsed.get("value") instanceof ConfigList list
                    && list.size() == 1) {
                ConfigValue value = list.getFirst();
                boolean quoted = text.strip().startsWith("\"");
                return isText(value) && !quoted ? ConfigValueFactory.fromAnyRef(text) : value;
            }
        } catch (ConfigException e) {
            // A plain text, such as a path with a colon.
        }
        return ConfigValueFactory.fromAnyRef(text);
    }

    private static boolean isText(ConfigValue value) {
        try {
            return value.valueType() == ConfigValueType.STRING;
        } catch (ConfigException.NotResolved e) {
            return false; // ${a.key}
        }
    }

    /** Puts comment marks outside of quotes into quotes: HOCON joins a"//"b to one text. */
    private static String quoteComments(String text) {
        return COMMENT_MARK
                .matcher(text)
                .replaceAll(
                        mark ->
                                Matcher.quoteReplacement(
                                        mark.group(1) == null
                                                ? mark.group()
                                                : '"' + mark.group(1) + '"'));
    }

    /** The home directory in front of a path that begins with ~, which no shell replaces there. */
    public static String withHome(String path) {
        if (path.equals("~") || path.startsWith("~/")) {
            return System.getProperty("user.home") + path.substring(1);
        }
        if (path.matches("~[^/]+(/.*)?")) {
            throw new UsageException(
                    path + ": write the home directory out; only ~/ stands for your own");
        }
        return path;
    }

    /** Sets the home directory into every path of a job or a node. */
    private static ConfigValue withHome(String key, ConfigValue value) {
        return switch (value) {
            case ConfigObject object -> {
                ConfigObject with = object;
                for (Map.Entry<String, ConfigValue> entry : object.entrySet()) {
                    with =
                            with.withValue(
                                    entry.getKey(), withHome(entry.getKey(), entry.getValue()));
                }
                yield with;
            }
            case ConfigList list ->
                    ConfigValueFactory.fromIterable(
                            list.stream().map(element -> withHome(key, element)).toList());
            case ConfigValue text
                    when PATHS.contains(key)
                            && text.unwrapped() instanceof String s
                            // Others stay as they were written, without quotes.
                            && s.startsWith("~") ->
                    ConfigValueFactory.fromAnyRef(withHome(s));
            default -> value;
        };
    }

    /** Sets one value deep inside; a number in the path changes that element of a list alone. */
    private static ConfigValue set(
            ConfigValue at, List<String> path, ConfigValue value, String key) {
        if (path.isEmpty()) {
            return value;
        }
        String head = path.getFirst();
        List<String> rest = path.subList(1, path.size());
        if (at instanceof ConfigList list && head.matches("\\d+")) {
            int index = head.length() > 9 ? Integer.MAX_VALUE : Integer.parseInt(head);
            if (index >= list.size()) {
                throw new UsageException(
                        "%s: there is no element %s; the list has %d, counted from 0"
                                .formatted(key, head, list.size()));
            }
            List<ConfigValue> elements = new ArrayList<>(list);
            elements.set(index, set(elements.get(index), rest, value, key));
            return ConfigValueFactory.fromIterable(elements);
        }
        ConfigObject object = at instanceof ConfigObject o ? o : ConfigFactory.empty().root();
        return object.withValue(head, set(object.get(head), rest, value, key));
    }

    private static void checkKeys(Config job) {
        checkKeys(job.withoutPath("stages"), DEFAULTS.withoutPath("stage"), "");
        checkSources(job, "");
        if (!job.hasPathOrNull("stages") || job.getIsNull("stages")) {
            return;
        }
        Config known = usualStage(DEFAULTS);
        int i = 0;
        for (ConfigValue value : list(job, "stages")) {
            if (!(value instanceof ConfigObject object)) {
                throw new UsageException("stages." + i + " must be an object { seqLen = … }");
            }
            String prefix = "stages." + i++ + ".";
            checkKeys(object.toConfig().withoutPath("mix"), known, prefix);
            checkSources(object.toConfig(), prefix);
            if (object.containsKey("mix")) {
                checkObjects(object.toConfig(), "mix", MIX, prefix);
            }
        }
    }

    private static void checkSources(Config owner, String prefix) {
        if (owner.hasPath("data.sources")) {
            checkObjects(owner, "data.sources", SOURCE, prefix);
        }
    }

    /** Checks the keys of each object in a list. */
    private static void checkObjects(Config owner, String path, Config known, String prefix) {
        int i = 0;
        for (ConfigValue value : list(owner, path)) {
            if (!(value instanceof ConfigObject object)) {
                throw new UsageException(prefix + path + " holds objects { … }");
            }
            checkKeys(object.toConfig(), known, "%s%s.%d.".formatted(prefix, path, i++));
        }
    }

    private static ConfigList list(Config config, String path) {
        try {
            return config.getList(path);
        } catch (ConfigException.WrongType e) {
            throw new UsageException(path + " must be a list [ … ]");
        }
    }

    private static void checkKeys(Config given, Config known, String prefix) {
        List<String> names = new ArrayList<>();
        leaves(known.root(), "", names);
        List<String> keys = new ArrayList<>();
        leaves(given.root(), "", keys);
        for (String key : keys) {
            if (names.contains(key)) {
                continue;
            }
            if (names.stream().anyMatch(n -> n.startsWith(key + "."))) {
                throw new UsageException(prefix + key + " must be an object { … }");
            }
            LevenshteinDistance distance = LevenshteinDistance.getDefaultInstance();
            String nearest =
                    names.stream()
                            .min(Comparator.comparingInt(n -> nearness(distance, key, n)))
                            .orElseThrow();
            throw new UsageException(
                    "unknown key %s%s; did you mean %s%s?".formatted(prefix, key, prefix, nearest));
        }
    }

    /** A name also fits by its last part: learningRate is optimizer.learningRate. */
    private static int nearness(LevenshteinDistance distance, String key, String name) {
        String last = name.substring(name.lastIndexOf('.') + 1);
        String keyLast = key.substring(key.lastIndexOf('.') + 1);
        return 2 * Math.min(distance.apply(key, name), distance.apply(keyLast, last) + 1)
                + (key.equals(keyLast) == name.equals(last) ? 0 : 1);
    }

    /** Paths of all values, nulls and empty objects too. */
    private static void leaves(ConfigObject object, String prefix, List<String> into) {
        object.forEach(
                (key, value) -> {
                    String path = prefix + key;
                    // Names of fields are the data's own.
                    boolean isFree = key.equals("fieldWeights");
                    if (value instanceof ConfigObject inner && !inner.isEmpty() && !isFree) {
                        leaves(inner, path + ".", into);
                    } else {
                        into.add(path);
                    }
                });
    }

    /** Every stage complete: with the defaults, the job's optimizer and data under its own. */
    private static ConfigValue stages(Config job) {
        List<ConfigObject> whole = new ArrayList<>();
        for (ConfigValue value : list(job, "stages")) {
            Config own = ((ConfigObject) value).toConfig();
            boolean hasPath = own.hasPath("data.path");
            boolean hasSources =
                    own.hasPath("data.sources") && !list(own, "data.sources").isEmpty();
            // Documents of a stage's own stand instead of the job's, be those one path or several.
            if (hasPath && !own.hasPath("data.sources")) {
                own = own.withFallback(ConfigFactory.parseString("data.sources = []"));
            } else if (hasSources && !hasPath) {
                own = own.withFallback(ConfigFactory.parseString("data.path = null"));
            }
            whole.add(own.withFallback(usualStage(job)).root());
        }
        return ConfigValueFactory.fromIterable(whole);
    }

    /** What a stage has where it says nothing. */
    private static Config usualStage(Config job) {
        return DEFAULTS.getConfig("stage")
                .withValue("optimizer", job.getValue("optimizer"))
                .withValue("data", stageData(job).root());
    }

    /** The keys of data that a stage may have for itself. */
    private static Config stageData(Config job) {
        return job.getConfig("data").withoutPath("task").withoutPath("heldOut");
    }

    /**
     * The text that is kept beside the results: a line a key and a line a stage. What a stage has
     * from the job's optimizer or the defaults is not said again.
     */
    public static String render(Config job) {
        return render(job, usualStage(job));
    }

    /** Every key, those of stages too; but the job's optimizer and data are not said again. */
    public static String renderWhole(Config job) {
        Config ofTheJob =
                ConfigFactory.empty()
                        .withValue("optimizer", job.getValue("optimizer"))
                        .withValue("data", stageData(job).root());
        return render(job, ofTheJob);
    }

    private static String render(Config job, Config usual) {
        StringBuilder text = new StringBuilder();
        for (String key : ORDER) {
            if (key.equals("stages")) {
                text.append("stages = [\n");
                for (ConfigValue stage : list(job, "stages")) {
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

    private static final List<String> ORDER =
            List.of(
                    "name",
                    "output",
                    "continue",
                    "seed",
                    "dtype",
                    "ring",
                    "device",
                    "model",
                    "tokenizer",
                    "data",
                    "optimizer",
                    "recompute",
                    "snapshot",
                    "stages");

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
            boolean how = key.matches("(ring|device|snapshot)\\..*|recompute|output|continue|name");
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
