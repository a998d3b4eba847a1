package org.ringworld.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.hf.TokenizerExtras;
import org.ringworld.checkpoints.lwm.LwmDirectory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** A model as LWM's JAX code loads it. */
@Command(
        name = "export",
        description = "Write a model as LWM's JAX stream: OUT/params and OUT/config.json.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Refused, because the format cannot say it: grouped KV heads, a headDim that is not"
                    + " hiddenSize / numHeads, tied embeddings, rope scaling.",
            "",
            "Examples:",
            "  ringworld export runs/lwm-text-mini lwm-jax",
            "  ringworld import lwm-jax back              gives the same weights bit for bit"
        })
final class ExportCommand implements Callable<Integer> {
    @Parameters(index = "0", paramLabel = "MODEL", description = "A model directory or file.")
    private Path model;

    @Parameters(index = "1", paramLabel = "OUT", description = "A directory that is not there yet.")
    private Path out;

    @Override
    public Integer call() throws Exception {
        ImportCommand.refuseExisting(out);
        try (ModelFiles files = ModelFiles.open(model)) {
            LwmDirectory.write(out, files, TokenizerExtras.of(files.directory()));
        }
        System.out.println("wrote " + out);
        return Ringworld.DONE;
    }
}
