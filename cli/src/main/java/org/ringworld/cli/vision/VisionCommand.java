package org.ringworld.cli.vision;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Images to codes and back. */
@Command(
        name = "vision",
        description = "Turn images into a VQGAN's codes and back, or train a tokenizer of patches.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        footer = {
            "",
            "Examples:",
            "  ringworld vision train photos --out patches",
            "  ringworld vision encode photo.png --vqgan patches --out codes.safetensors",
            "  ringworld vision decode codes.safetensors --vqgan patches --out back.png"
        },
        subcommands = {
            VisionEncodeCommand.class,
            VisionDecodeCommand.class,
            VisionTrainCommand.class,
            WorldsCommand.class,
            AskWorldsCommand.class
        })
public final class VisionCommand implements Runnable {
    @Spec private CommandSpec spec;

    @Override
    public void run() {
        throw new CommandLine.ParameterException(
                spec.commandLine(),
                "a command is needed: encode, decode, train, worlds or ask-worlds");
    }
}
