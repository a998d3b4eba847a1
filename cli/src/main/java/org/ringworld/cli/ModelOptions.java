package org.ringworld.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.cli.cluster.InCluster;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.training.job.UsageException;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Which model is asked, and where it runs: what generate, chat and score have in common. */
public final class ModelOptions {
    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "A model directory or file, a run, or hf:OWNER/NAME.")
    private Path model;

    @Parameters(
            index = "1..*",
            arity = "0..*",
            paramLabel = "key=value",
            showDefaultValue = Visibility.NEVER,
            description =
                    "ring.size, device.threads, devices, dtype, weights and cache (f32, bf16 or int8), model.ropeTheta, deterministic (true or false: a text does not depend on what is written beside it), inPlace (false: weights are copied at first, and read faster from then on), maxTokens (of all texts together, that chat and --prompts have room for; default: a chat's whole context, or many prompts at once, in up to half of the devices' memory).")
    private List<String> keys = new ArrayList<>();

    @ArgGroup(exclusive = false)
    private InCluster cluster;

    @Option(
            names = "--beyond",
            description = "Take a text that is longer than the model's context.")
    private boolean beyond;

    /**
     * Takes away what stands behind the model, where a command wants more than that.
     *
     * @param what it is, for whoever gives none
     */
    public String takeFirst(String what) {
        if (keys.isEmpty()) {
            throw new UsageException(what + " is missing behind MODEL");
        }
        return keys.removeFirst();
    }

    /** Takes a word away that is no key. */
    boolean remove(String word) {
        return keys.remove(word);
    }

    public TextModel open() throws IOException {
        return TextModel.open(InferenceSettings.of(keys, Ringworld.HUB.model(model)));
    }

    /**
     * Whoever answers with it: one device, a ring of them, or a cluster.
     *
     * @param capacity tokens that there is room for, of all texts together
     */
    public Engine engine(TextModel text, int capacity) throws IOException, InterruptedException {
        return cluster == null
                ? text.on().engine(capacity)
                : text.on().engine(capacity, keys, cluster.client());
    }

    public boolean beyond() {
        return beyond;
    }
}
