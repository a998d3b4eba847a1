package org.ringworld.model.training.job;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigList;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigResolveOptions;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueFactory;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.apache.commons.text.similarity.LevenshteinDistance;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hub.Hub;

/**
 * A job's configuration: HOCON, over the defaults, under {@code key=value} from the command line. A
 * key that no job knows is an error that names the nearest one.
 */
public final class JobFile {
    private static final Config DEFAULTS =
            ConfigFactory.parseResourcesAnySyntax(
                    JobFile.class.getClassLoader(), "job-defaults.conf");

    /** What the command line replaces may name what is nowhere. */
    private static final ConfigResolveOptions UNKNOWN_STAYS =
            ConfigResolveOptions.defaults().setAllowUnresolved(true);

    private static final Config MIX = ConfigFactory.parseString("seqLen = 0, share = 0");
    private static final Config SOURCE =
            stageData(DEFAULTS)
                    .withoutPath("sources")
                    .withoutPath("modalityWeights")
                    .withValue("weight", ConfigValueFactory.fromAnyRef(1));

    private JobFile() {}

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

    /**
     * {@link #resolve(Config, List, HubNames)} where nobody is told of what is fetched.
     *
     * @throws UncheckedIOException where a name of the hub's cannot be fetched
     */
    public static Config resolve(Config job, List<String> overrides) {
        return resolve(job, overrides, new HubNames(new Hub(System.getenv(), Hub.Progress.NONE)));
    }

    /**
     * Puts overrides over a job and defaults under it, checks that every key is known, and fetches
     * what it names of Hugging Face's hub.
     *
     * @throws UncheckedIOException where a name of the hub's cannot be fetched
     */
    public static Config resolve(Config job, List<String> overrides, HubNames hub) {
        Config merged = set(job, overrides);
        try {
            merged = merged.resolve();
            checkKeys(merged);
            merged =
                    DeviceReader.choose(
                            job.resolveWith(merged, UNKNOWN_STAYS),
                            set(ConfigFactory.empty(), overrides).resolveWith(merged),
                            merged);
        } catch (ConfigException e) {
            throw new UsageException("the job cannot be resolved: " + e.getMessage());
        }
        Config whole =
                merged.withFallback(preset(merged))
                        .withFallback(DEFAULTS.withoutPath("stage"))
                        .resolve();
        whole = hub.inJob(withHome(whole));
        whole = whole.withValue("stages", stages(whole));
        return StartModel.fill(whole);
    }

    /** {@code key=value} over defaults that list every key known. */
    public static Config settings(List<String> overrides, Config defaults) {
        Config typed = set(ConfigFactory.empty(), overrides);
        checkKeys(typed, defaults, "");
        Config whole;
        try {
            if (defaults.hasPathOrNull("devices") && defaults.hasPathOrNull("ring.size")) {
                typed = DeviceReader.choose(ConfigFactory.empty(), typed, typed);
            }
            whole = typed.withFallback(defaults).resolve();
        } catch (ConfigException e) {
            throw new UsageException(
                    "%s cannot be resolved: %s"
                            .formatted(String.join(" ", overrides), e.getMessage()));
        }
        return withHome(whole);
    }

    private static Config withHome(Config config) {
        return KeyValue.mapPaths(config, (_, path) -> KeyValue.withHome(path));
    }

    private static Config set(Config on, List<String> overrides) {
        Config with = on;
        for (String override : overrides) {
            with = KeyValue.set(with, override);
        }
        return with;
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

    static ConfigList list(Config config, String path) {
        try {
            return config.getList(path);
        } catch (ConfigException.WrongType e) {
            throw new UsageException(path + " must be a list [ … ]");
        }
    }

    static void checkKeys(Config given, Config known, String prefix) {
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
                    // Names of fields are the data's own; attention is a word or an object.
                    boolean isFree = key.equals("fieldWeights") || path.equals("attention");
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
    static Config usualStage(Config job) {
        return DEFAULTS.getConfig("stage")
                .withValue("optimizer", job.getValue("optimizer"))
                .withValue("data", stageData(job).root());
    }

    /** The keys of data that a stage may have for itself. */
    static Config stageData(Config job) {
        return job.getConfig("data").withoutPath("task").withoutPath("heldOut");
    }
}
