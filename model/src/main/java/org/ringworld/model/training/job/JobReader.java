package org.ringworld.model.training.job;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.AdamW;
import org.ringworld.model.training.Curriculum;
import org.ringworld.model.training.LearningRate;
import org.ringworld.model.training.Stage;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;

/** Makes a {@link Job} of a resolved configuration, checking every value. */
public final class JobReader {
    /** A key that a stage has from its job where it says nothing. */
    private static final Pattern INHERITED = Pattern.compile("(data|optimizer)\\.(\\w+)");

    private JobReader() {}

    /**
     * The job that a program writes down.
     *
     * @param text HOCON, as in a job file
     * @param overrides {@code key=value}
     */
    public static Job read(String text, String... overrides) {
        Config config = JobFile.resolve(ConfigFactory.parseString(text), List.of(overrides));
        return read(config, Runtime.getRuntime().availableProcessors());
    }

    /** The job that a resolved configuration describes. */
    public static Job read(Config config, int allowedCores) {
        try {
            return job(config, allowedCores);
        } catch (ConfigException e) {
            throw new UsageException("the job does not fit: " + message(e));
        } catch (IllegalArgumentException e) {
            throw new UsageException("the job does not fit: " + e.getMessage());
        }
    }

    /** What is wrong, without where HOCON has it from. */
    static String message(RuntimeException e) {
        return e.getMessage().replaceFirst("^.*?: (?=\\S+ has type|Invalid value)", "");
    }

    private static Job job(Config config, int allowedCores) {
        String name = optional(config, "name", "job");
        List<DeviceSpec> devices = DeviceReader.ofRing(config, allowedCores);
        Layout layout = Layout.of(config.getString("ring.layout"));
        Recompute.Choice recompute = oneOf(config, "recompute", Recompute.Choice.class);
        Path start = path(config, "model.path");
        double heldOut = config.getDouble("data.heldOut");
        if (heldOut < 0 || heldOut >= 1) {
            throw new UsageException("data.heldOut = " + heldOut + " must be at least 0, under 1");
        }
        Curriculum curriculum = curriculum(config);
        LlamaConfig model =
                start == null
                        ? model(config)
                        : StartModel.config(
                                start,
                                config.getInt("model.visionVocabSize"),
                                config.getBoolean("model.growVocabulary")
                                        ? config.getString("tokenizer")
                                        : null);
        requireTrained(curriculum, model);
        return new Job(
                JobText.render(config),
                name,
                Path.of(optional(config, "output", "runs/" + name)),
                config.getLong("seed"),
                DType.ofValues(config.getString("dtype")),
                devices,
                positive(config, "ring.minSize"),
                layout,
                oneOf(config, "ring.shares", RingShares.Choice.class),
                mask(config),
                model,
                start,
                path(config, "continue"),
                config.getDouble("model.initStd"),
                config.getString("tokenizer"),
                data(config, curriculum),
                heldOut,
                curriculum,
                recompute,
                positive(config, "snapshot.everySteps"),
                positive(config, "snapshot.keep"),
                config.getInt("snapshot.milestoneEverySteps") == 0
                        ? 0
                        : positive(config, "snapshot.milestoneEverySteps"),
                evaluate(config),
                ExamReader.read(config));
    }

    private static CausalMask mask(Config config) {
        ConfigValue given = config.getValue("attention");
        if (given.unwrapped().equals("causal")) {
            return CausalMask.CAUSAL;
        }
        boolean isBlocks =
                given instanceof ConfigObject object
                        && object.keySet().equals(Set.of("blockCausal"))
                        && object.get("blockCausal") instanceof ConfigObject blocks
                        && blocks.keySet().equals(Set.of("size"));
        if (!isBlocks) {
            throw new UsageException(
                    "attention = %s is neither causal nor { blockCausal { size = N } }"
                            .formatted(given.render(ConfigRenderOptions.concise())));
        }
        return new CausalMask(positive(config, "attention.blockCausal.size"));
    }

    private static Job.Evaluate evaluate(Config config) {
        String path = optional(config, "evaluate.path", null);
        StageData.Source documents = null;
        if (path != null) {
            Config data =
                    config.getConfig("data")
                            .withValue("path", ConfigValueFactory.fromAnyRef(path))
                            .withValue("sources", ConfigValueFactory.fromIterable(List.of()));
            documents = evaluated(data, config.getString("tokenizer"));
        }
        int every = config.getInt("evaluate.everySteps");
        return new Job.Evaluate(
                every == 0 ? 0 : positive(config, "evaluate.everySteps"),
                documents,
                positive(config, "evaluate.tokens"));
    }

