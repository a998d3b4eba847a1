package org.ringworld.cli;

import java.util.List;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.training.job.UsageException;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Option;

/** How tokens are chosen and when a text is over: what generate and chat have in common. */
final class SamplingOptions {
    @Option(
            names = "--max-new-tokens",
            paramLabel = "N",
            description =
                    "Stop after so many, or at the end of the text; default: 128, in a chat 1024.")
    private Integer maxNewTokens;

    @Option(
            names = "--temperature",
            paramLabel = "T",
            defaultValue = "0",
            description = "0 is greedy.")
    private double temperature;

    @Option(
            names = "--top-k",
            paramLabel = "K",
            defaultValue = "0",
            description = "Only the k likeliest; 0: all.")
    private int topK;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            defaultValue = "1",
            description = "Only the likeliest that reach probability p together.")
    private double topP;

    @Option(
            names = "--min-p",
            paramLabel = "P",
            defaultValue = "0",
            description = "Only those at least so many times as likely as the likeliest.")
    private double minP;

    @Option(
            names = "--repetition-penalty",
            paramLabel = "R",
            defaultValue = "1",
            description = "Above 1: what stands in the text already becomes less likely.")
    private double repetitionPenalty;

    @Option(names = "--seed", paramLabel = "S", defaultValue = "1", description = "Of the choices.")
    private long seed;

    @Option(
            names = "--stop",
            paramLabel = "TEXT",
            showDefaultValue = Visibility.NEVER,
            description =
                    "Stop before this text, which is not printed; may be given several times.")
    private List<String> stops = List.of();

    /** Tokens that are written at most. */
    int most(int unlessGiven) {
        if (maxNewTokens != null && maxNewTokens < 1) {
            throw new UsageException("--max-new-tokens " + maxNewTokens + " must be at least 1");
        }
        return maxNewTokens == null ? unlessGiven : maxNewTokens;
    }

    Sampler sampler() {
        return new Sampler(temperature, topK, topP, minP, repetitionPenalty, seed);
    }

    List<String> stops() {
        if (stops.contains("")) {
            throw new UsageException("--stop needs a text");
        }
        return stops;
    }
}
