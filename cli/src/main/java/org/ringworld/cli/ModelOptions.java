package org.ringworld.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.tokenizer.DataException;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Which model is asked, and where it runs: what generate, chat and score have in common. */
final class ModelOptions {
    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "A model directory or file, or a run.")
    private Path model;

    @Parameters(
            index = "1..*",
            arity = "0..*",
            paramLabel = "key=value",
            showDefaultValue = Visibility.NEVER,
            description =
                    "ring.size, device.threads, devices, dtype, model.ropeTheta, maxTokens (of all texts together, that chat and --prompts have room for; default: a chat's whole context, or many prompts at once, in up to half of the devices' memory).")
    private List<String> keys = new ArrayList<>();

    @Option(
            names = "--beyond",
            description = "Take a text that is longer than the model's context.")
    private boolean beyond;

    /** Takes a word away that is no key. */
    boolean remove(String word) {
        return keys.remove(word);
    }

    TextModel open() throws CheckpointException, DataException {
        return TextModel.open(InferenceSettings.of(keys, model));
    }

    boolean beyond() {
        return beyond;
    }
}
