package org.ringworld.checkpoints;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.ringworld.runtime.DType;
import tools.jackson.databind.JsonNode;

/**
 * The weights of a LLaMA model on disk: a Hugging Face directory (one safetensors file or shards
 * with an index, which then alone decides), a single safetensors file with its config.json beside
 * it, or a training run's directory, which means its newest model. All weights are known to be
 * there with the right shapes once it is open. Threads may read at the same time.
 */
public final class ModelFiles implements AutoCloseable {
    static final String INDEX = "model.safetensors.index.json";

    private final Path directory;
    private final LlamaConfig config;
    private final Map<String, SafeTensors> fileOf;
    private final List<SafeTensors> files;

    private ModelFiles(
            Path directory,
            LlamaConfig config,
            Map<String, SafeTensors> fileOf,
            List<SafeTensors> files) {
        this.directory = directory;
        this.config = config;
        this.fileOf = fileOf;
        this.files = files;
    }

    /**
     * What the shapes of the weights do not say, for a model without {@code config.json}.
     *
     * @param numHeads query heads; 0 where it is not known either
     */
    public record Constants(int numHeads, double ropeTheta, double rmsNormEps) {
        /** Nothing known: a model without config.json is an error. */
        public static final Constants NONE = new Constants(0, 1e4, 1e-6);
    }

    /** {@link #open(Path, Constants)} of a model with its config.json. */
    public static ModelFiles open(Path model) throws CheckpointException {
        return open(model, Constants.NONE);
    }

    /**
     * Opens a model.
     *
     * @param constants used only where there is no {@code config.json}; sizes come from the tensors
     * @throws CheckpointException naming every missing, unknown and misshapen tensor, the shard
     *     that is missing or leaves the directory, or what the directory holds instead
     */
    public static ModelFiles open(Path model, Constants constants) throws CheckpointException {
        if (!Files.exists(model)) {
            throw new CheckpointException(model + ": there is no such model");
        }
        List<SafeTensors> opened = new ArrayList<>();
        try {
            return open(RunDirectory.newestModel(model), constants, opened);
        } catch (CheckpointException | RuntimeException e) {
            opened.forEach(SafeTensors::close);
            throw e;
        } catch (IOException e) {
            opened.forEach(SafeTensors::close);
            throw new CheckpointException(model + ": cannot be read: " + Json.reason(e), e);
        }
    }

    private static ModelFiles open(Path model, Constants constants, List<SafeTensors> opened)
            throws IOException {
        boolean isDirectory = Files.isDirectory(model);
        Path directory = isDirectory ? model : model.toAbsolutePath().normalize().getParent();
        Map<String, SafeTensors> fileOf =
                isDirectory ? openDirectory(model, opened) : openSingle(model, opened);
        Path config = directory.resolve("config.json");
        LlamaConfig sizes =
                Files.exists(config)
                        ? LlamaConfig.fromJson(config)
                        : SizesOfTensors.config(model, fileOf, constants);
        ModelFiles files = new ModelFiles(directory, sizes, fileOf, opened);
        files.checkTensors();
        return files;
    }

    private static Map<String, SafeTensors> openSingle(Path file, List<SafeTensors> opened)
            throws CheckpointException {
        if (!file.getFileName().toString().endsWith(".safetensors")) {
            throw new CheckpointException(
                    file + ": only .safetensors files are read yet; convert the model first");
        }
        SafeTensors tensors = SafeTensors.open(file);
        opened.add(tensors);
        Map<String, SafeTensors> fileOf = new LinkedHashMap<>();
        tensors.names().forEach(name -> fileOf.put(name, tensors));
        return fileOf;
    }

    private static Map<String, SafeTensors> openDirectory(Path directory, List<SafeTensors> opened)
            throws IOException {
        if (Files.exists(directory.resolve(INDEX))) {
            return openShards(directory, opened);
        }
        Path single = directory.resolve("model.safetensors");
        if (Files.exists(single)) {
            return openSingle(single, opened);
        }
        try (Stream<Path> inside = Files.list(directory)) {
            List<String> names = inside.map(p -> p.getFileName().toString()).sorted().toList();
            throw new CheckpointException(directory + ": " + whatElse(names));
        }
    }

    private static String whatElse(List<String> names) {
        if (names.stream().anyMatch(n -> n.startsWith("model-") && n.endsWith(".safetensors"))) {
            return "holds shards of a model but not their " + INDEX;
        }
        if (names.stream().anyMatch(n -> n.endsWith(".bin") || n.endsWith(".bin.index.json"))) {
            return "holds PyTorch .bin files, which are not read yet; convert them to safetensors";
        }
        if (names.stream().anyMatch(n -> n.equals("params") || n.startsWith("streaming_"))) {
            return "holds LWM's JAX parameters, which are not read yet; convert them to safetensors";
        }
        return "holds no model: neither model.safetensors nor " + INDEX;
    }

