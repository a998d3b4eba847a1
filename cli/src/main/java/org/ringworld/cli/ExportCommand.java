package org.ringworld.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.gguf.GgufType;
import org.ringworld.checkpoints.lwm.LwmDirectory;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.runtime.DType;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A model in the form that another program loads. */
@Command(
        name = "export",
        description =
                "Write a model for LWM's JAX code, for llama.cpp, or as a Hugging Face directory.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "jax: LWM's stream, OUT/params and OUT/config.json. Refused, because the format cannot say it:"
                    + " grouped KV heads, a headDim that is not hiddenSize / numHeads, tied embeddings,"
                    + " rope scaling.",
            "gguf: one file with tokenizer and chat template. Refused: LWM's vision tables, YaRN with other"
                    + " than its usual constants, a tokenizer that llama.cpp would read otherwise.",
            "hf: a directory of safetensors, as import writes it.",
            "",
            "Examples:",
            "  ringworld export runs/lwm-text-mini lwm-jax",
            "  ringworld import lwm-jax back              gives the same weights bit for bit",
            "  ringworld export runs/needles needles.gguf --to gguf --dtype q8_0",
            "  ringworld export hf:OWNER/NAME model.gguf --to gguf"
        })
final class ExportCommand implements Callable<Integer> {
    /** Whom it is written for. */
    private enum Form {
        JAX,
        GGUF,
        HF
    }

    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "A model directory or file, a run, or hf:OWNER/NAME.")
    private Path model;

    @Parameters(
            index = "1",
            paramLabel = "OUT",
            description = "A directory, or gguf's file, that is not there yet.")
    private Path out;

    @Option(names = "--to", defaultValue = "jax", description = "jax (default), gguf or hf.")
    private String to;

    @Option(
            names = "--dtype",
            description = "f32 or bf16, of gguf also q8_0; default: as it is stored.")
    private String dtype;

    @Override
    public Integer call() throws Exception {
        Form form = form();
        ImportCommand.refuseExisting(out);
        switch (form) {
            case JAX -> {
                if (dtype != null) {
                    throw new UsageException(
                            "--dtype is for gguf and hf: LWM's stream has the model's own");
                }
                try (ModelFiles files = open()) {
                    LwmDirectory.write(
                            out, files, ImportCommand.beside(out, files, files.config()));
                }
            }
            case GGUF -> {
                GgufType given = dtype == null ? null : ggufType();
                try (ModelFiles files = open()) {
                    boolean isBf16 = files.dtype() == DType.BF16;
                    GgufType stored = isBf16 ? GgufType.BF16 : GgufType.F32;
                    GgufExport.write(out, files, given == null ? stored : given);
                }
            }
            case HF -> {
                DType given = dtype == null ? null : ImportCommand.dtype(dtype);
                try (ModelFiles files = open()) {
                    ImportCommand.write(out, files, files.config(), given);
                }
            }
        }
        System.out.println("wrote " + out);
        return Ringworld.DONE;
    }

    private ModelFiles open() throws IOException {
        return ModelFiles.open(Ringworld.HUB.model(model));
    }

    private Form form() {
        return switch (to) {
            case "jax" -> Form.JAX;
            case "gguf" -> Form.GGUF;
            case "hf" -> Form.HF;
            default -> throw new UsageException("--to %s is not jax, gguf or hf".formatted(to));
        };
    }

    private GgufType ggufType() {
        return switch (dtype.toLowerCase(Locale.ROOT)) {
            case "f32", "float32" -> GgufType.F32;
            case "bf16", "bfloat16" -> GgufType.BF16;
            case "q8_0" -> GgufType.Q8_0;
            default ->
                    throw new UsageException(
                            "--dtype %s is not f32, bf16 or q8_0".formatted(dtype));
        };
    }
}
