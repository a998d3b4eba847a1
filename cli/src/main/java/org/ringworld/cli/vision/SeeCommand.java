package org.ringworld.cli.vision;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.ringworld.cli.ModelOptions;
import org.ringworld.cli.Ringworld;
import org.ringworld.cli.TextModel;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.vision.TokenizerRing;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Asks about a picture or a video. */
@Command(
        name = "see",
        description = "Ask a model about a picture or a video.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        customSynopsis = "ringworld see MODEL FILE --ask TEXT [OPTIONS] [key=value...]",
        footer = {
            "",
            "FILE: a picture, a video, or a safetensors file with image [frames, h, w, 3] in [-1, 1].",
            "",
            "Examples:",
            "  ringworld see MODEL photo.png --ask \"What is on the table?\"",
            "  ringworld see MODEL film.mp4 --ask \"Who comes in last?\" --frames 64 ring.size=2"
        })
public final class SeeCommand implements Callable<Integer> {
    @Mixin private ModelOptions model;

    @Mixin private VisionModel vision;

    @Option(names = "--ask", required = true, paramLabel = "TEXT", description = "The question.")
    private String question;

    @Option(
            names = "--frames",
            paramLabel = "N",
            defaultValue = "8",
            description = "Of a video at most, at even distances.")
    private int frames;

    @Option(
            names = "--max-new-tokens",
            paramLabel = "N",
            defaultValue = "256",
            description = "Stop after so many, or at the end of the answer.")
    private int most;

    @Option(
            names = "--temperature",
            paramLabel = "T",
            defaultValue = "0.2",
            description = "0 is greedy.")
    private double temperature;

    @Option(names = "--seed", paramLabel = "S", defaultValue = "1", description = "Of the choices.")
    private long seed;

    @Override
    public Integer call() throws Exception {
        if (frames < 1 || most < 1) {
            throw new UsageException("--frames and --max-new-tokens must be at least 1");
        }
        Path file = Path.of(model.takeFirst("FILE"));
        TextModel text = model.open();
        int[] prompt;
        try (TokenizerRing images = vision.open(text)) {
            List<int[]> seen = VisionModel.encode(images, file, frames);
            int[] codes = seen.stream().flatMapToInt(Arrays::stream).toArray();
            prompt = VisionModel.prompt(text, images).see(question, codes);
        }
        text.on().checkFits(prompt.length, model.beyond());
        Sampler sampler = new Sampler(temperature, 0, 1, 0, 1, seed);
        Ask ask = new Ask(prompt, most, sampler, text.tokenizer().ends());
        try (Engine engine = model.engine(text, Math.addExact(prompt.length, most));
                Answer answer = engine.ask(ask)) {
            var decoder = text.tokenizer().decoder();
            IntStream.of(text.tokenizer().encode(" ASSISTANT:")).forEach(decoder::next);
            Continuation.write(answer, text.tokenizer(), decoder, List.of(), SeeCommand::show);
        }
        System.out.println();
        return Ringworld.DONE;
    }

    private static void show(String part) {
        System.out.print(part);
        System.out.flush();
    }
}