    private static Map<String, SafeTensors> openShards(Path directory, List<SafeTensors> opened)
            throws CheckpointException {
        Path index = directory.resolve(INDEX);
        JsonNode weightMap = Json.readObject(index).path("weight_map");
        if (!weightMap.isObject()) {
            throw new CheckpointException(index + ": holds no weight_map");
        }
        Map<String, SafeTensors> shards = new LinkedHashMap<>();
        Map<String, SafeTensors> fileOf = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : weightMap.properties()) {
            String shard = entry.getValue().asString("");
            if (!shards.containsKey(shard)) {
                SafeTensors tensors = SafeTensors.open(shardFile(index, directory, shard));
                opened.add(tensors);
                shards.put(shard, tensors);
            }
            if (!shards.get(shard).has(entry.getKey())) {
                throw new CheckpointException(
                        "%s: %s should hold tensor '%s' and does not"
                                .formatted(index, shard, entry.getKey()));
            }
            fileOf.put(entry.getKey(), shards.get(shard));
        }
        return fileOf;
    }

    private static Path shardFile(Path index, Path directory, String shard)
            throws CheckpointException {
        Path file = directory.resolve(plainName(index, shard));
        if (!Files.exists(file)) {
            throw new CheckpointException(
                    "%s: the shard %s is missing: fetch or copy it again"
                            .formatted(directory, shard));
        }
        return file;
    }

    /**
     * A file's name that leads nowhere else. What it links to is the owner's business: HF's cache
     * is made of links.
     */
    static String plainName(Path saysWho, String name) throws CheckpointException {
        boolean plain =
                !name.isEmpty()
                        && !name.equals(".")
                        && !name.equals("..")
                        && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == 0);
        if (!plain) {
            throw new CheckpointException(
                    "%s: '%s' is not the name of a file in this directory"
                            .formatted(saysWho, name));
        }
        return name;
    }

    private void checkTensors() throws CheckpointException {
        Set<String> extra = new TreeSet<>(fileOf.keySet());
        // Old exports carry this constant; it follows from the config.
        extra.removeIf(name -> name.endsWith("rotary_emb.inv_freq"));
        List<String> missing = new ArrayList<>();
        List<String> misshapen = new ArrayList<>();
        for (TensorSpec spec : LlamaTensors.of(config)) {
            extra.remove(spec.name());
            SafeTensors file = fileOf.get(spec.name());
            if (file == null) {
                missing.add(spec.name());
                continue;
            }
            SafeTensors.Info info = file.info(spec.name());
            TensorSpec stored = new TensorSpec(spec.name(), info.shape());
            if (!stored.equals(spec)) {
                misshapen.add("%s where the config says %s".formatted(stored, spec));
            } else if (!info.type().isValue()) {
                misshapen.add("%s of %s".formatted(stored, info.type()));
            }
        }
        if (config.tieEmbeddings() && headRepeatsEmbedding()) {
            extra.remove(LlamaTensors.LM_HEAD);
        }
        List<String> faults = new ArrayList<>();
        addFault(faults, "missing", missing);
        addFault(faults, "unknown", List.copyOf(extra));
        addFault(faults, "misshapen", misshapen);
        if (!faults.isEmpty()) {
            throw new CheckpointException(
                    "%s: the weights do not fit config.json: %s"
                            .formatted(directory, String.join("; ", faults)));
        }
    }

    /** Some exports of tied models write the same bytes twice; a different head is an error. */
    private boolean headRepeatsEmbedding() throws CheckpointException {
        SafeTensors head = fileOf.get(LlamaTensors.LM_HEAD);
        SafeTensors embedding = fileOf.get(LlamaTensors.EMBED_TOKENS);
        return head != null
                && embedding != null
                && head.data(LlamaTensors.LM_HEAD)
                                .mismatch(embedding.data(LlamaTensors.EMBED_TOKENS))
                        < 0;
    }

    private static void addFault(List<String> faults, String kind, List<String> tensors) {
        int most = 20;
        if (!tensors.isEmpty()) {
            String list = String.join(", ", tensors.subList(0, Math.min(most, tensors.size())));
            int more = tensors.size() - most;
            faults.add(kind + ": " + list + (more > 0 ? " and " + more + " more" : ""));
        }
    }

    /** Where the model's other files lie (tokenizer, snapshot). */
    public Path directory() {
        return directory;
    }

    public LlamaConfig config() {
        return config;
    }

    /** BF16 where the weights are stored so, else F32, which holds F16 without loss. */
    public DType dtype() {
        try {
            String first = LlamaTensors.layer(0, "self_attn.q_proj");
            SourceType type = fileOf.get(first).info(first).type();
            return type == SourceType.BF16 ? DType.BF16 : DType.F32;
        } catch (CheckpointException e) {
            throw new IllegalStateException("checked when it was opened", e);
        }
    }

    /**
     * Reads one weight.
     *
     * @param host receives spec.count() elements of {@code to}, F32 or BF16
     */
    public void read(TensorSpec spec, DType to, MemorySegment host) throws CheckpointException {
        SafeTensors file = fileOf.get(spec.name());
        if (file == null) {
            throw new CheckpointException(directory + ": holds no tensor '" + spec.name() + "'");
        }
        file.read(spec.name(), to, host);
    }

    @Override
    public void close() {
        files.forEach(SafeTensors::close);
    }
}
