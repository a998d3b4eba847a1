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
 * with an index, which then alone decides; without safetensors PyTorch's {@code .bin} likewise),
 * LWM's JAX stream, one such file with its config.json beside it, or a training run's directory,
 * which means its newest model. All weights are known to be there with the right shapes once it is
 * open. Threads may read at the same time.
 */
public final class ModelFiles implements AutoCloseable {
    static final String INDEX = "model.safetensors.index.json";

    private final Path directory;
    private final LlamaConfig config;
    private final Map<String, WeightFile> fileOf;
    private final List<WeightFile> files;

    private ModelFiles(
            Path directory,
            LlamaConfig config,
            Map<String, WeightFile> fileOf,
            List<WeightFile> files) {
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
        List<WeightFile> opened = new ArrayList<>();
        try {
            return open(RunDirectory.newestModel(model), constants, opened);
        } catch (CheckpointException | RuntimeException e) {
            opened.forEach(WeightFile::close);
            throw e;
        } catch (IOException e) {
            opened.forEach(WeightFile::close);
            throw new CheckpointException(model + ": cannot be read: " + Json.reason(e), e);
        }
    }

    private static ModelFiles open(Path model, Constants constants, List<WeightFile> opened)
            throws IOException {
        boolean isDirectory = Files.isDirectory(model);
        Path directory = isDirectory ? model : model.toAbsolutePath().normalize().getParent();
        Path json = directory.resolve("config.json");
        LlamaConfig config = Files.exists(json) ? LlamaConfig.fromJson(json) : null;
        int numHeads = Math.max(1, config == null ? constants.numHeads() : config.numHeads());
        Map<String, WeightFile> fileOf = openWeights(model, numHeads, opened);
        LlamaConfig sizes =
                config == null ? SizesOfTensors.config(model, fileOf, constants) : config;
        ModelFiles files = new ModelFiles(directory, sizes, fileOf, opened);
        files.checkTensors();
        return files;
    }

    /** Which file holds which tensor; whether they make a model is not looked at. */
    static Map<String, WeightFile> openWeights(Path model, int numHeads, List<WeightFile> opened)
            throws IOException {
        return Files.isDirectory(model)
                ? openDirectory(model, numHeads, opened)
                : openSingle(model, numHeads, opened);
    }

    private static Map<String, WeightFile> openSingle(
            Path file, int numHeads, List<WeightFile> opened) throws CheckpointException {
        WeightFile tensors = openFile(file, numHeads);
        opened.add(tensors);
        Map<String, WeightFile> fileOf = new LinkedHashMap<>();
        tensors.names().forEach(name -> fileOf.put(name, tensors));
        return fileOf;
    }

    /** By the name's ending; without any of the known ones, by what LWM calls its streams. */
    private static WeightFile openFile(Path file, int numHeads) throws CheckpointException {
        String name = file.getFileName().toString();
        if (name.endsWith(".safetensors")) {
            return SafeTensors.open(file);
        }
        if (name.endsWith(".bin") || name.endsWith(".pt") || name.endsWith(".pth")) {
            return TorchZip.open(file);
        }
        if (isStream(name)) {
            return LwmStream.open(file, numHeads);
        }
        throw new CheckpointException(
                file
                        + ": is not named as weights are: *.safetensors, *.bin, *.pt, *.pth,"
                        + " params* or streaming_*");
    }

    private static boolean isStream(String name) {
        return name.startsWith("params") || name.startsWith("streaming_");
    }

    private static Map<String, WeightFile> openDirectory(
            Path directory, int numHeads, List<WeightFile> opened) throws IOException {
        for (String start : new String[] {"model.safetensors", "pytorch_model.bin"}) {
            if (Files.exists(directory.resolve(start + ".index.json"))) {
                Path index = directory.resolve(start + ".index.json");
                return openShards(directory, index, numHeads, opened);
            }
            if (Files.exists(directory.resolve(start))) {
                return openSingle(directory.resolve(start), numHeads, opened);
            }
        }
        try (Stream<Path> inside = Files.list(directory)) {
            List<String> names = inside.map(p -> p.getFileName().toString()).sorted().toList();
            List<String> streams = names.stream().filter(ModelFiles::isStream).toList();
            if (streams.size() == 1) {
                return openSingle(directory.resolve(streams.getFirst()), numHeads, opened);
            }
            if (streams.size() > 1) {
                throw new CheckpointException(
                        "%s: holds %s: name the one that is meant"
                                .formatted(directory, String.join(", ", streams)));
            }
            throw new CheckpointException(directory + ": " + whatElse(names));
        }
    }

    private static String whatElse(List<String> names) {
        if (names.stream().anyMatch(n -> n.startsWith("model-") && n.endsWith(".safetensors"))) {
            return "holds shards of a model but not their " + INDEX;
        }
        if (names.stream().anyMatch(n -> n.startsWith("pytorch_model-") && n.endsWith(".bin"))) {
            return "holds shards of a model but not their pytorch_model.bin.index.json";
        }
        return "holds no model: neither model.safetensors, pytorch_model.bin, the index of either"
                + " nor LWM's params";
    }

    private static Map<String, WeightFile> openShards(
            Path directory, Path index, int numHeads, List<WeightFile> opened)
            throws CheckpointException {
        JsonNode weightMap = Json.readObject(index).path("weight_map");
        if (!weightMap.isObject()) {
            throw new CheckpointException(index + ": holds no weight_map");
        }
        Map<String, WeightFile> shards = new LinkedHashMap<>();
        Map<String, WeightFile> fileOf = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : weightMap.properties()) {
            String shard = entry.getValue().asString("");
            if (!shards.containsKey(shard)) {
                WeightFile tensors = openFile(shardFile(index, directory, shard), numHeads);
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
            WeightFile file = fileOf.get(spec.name());
            if (file == null) {
                missing.add(spec.name());
                continue;
            }
            StridedTensor tensor = file.tensor(spec.name());
            TensorSpec stored = new TensorSpec(spec.name(), tensor.shape());
            if (!stored.equals(spec)) {
                misshapen.add("%s where the config says %s".formatted(stored, spec));
            } else if (!tensor.type().isValue()) {
                misshapen.add("%s of %s".formatted(stored, tensor.type()));
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
        WeightFile head = fileOf.get(LlamaTensors.LM_HEAD);
        WeightFile embedding = fileOf.get(LlamaTensors.EMBED_TOKENS);
        return head != null
                && embedding != null
                && head.tensor(LlamaTensors.LM_HEAD)
                        .holdsTheSameAs(embedding.tensor(LlamaTensors.EMBED_TOKENS));
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
            SourceType type = fileOf.get(first).tensor(first).type();
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
        WeightFile file = fileOf.get(spec.name());
        if (file == null) {
            throw new CheckpointException(directory + ": holds no tensor '" + spec.name() + "'");
        }
        file.read(spec.name(), to, host);
    }

    @Override
    public void close() {
        files.forEach(WeightFile::close);
    }
}