    private static List<StageData> data(Config config, Curriculum curriculum) {
        List<StageData> data = new ArrayList<>();
        List<? extends Config> given = config.getConfigList("stages");
        for (int i = 0; i < given.size(); i++) {
            boolean isText = curriculum.stages().get(i).task() == Stage.Task.TEXT;
            try {
                data.add(
                        isText
                                ? DataReader.read(
                                        given.get(i).getConfig("data"),
                                        config.getString("tokenizer"))
                                : new StageData(List.of()));
            } catch (UsageException | ConfigException e) {
                throw new UsageException(asTyped(i, config, e.getMessage()));
            }
        }
        return data;
    }

    /** Names the key that was typed: the job's, unless the stage has a value of its own there. */
    private static String asTyped(int stage, Config job, String message) {
        String inStage = "stages." + stage + "." + message;
        Matcher key = INHERITED.matcher(message);
        if (!key.lookingAt()) {
            return inStage;
        }
        Config whole = job.getConfigList("stages").get(stage);
        ConfigValue own = whole.getConfig(key.group(1)).root().get(key.group(2));
        ConfigValue jobs = job.getConfig(key.group(1)).root().get(key.group(2));
        return own == null || own.equals(jobs) ? message : inStage;
    }

    private static LlamaConfig model(Config config) {
        int hidden = positive(config, "model.hiddenSize");
        int heads = positive(config, "model.numHeads");
        int headDim =
                config.getIsNull("model.headDim")
                        ? hidden / heads
                        : positive(config, "model.headDim");
        return new LlamaConfig(
                positive(config, "model.vocabSize"),
                hidden,
                positive(config, "model.intermediateSize"),
                positive(config, "model.numLayers"),
                heads,
                config.getIsNull("model.numKvHeads") ? heads : positive(config, "model.numKvHeads"),
                headDim,
                config.getDouble("model.rmsNormEps"),
                1e4,
                new RopeScaling.None(),
                config.getBoolean("model.tieEmbeddings"),
                1,
                config.getInt("model.visionVocabSize"));
    }

    private static Curriculum curriculum(Config config) {
        List<Stage> stages = new ArrayList<>();
        List<? extends Config> given = config.getConfigList("stages");
        for (int i = 0; i < given.size(); i++) {
            try {
                stages.add(stage(given.get(i), config));
            } catch (UsageException | IllegalArgumentException | ConfigException e) {
                throw new UsageException(asTyped(i, config, e.getMessage()));
            }
        }
        return new Curriculum(stages);
    }

    private static Stage stage(Config stage, Config job) {
        boolean hasDocuments = DataReader.hasDocuments(stage.getConfig("data"));
        Stage.Task task = task(stage, job, hasDocuments);
        if (task != Stage.Task.TEXT && hasDocuments && ownDocuments(stage, job)) {
            throw new UsageException(
                    "data.path: task = %s makes its own texts; leave out the one or the other"
                            .formatted(task));
        }
        if (task == Stage.Task.TEXT && !hasDocuments) {
            throw new UsageException("task = text needs data.path or data.sources");
        }
        if (stage.getIsNull("seqLen")) {
            throw new UsageException("seqLen is missing");
        }
        int seqLen = positive(stage, "seqLen");
        long tokensPerStep =
                stage.getIsNull("tokensPerStep") ? seqLen : (long) stage.getDouble("tokensPerStep");
        if (stage.getIsNull("steps") == stage.getIsNull("tokens")) {
            throw new UsageException("give either steps or tokens");
        }
        List<Stage.Mix> mix = new ArrayList<>();
        for (Config other : stage.getConfigList("mix")) {
            mix.add(new Stage.Mix(positive(other, "seqLen"), other.getDouble("share")));
        }
        Stage read =
                new Stage(
                        optional(stage, "name", task.toString()),
                        task,
                        seqLen,
                        mix,
                        stage.getDouble("ropeTheta"),
                        stage.getIsNull("steps") ? 1 : stage.getLong("steps"),
                        tokensPerStep,
                        positive(stage, "microBatches"),
                        optimizer(stage.getConfig("optimizer")));
        return stage.getIsNull("tokens") ? read : read.withTokens((long) stage.getDouble("tokens"));
    }

