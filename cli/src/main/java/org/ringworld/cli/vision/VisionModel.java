package org.ringworld.cli.vision;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.actors.http.SeenPictures;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.cli.TextModel;
import org.ringworld.model.decode.JointVocabulary;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.vision.TokenizerRing;
import org.ringworld.model.vision.VisionPrompt;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.tokenizer.media.MediaFile;
import org.ringworld.tokenizer.media.Picture;
import picocli.CommandLine.Option;

/** The tokenizer of images beside a model: what see, draw and film have in common. */
public final class VisionModel {
    @Option(
            names = "--vqgan",
            paramLabel = "PATH",
            description =
                    "LWM's vqgan, a safetensors file, or a directory with one (default: MODEL/vqgan).")
    private Path vqgan;

    /**
     * Opens it on the host, whatever the model runs on: frames are few beside tokens.
     *
     * @throws UsageException where there is none, or the model knows no vision codes
     */
    TokenizerRing open(TextModel text) throws IOException {
        LlamaConfig config = text.on().config();
        if (config.visionVocabSize() == 0) {
            throw new UsageException(
                    text.directory()
                            + ": is a model of text alone; one that was trained with model.visionVocabSize=8448 sees and draws");
        }
        Path own = text.directory().resolve("vqgan");
        if (vqgan == null && !Files.exists(own)) {
            throw new UsageException(
                    "%s: has no tokenizer of images beside it: give --vqgan PATH, or put one there with ringworld import MODEL OUT --vqgan PATH"
                            .formatted(text.directory()));
        }
        int cores = Runtime.getRuntime().availableProcessors();
        TokenizerRing ring =
                TokenizerRing.open(
                        vqgan == null ? own : vqgan, List.of(new DeviceSpec.Cpu(cores)), DType.F32);
        if (ring.tokenizer().vocabSize() > config.visionVocabSize()) {
            int codes = ring.tokenizer().vocabSize();
            ring.close();
            throw new UsageException(
                    "the tokenizer of images has %d codes, the model knows %d"
                            .formatted(codes, config.visionVocabSize()));
        }
        return ring;
    }

    /** Whether one is named that does not lie beside the model. */
    public boolean isGiven() {
        return vqgan != null;
    }

    /** For a front: null where the model has no tokenizer of images beside it and none is given. */
    public SeenPictures pictures(TextModel text) throws IOException {
        boolean isBeside =
                text.on().config().visionVocabSize() > 0
                        && Files.exists(text.directory().resolve("vqgan"));
        if (vqgan == null && !isBeside) {
            return null;
        }
        TokenizerRing images = open(text);
        return new SeenPictures(images, prompt(text, images));
    }

    static VisionPrompt prompt(TextModel text, TokenizerRing images) {
        return new VisionPrompt(
                text.tokenizer(),
                JointVocabulary.of(text.on().config()),
                images.tokenizer().tokens(),
                images.tokenizer().vocabSize());
    }

    /**
     * What a name says that is to be written: png, mp4 or gif.
     *
     * @throws UsageException where it says nothing that can be
     */
    static String kind(Path file) {
        try {
            return MediaFile.kind(file);
        } catch (IllegalArgumentException e) {
            throw new UsageException(e.getMessage());
        }
    }

    static List<float[]> decode(TokenizerRing images, List<int[]> codes)
            throws InterruptedException {
        List<float[]> frames = new ArrayList<>();
        images.decode(codes.iterator(), frames::add);
        return frames;
    }

    /**
     * Codes of a file's frames.
     *
     * @param most frames of a video, at even distances
     */
    static List<int[]> encode(TokenizerRing images, Path file, int most) throws Exception {
        List<int[]> codes = new ArrayList<>();
        int side = images.tokenizer().resolution();
        if (file.toString().endsWith(".safetensors")) {
            try (ImageFile in = ImageFile.open(file, side, 0)) {
                images.encode(in.frames(), codes::add);
            }
        } else {
            List<Picture> frames = MediaFile.frames(file, side, most);
            images.encode(frames.stream().map(Picture::values).iterator(), codes::add);
        }
        return codes;
    }
}
