package org.ringworld.cli;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.actors.cluster.ClusterClient;
import org.ringworld.actors.cluster.ClusterEngine;
import org.ringworld.actors.device.DeviceRing;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.queue.QueueRequest;
import org.ringworld.actors.serving.RingEngine;
import org.ringworld.actors.serving.ServedRing;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.JointVocabulary;
import org.ringworld.model.decode.LocalEngine;
import org.ringworld.model.decode.ServedModel;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.job.DeviceReader;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.training.rank.HeldWork;
import org.ringworld.model.training.rank.Inference;
import org.ringworld.model.training.rank.ModelSource;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;

/**
 * Where and how a saved model is run: the {@code key=value} of forward and eval.
 *
 * @param config the model's, with another rotary base where one is given
 * @param weights dtype that matrices are kept in
 * @param cache dtype that keys and values are kept in
 * @param deterministic whether a text does not depend on what is written beside it
 * @param inPlace whether weights are read where their files are mapped
 * @param devices of the ring, at least one
 * @param contextKnown whether the model's context length is its own, and no rotary base was given
 *     to go beyond it
 * @param maxTokens that there is to be room for, of all texts together; 0: nothing is said
 * @param mirrored whether full pages of what a cluster serves lie on two ranks
 */
public record InferenceSettings(
        Path model,
        LlamaConfig config,
        DType dtype,
        DType weights,
        DType cache,
        boolean deterministic,
        boolean inPlace,
        List<DeviceSpec> devices,
        Layout layout,
        boolean contextKnown,
        int maxTokens,
        boolean mirrored) {
    private static final Config DEFAULTS =
            ConfigFactory.parseString(
                    """
                    ring { size = 1, layout = zigzag }
                    device.threads = null
                    devices = null
                    dtype = null
                    # f32, bf16 or int8; the dtype itself where nothing is said.
                    weights = null
                    cache = null
                    maxTokens = null
                    # Whether a text is the same, bit for bit, whatever else is written beside it.
                    deterministic = false
                    # Whether a serving of a cluster keeps full pages on a second host or process, too: auto or off.
                    mirror = auto
                    # Whether weights are read where their files are mapped, or copied at first.
                    inPlace = true
                    # For a file of weights without a config.json beside it.
                    model { numHeads = null, ropeTheta = null, rmsNormEps = 1e-6 }
                    """);

    public static InferenceSettings of(List<String> settings, Path model)
            throws CheckpointException {
        Config given = JobFile.settings(settings, DEFAULTS);
        try (ModelFiles files = open(model, given)) {
            LlamaConfig config = files.config();
            if (!given.getIsNull("model.ropeTheta")) {
                config = config.withRopeTheta(given.getDouble("model.ropeTheta"));
            }
            int cores = Runtime.getRuntime().availableProcessors();
            DType dtype =
                    given.getIsNull("dtype")
                            ? files.dtype()
                            : DType.ofValues(given.getString("dtype"));
            return new InferenceSettings(
                    model,
                    config,
                    dtype,
                    kept(given, "weights", dtype),
                    kept(given, "cache", dtype),
                    given.getBoolean("deterministic"),
                    given.getBoolean("inPlace"),
                    DeviceReader.ofRing(given, cores),
                    Layout.of(given.getString("ring.layout")),
                    given.getIsNull("model.ropeTheta") && given.getIsNull("model.numHeads"),
                    given.getIsNull("maxTokens") ? 0 : JobReader.positive(given, "maxTokens"),
                    mirrored(given.getString("mirror")));
        } catch (IllegalArgumentException | com.typesafe.config.ConfigException e) {
            throw new UsageException(e.getMessage());
        }
    }

    private static boolean mirrored(String word) {
        return switch (word) {
            case "auto" -> true;
            case "off" -> false;
            default ->
                    throw new UsageException("mirror = %s is neither auto nor off".formatted(word));
        };
    }

    private static DType kept(Config given, String key, DType dtype) {
        return given.getIsNull(key) ? dtype : DType.ofKept(key, given.getString(key));
    }

    /** Opens a model; one without a config.json has the sizes of its tensors. */
    private static ModelFiles open(Path model, Config given) throws CheckpointException {
        if (given.getIsNull("model.numHeads")) {
            return ModelFiles.open(model);
        }
        double theta =
                given.getIsNull("model.ropeTheta") ? 1e4 : given.getDouble("model.ropeTheta");
        int heads = JobReader.positive(given, "model.numHeads");
        double eps = given.getDouble("model.rmsNormEps");
        return ModelFiles.open(model, new ModelFiles.Constants(heads, theta, eps));
    }

    /** What it computes in and is kept in, to write texts. */
    public ServedModel.Options options() {
        return new ServedModel.Options(dtype, weights, cache, deterministic, inPlace);
    }

    /** The same where there are several models at once, each on an equal part of all memory. */
    InferenceSettings withShareOfMemory(int models) {
        List<Device> open = Devices.open(devices);
        List<DeviceSpec> shares = new ArrayList<>();
        for (int i = 0; i < open.size(); i++) {
            shares.add(devices.get(i).withMemory(open.get(i).memory() / models));
        }
        open.forEach(Device::close);
        return new InferenceSettings(
                model,
                config,
                dtype,
                weights,
                cache,
                deterministic,
                inPlace,
                shares,
                layout,
                contextKnown,
                maxTokens,
                mirrored);
    }

    /** Devices of the ring. */
    public int ringSize() {
        return devices.size();
    }

    /**
     * @param beyond whether a longer prompt is meant
     * @throws UsageException where a prompt is longer than the model's context
     */
    public void checkFits(int promptTokens, boolean beyond) {
        int longest = config.maxPositionEmbeddings();
        if (contextKnown && !beyond && promptTokens > longest) {
            throw new UsageException(
                    "the prompt has %d tokens, more than the context of %d that %s has; give model.ropeTheta=… or --beyond if that is meant"
                            .formatted(promptTokens, longest, model));
        }
    }

    /** The model's files. */
    public ModelFiles open() throws CheckpointException {
        return ModelFiles.open(
                model,
                new ModelFiles.Constants(
                        config.numHeads(), config.ropeTheta(), config.rmsNormEps()));
    }

    /**
     * Tokens that there is room for, of all texts together: {@code maxTokens}, else those wished as
     * far as half of the devices' memory holds them.
     */
    public int room(long wished) {
        if (maxTokens > 0) {
            return maxTokens;
        }
        long pages = Math.max(1, leastMemory() / 2 / PageMemory.bytes(config, cache));
        return (int)
                Math.min(
                        wished,
                        Math.min(Integer.MAX_VALUE, pages * ringSize() * PageMemory.TOKENS));
    }

    private long leastMemory() {
        List<Device> open = Devices.open(devices);
        long least = open.stream().mapToLong(Device::memory).min().orElseThrow();
        open.forEach(Device::close);
        return least;
    }

    /** Whether a copy of the weights for each device takes at most a quarter of a host's memory. */
    boolean copiesFit() {
        return ringSize() * LlamaTensors.count(config) * weights.bytes() <= leastMemory() / 4;
    }

    /**
     * Whoever answers with it, on one device or a ring of them.
     *
     * @param capacity tokens that there is room for, of all texts together
     */
    public Engine engine(int capacity) throws CheckpointException {
        if (devices.size() == 1) {
            return new LocalEngine(
                    Devices.open(devices.getFirst()), open(), config, options(), capacity);
        }
        Inference work = new Inference(model, config, options(), ringSize(), layout, false, false);
        return new RingEngine(
                new ServedRing(
                        model.toString(),
                        0,
                        "",
                        JointVocabulary.of(config).count(),
                        devices.size(),
                        capacity,
                        deterministic,
                        false),
                Devices.open(devices),
                new OpenJobs(work));
    }

    /**
     * Whoever answers with it, on devices of a cluster.
     *
     * @param settings that these were made of
     */
    public Engine engine(int capacity, List<String> settings, ClusterClient cluster)
            throws IOException, InterruptedException {
        String there = model.toAbsolutePath().normalize().toString();
        return new ClusterEngine(
                cluster, new QueueRequest.Serve(there, String.join("\n", settings), capacity));
    }

    DeviceRing ring(boolean gradients) {
        if (weights != dtype || cache != dtype) {
            throw new UsageException("weights= and cache= are for generating text");
        }
        ModelSource source = new ModelSource.Files(config, model);
        return new DeviceRing(
                new HeldWork("model", source, dtype, gradients, Recompute.Choice.ALL),
                Devices.open(devices),
                layout);
    }
}
