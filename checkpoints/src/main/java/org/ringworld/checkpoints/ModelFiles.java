package org.ringworld.checkpoints;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.hf.SizesOfTensors;
import org.ringworld.checkpoints.snapshot.RunDirectory;
import org.ringworld.runtime.DType;

/**
 * The weights of a LLaMA model on disk: a Hugging Face directory (one safetensors file or shards
 * with an index, which then alone decides; without safetensors PyTorch's {@code .bin} likewise),
 * LWM's JAX stream, one such file or index with its config.json beside it, or a training run's
 * directory, which means its newest model. All weights are known to be there with the right shapes
 * once it is open. Threads may read at the same time.
 */
public final class ModelFiles implements AutoCloseable {
    private final Path directory;
    private final LlamaConfig config;
    private final WeightFiles weights;

    private ModelFiles(Path directory, LlamaConfig config, WeightFiles weights) {
        this.directory = directory;
        this.config = config;
        this.weights = weights;
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
        try {
            return openModel(RunDirectory.newestModel(model), constants);
        } catch (CheckpointException e) {
            throw e;
        } catch (IOException e) {
            throw new CheckpointException(model + ": cannot be read: " + Json.reason(e), e);
        }
    }

    private static ModelFiles openModel(Path model, Constants constants) throws IOException {
        boolean isDirectory = Files.isDirectory(model);
        Path directory = isDirectory ? model : model.toAbsolutePath().normalize().getParent();
        Path json = directory.resolve("config.json");
        LlamaConfig config = Files.exists(json) ? LlamaConfig.fromJson(json) : null;
        int numHeads = Math.max(1, config == null ? constants.numHeads() : config.numHeads());
        WeightFiles weights = WeightFiles.open(model, numHeads);
        try {
            LlamaConfig sizes =
                    config == null
                            ? SizesOfTensors.config(model, weights.fileOf(), constants)
                            : config;
            ModelFiles files = new ModelFiles(directory, sizes, weights);
            files.checkTensors();
            return files;
        } catch (CheckpointException | RuntimeException e) {
            weights.close();
            throw e;
        }
    }

    /**
     * A file's name that leads nowhere else. What it links to is the owner's business: HF's cache
     * is made of links.
     */
    public static String plainName(Path saysWho, String name) throws CheckpointException {
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
        List<String> faults =
                faults(config, weights, config.tieEmbeddings() && headRepeatsEmbedding());
        if (!faults.isEmpty()) {
            throw new CheckpointException(
                    "%s: the weights do not fit config.json: %s"
                            .formatted(directory, String.join("; ", faults)));
        }
    }

    /**
     * Which weights are missing, unknown and misshapen, a sentence a kind; from headers alone.
     *
     * @param mayRepeatHead whether a tied model may have a head besides
     */
    static List<String> faults(LlamaConfig config, WeightFiles weights, boolean mayRepeatHead)
            throws CheckpointException {
        Set<String> extra = new TreeSet<>(weights.fileOf().keySet());
        // Old exports carry this constant; it follows from the config.
        extra.removeIf(name -> name.endsWith("rotary_emb.inv_freq"));
        List<String> missing = new ArrayList<>();
        List<String> misshapen = new ArrayList<>();
        for (TensorSpec spec : LlamaTensors.of(config)) {
            extra.remove(spec.name());
            WeightFile file = weights.fileOf().get(spec.name());
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
        if (mayRepeatHead) {
            extra.remove(LlamaTensors.LM_HEAD);
        }
        List<String> faults = new ArrayList<>();
        addFault(faults, "missing", missing);
        addFault(faults, "unknown", List.copyOf(extra));
        addFault(faults, "misshapen", misshapen);
        return faults;
    }

    /** Some exports of tied models write the same bytes twice; a different head is an error. */
    private boolean headRepeatsEmbedding() throws CheckpointException {
        WeightFile head = weights.fileOf().get(LlamaTensors.LM_HEAD);
        WeightFile embedding = weights.fileOf().get(LlamaTensors.EMBED_TOKENS);
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
            SourceType type = weights.fileOf().get(first).tensor(first).type();
            return type == SourceType.BF16 ? DType.BF16 : DType.F32;
        } catch (CheckpointException e) {
            throw new IllegalStateException("checked when it was opened", e);
        }
    }

    /**
     * One weight where the file is mapped, if it is stored as {@code dtype}, row-major, aligned to
     * its elements and without a gap; good until {@link #close}.
     */
    public Optional<MemorySegment> inPlace(TensorSpec spec, DType dtype)
            throws CheckpointException {
        return file(spec).tensor(spec.name()).inPlace(dtype);
    }

    /**
     * Reads one weight.
     *
     * @param host receives spec.count() elements of {@code to}, F32 or BF16
     */
    public void read(TensorSpec spec, DType to, MemorySegment host) throws CheckpointException {
        file(spec).read(spec.name(), to, host);
    }

    private WeightFile file(TensorSpec spec) throws CheckpointException {
        WeightFile file = weights.fileOf().get(spec.name());
        if (file == null) {
            throw new CheckpointException(directory + ": holds no tensor '" + spec.name() + "'");
        }
        return file;
    }

    @Override
    public void close() {
        weights.close();
    }
}
