package org.ringworld.cli.vision;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.ringworld.cli.ModelOptions;
import org.ringworld.cli.Ringworld;
import org.ringworld.cli.TextModel;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.vision.TokenizerRing;
import org.ringworld.model.vision.VisionPrompt;
import org.ringworld.tokenizer.media.MediaFile;
import org.ringworld.tokenizer.media.Picture;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Makes a picture of a text. */
@Command(
        name = "draw",
        description = "Have a model draw what a text says.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        customSynopsis = "ringworld draw MODEL TEXT -o OUT.png [OPTIONS] [key=value...]",
        footer = {
            "",
            "Examples:",
            "  ringworld draw MODEL \"a red circle\" -o circle.png",
            "  ringworld draw MODEL \"a black dog\" -o dog.png --image-guidance 1 --seed 7"
        })
public final class DrawCommand implements Callable<Integer> {
    @Mixin private ModelOptions model;

    @Mixin private VisionModel vision;

    @Mixin private ImageSampling sampling;

    @Option(names = "-o", required = true, paramLabel = "OUT.png", description = "The picture.")
    private Path out;

    @Override
    public Integer call() throws Exception {
        String wish = model.takeFirst("TEXT");
        if (!VisionModel.kind(out).equals("png")) {
            throw new UsageException(out + ": a picture is a .png; a film is made by film");
        }
        TextModel text = model.open();
        try (TokenizerRing images = vision.open(text)) {
            VisionPrompt prompt = VisionModel.prompt(text, images);
            Ask ask = sampling.draw(prompt, wish);
            text.on().checkFits(ask.longest(), model.beyond());
            try (Engine engine = model.engine(text, capacity(ask))) {
                List<int[]> frames = WrittenFrames.of(ask, engine, prompt, _ -> {});
                List<float[]> pictures = VisionModel.decode(images, frames);
                MediaFile.write(List.of(Picture.of(pictures.getFirst())), 1, out);
            }
        }
        System.out.println("wrote " + out);
        return Ringworld.DONE;
    }

    /** Of both streams, in whole pages. */
    static int capacity(Ask ask) {
        return Math.multiplyExact(2, ask.longest() + 256);
    }
}
