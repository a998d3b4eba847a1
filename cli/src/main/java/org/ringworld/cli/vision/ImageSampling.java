package org.ringworld.cli.vision;

import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.vision.VisionPrompt;
import picocli.CommandLine.Option;

/** How the codes of a picture are chosen, which may be a film's first: LWM's settings. */
final class ImageSampling {
    @Option(
            names = "--image-guidance",
            paramLabel = "S",
            defaultValue = "5",
            description = "How much more than without the text; 1: no guidance, at half the time.")
    private double guidance;

    @Option(
            names = "--image-temperature",
            paramLabel = "T",
            defaultValue = "1",
            description = "0 is greedy.")
    private double temperature;

    @Option(
            names = "--image-top-k",
            paramLabel = "K",
            defaultValue = "8192",
            description = "Only the k likeliest codes; 0: all.")
    private int topK;

    @Option(names = "--seed", paramLabel = "S", defaultValue = "1", description = "Of the choices.")
    private long seed;

    @Option(
            names = "--plain",
            description =
                    "The text is a caption as in pre-training; else it is a wish in LWM's chat.")
    private boolean plain;

    Ask draw(VisionPrompt prompt, String text) {
        return prompt.draw(text, plain, new Sampler(temperature, topK, 1, 0, 1, seed), guidance);
    }

    boolean plain() {
        return plain;
    }

    long seed() {
        return seed;
    }
}