    private static Stage.Task task(Config stage, Config job, boolean hasDocuments) {
        if (stage.getIsNull("task") && hasDocuments) {
            return Stage.Task.TEXT;
        }
        return stage.getIsNull("task")
                ? oneOf(job, "data.task", Stage.Task.class)
                : oneOf(stage, "task", Stage.Task.class);
    }

    /** Whether it names documents that are not the whole job's. */
    private static boolean ownDocuments(Config stage, Config job) {
        return Stream.of("path", "sources")
                .anyMatch(
                        key ->
                                !stage.getConfig("data")
                                        .root()
                                        .get(key)
                                        .equals(job.getConfig("data").root().get(key)));
    }

    private static AdamW optimizer(Config config) {
        return new AdamW(
                new LearningRate(
                        atLeast0(config, "learningRate"),
                        oneOf(config, "schedule", LearningRate.Schedule.class),
                        (int) atLeast0(config, "warmupSteps"),
                        atLeast0(config, "decayFraction"),
                        atLeast0(config, "minRatio"),
                        atLeast0(config, "initLearningRate"),
                        (int) atLeast0(config, "decaySteps")),
                below1(config, "beta1"),
                below1(config, "beta2"),
                atLeast0(config, "eps"),
                atLeast0(config, "weightDecay"),
                atLeast0(config, "clipNorm"),
                config.getBoolean("decayNorms"),
                firstMoment(config.getString("firstMoment")),
                config.getStringList("train"));
    }

    private static DType firstMoment(String name) {
        try {
            return DType.ofValues(name);
        } catch (IllegalArgumentException e) {
            throw new UsageException(
                    "optimizer.firstMoment = " + name + " is not one of f32, bf16");
        }
    }

    private static StageData.Source evaluated(Config data, String tokenizer) {
        try {
            return DataReader.read(data, tokenizer).sources().getFirst();
        } catch (UsageException e) {
            throw new UsageException(e.getMessage().replace("data.path", "evaluate.path"));
        }
    }

    /** A pattern that nothing has is a mistake that would be noticed late. */
    private static void requireTrained(Curriculum curriculum, LlamaConfig model) {
        List<String> names = LlamaTensors.of(model).stream().map(TensorSpec::name).toList();
        for (Stage stage : curriculum.stages()) {
            for (String pattern : stage.optimizer().train()) {
                if (names.stream().noneMatch(name -> AdamW.matches(pattern, name))) {
                    throw new UsageException(
                            "optimizer.train: no parameter is called %s; there are %s"
                                    .formatted(pattern, shown(names)));
                }
            }
        }
    }

    /** Of the layers the first alone. */
    private static String shown(List<String> names) {
        return names.stream()
                .filter(name -> !name.contains(".layers.") || name.contains(".layers.0."))
                .collect(Collectors.joining(", "));
    }

    public static int positive(Config config, String key) {
        long value = config.getLong(key);
        if (value < 1 || value > Integer.MAX_VALUE) {
            throw new UsageException(key + " = " + value + " must be at least 1");
        }
        return (int) value;
    }

    private static double atLeast0(Config config, String key) {
        double value = config.getDouble(key);
        if (!(value >= 0)) {
            throw new UsageException("optimizer." + key + " = " + value + " must be at least 0");
        }
        return value;
    }

    private static double below1(Config config, String key) {
        double value = atLeast0(config, key);
        if (value >= 1) {
            throw new UsageException("optimizer." + key + " = " + value + " must be under 1");
        }
        return value;
    }

    /**
     * The constant of that name, in letters of either case.
     *
     * @throws UsageException where there is none, with the names of all
     */
    public static <E extends Enum<E>> E oneOf(Config config, String key, Class<E> type) {
        String value = config.getString(key).toLowerCase(Locale.ROOT);
        List<String> names =
                Arrays.stream(type.getEnumConstants())
                        .map(constant -> constant.name().toLowerCase(Locale.ROOT))
                        .toList();
        if (!names.contains(value)) {
            throw new UsageException(
                    key + " = " + value + " is not one of " + String.join(", ", names));
        }
        return type.getEnumConstants()[names.indexOf(value)];
    }

    private static String optional(Config config, String key, String otherwise) {
        return config.getIsNull(key) ? otherwise : config.getString(key);
    }

    static Path path(Config config, String key) {
        return config.getIsNull(key) ? null : Path.of(config.getString(key));
    }
}
