package org.ringworld.cli.vision;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.ringworld.cli.ModelOptions;
import org.ringworld.cli.Ringworld;
import org.ringworld.cli.TextModel;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.vision.TokenizerRing;
import org.ringworld.model.vision.VisionPrompt;
import org.ringworld.tokenizer.media.MediaFile;
import org.ringworld.tokenizer.media.Picture;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Makes a film of a text: its first frame as a picture, and then those that follow. */
@Command(
        name = "film",
        description = "Have a model film what a text says.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        customSynopsis = "ringworld film MODEL TEXT -o OUT.mp4 [OPTIONS] [key=value...]",
        footer = {
            "",
            "The first frame is drawn as a picture is (--image-…), the others go on from its codes (--video-…).",
            "",
            "Examples:",
            "  ringworld film MODEL \"a red circle moves right\" -o circle.mp4 --frames 8",
            "  ringworld film MODEL \"waves on a beach\" -o waves.gif --video-guidance 3 --preview frames ring.size=2"
        })
public final class FilmCommand implements Callable<Integer> {
    @Mixin private ModelOptions model;

    @Mixin private VisionModel vision;

    @Mixin private ImageSampling image;

    @Option(names = "-o", required = true, paramLabel = "OUT", description = "mp4 or gif.")
    private Path out;

    @Option(
            names = "--frames",
            paramLabel = "N",
            defaultValue = "8",
            description = "With the first one.")
    private int frames;

    @Option(names = "--fps", paramLabel = "N", defaultValue = "4", description = "Frames a second.")
    private double fps;

    @Option(
            names = "--video-guidance",
            paramLabel = "S",
            defaultValue = "1",
            description = "How much more than without the text; 1: no guidance, at half the time.")
    private double guidance;

    @Option(
            names = "--video-temperature",
            paramLabel = "T",
            defaultValue = "1",
            description = "0 is greedy.")
    private double temperature;

    @Option(
            names = "--video-top-k",
            paramLabel = "K",
            defaultValue = "1000",
            description = "Only the k likeliest codes; 0: all.")
    private int topK;

    @Option(
            names = "--preview",
            paramLabel = "PREFIX",
            description = "Write each frame as PREFIX-N.png when it is there.")
    private String preview;

    private int shown;

    @Override
    public Integer call() throws Exception {
        String wish = model.takeFirst("TEXT");
        if (frames < 2 || !(fps > 0)) {
            throw new UsageException("a film has at least 2 --frames, and --fps over 0");
        }
        if (VisionModel.kind(out).equals("png")) {
            throw new UsageException(
                    out + ": a film is an .mp4 or a .gif; a picture is made by draw");
        }
        TextModel text = model.open();
        try (TokenizerRing images = vision.open(text)) {
            VisionPrompt prompt = VisionModel.prompt(text, images);
            Ask first = image.draw(prompt, wish);
            Ask all = film(prompt, wish, new int[prompt.tokensPerFrame()]);
            text.on().checkFits(all.longest(), model.beyond());
            List<int[]> codes = new ArrayList<>();
            try (Engine engine = model.engine(text, DrawCommand.capacity(all))) {
                codes.addAll(WrittenFrames.of(first, engine, prompt, one -> show(images, one)));
                Ask rest = film(prompt, wish, codes.getFirst());
                codes.addAll(WrittenFrames.of(rest, engine, prompt, one -> show(images, one)));
            }
            List<float[]> pictures = VisionModel.decode(images, codes);
            MediaFile.write(pictures.stream().map(Picture::of).toList(), fps, out);
        }
        System.out.println("wrote " + out);
        return Ringworld.DONE;
    }

    private Ask film(VisionPrompt prompt, String wish, int[] first) {
        Sampler sampler = new Sampler(temperature, topK, 1, 0, 1, image.seed());
        return prompt.film(wish, image.plain(), first, frames, sampler, guidance);
    }

    /** A frame as soon as it is there, where somebody wants to see it. */
    private void show(TokenizerRing images, int[] codes) {
        if (preview == null) {
            return;
        }
        Path file = Path.of("%s-%d.png".formatted(preview, ++shown));
        try {
            List<float[]> picture = VisionModel.decode(images, List.of(codes));
            MediaFile.write(List.of(Picture.of(picture.getFirst())), 1, file);
            System.out.println("wrote " + file);
        } catch (IOException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
