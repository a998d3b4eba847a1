package org.ringworld.cli;

import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.files.AtomicFiles;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.HfDirectory;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.hf.ModelCard;
import org.ringworld.checkpoints.hf.TokenizerExtras;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.vision.ImageTokenizer;
import org.ringworld.runtime.DType;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Any model that can be read, as a Hugging Face directory. */
@Command(
        name = "import",
        description = "Convert a model to a Hugging Face directory of safetensors.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "SOURCE: a model directory, or one file of it: safetensors, PyTorch .bin, LWM's JAX params,",
            "also as LWM's --load_checkpoint names them (params::FILE, flax_params::FILE).",
            "Keys, for a file without a config.json beside it: model.numHeads, model.ropeTheta,",
            "model.rmsNormEps.",
            "",
            "Examples:",
            "  ringworld import LWM-Text-1M-Jax lwm-text-1m --dtype bf16",
            "  ringworld import LWM-Chat-1M-Jax lwm-chat-1m --vqgan LWM-Chat-1M-Jax/vqgan",
            "  ringworld import MODEL --vqgan vqgan                       into a model that is there",
            "  ringworld import hf:OWNER/NAME@REVISION copy",
            "  ringworld import streaming_params converted model.numHeads=32 model.ropeTheta=5e7"
        })
final class ImportCommand implements Callable<Integer> {
    private static final String VQGAN = "vqgan";

    @Parameters(
            index = "0",
            paramLabel = "SOURCE",
            description = "A model directory or file, or hf:OWNER/NAME.")
    private String named;

    @Parameters(
            index = "1",
            arity = "0..1",
            paramLabel = "OUT",
            description = "A directory that is not there yet; may lack where --vqgan is given.")
    private Path out;

    @Parameters(index = "2..*", arity = "0..*", paramLabel = "key=value", description = "Settings.")
    private List<String> settings = List.of();

    @Option(names = "--dtype", description = "f32 or bf16; default: as it is stored.")
    private String dtype;

    @Option(
            names = "--vqgan",
            description =
                    "LWM's vqgan or a trained tokenizer, to be kept in the model's directory.")
    private Path vqgan;

    @Override
    public Integer call() throws Exception {
        if (out == null) {
            return intoModel();
        }
        DType wanted = dtype == null ? null : dtype(dtype);
        refuseExisting(out);
        // What a file holds is seen from its bytes, whatever LWM has to be told.
        Path source = Path.of(named.replaceFirst("^(flax_params|(trainstate_)?params)::", ""));
        InferenceSettings on = InferenceSettings.of(settings, Ringworld.HUB.model(source));
        Path images = vqgan == null ? null : ImageTokenizer.find(vqgan);
        try (ModelFiles files = on.open()) {
            HfDirectory.ExtraFiles beside = beside(out, files, on.config());
            write(
                    out,
                    files,
                    on.config(),
                    wanted,
                    directory -> {
                        beside.write(directory);
                        if (images != null) {
                            Path kept = Files.createDirectory(directory.resolve(VQGAN));
                            ImageTokenizer.copy(images, kept);
                        }
                    });
        }
        System.out.println("wrote " + out);
        return Ringworld.DONE;
    }

    /** The tokenizer of images alone, into a model that is there. */
    private int intoModel() throws CheckpointException {
        if (vqgan == null) {
            throw new UsageException("import needs OUT, a directory that is not there yet");
        }
        Path model = Path.of(named);
        if (!Files.exists(model.resolve("config.json"))) {
            throw new UsageException(model + ": is no directory of a model: it has no config.json");
        }
        Path images = ImageTokenizer.find(vqgan);
        Path kept = model.resolve(VQGAN);
        AtomicFiles.writeDirectory(kept, Fence.NONE, to -> ImageTokenizer.copy(images, to));
        System.out.println("wrote " + kept);
        return Ringworld.DONE;
    }

    /**
     * Writes a Hugging Face directory, one tensor in memory at a time.
     *
     * @param wanted dtype of the weights; null: as they are stored
     */
    static void write(Path out, ModelFiles files, LlamaConfig config, DType wanted)
            throws CheckpointException {
        write(out, files, config, wanted, beside(out, files, config));
    }

    private static void write(
            Path out,
            ModelFiles files,
            LlamaConfig config,
            DType wanted,
            HfDirectory.ExtraFiles beside)
            throws CheckpointException {
        DType to = wanted == null ? files.dtype() : wanted;
        List<TensorSpec> specs = LlamaTensors.of(config);
        long largest = specs.stream().mapToLong(TensorSpec::count).max().orElseThrow();
        try (Arena arena = Arena.ofConfined();
                BytesLine line = new BytesLine("write", LlamaTensors.count(config) * to.bytes())) {
            MemorySegment host = arena.allocate(largest * to.bytes());
            HfDirectory.write(
                    out,
                    config,
                    to,
                    specs,
                    spec -> {
                        line.add(spec.count() * to.bytes());
                        return read(files, spec, to, host);
                    },
                    beside,
                    Fence.NONE);
        }
    }

    /** The tokenizer and the model card. */
    static HfDirectory.ExtraFiles beside(Path out, ModelFiles files, LlamaConfig config) {
        Path from = files.directory();
        String name = "" + out.toAbsolutePath().normalize().getFileName();
        return directory -> {
            TokenizerExtras.of(from).write(directory);
            boolean same = files.config().equals(config);
            ModelCard.carry(same, from, directory, name, config);
        };
    }

    static DType dtype(String name) {
        try {
            return DType.ofValues(name);
        } catch (IllegalArgumentException e) {
            throw new UsageException(e.getMessage());
        }
    }

    static void refuseExisting(Path out) {
        if (Files.exists(out)) {
            throw new UsageException(out + ": is there already: give a name that is new");
        }
    }

    private static MemorySegment read(
            ModelFiles files, TensorSpec spec, DType to, MemorySegment host) {
        MemorySegment place = host.asSlice(0, spec.count() * to.bytes());
        try {
            files.read(spec, to, place);
        } catch (CheckpointException e) {
            throw new UncheckedIOException(e);
        }
        return place;
    }
}
