package org.ringworld.cli.vision;

import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.safetensors.SafeTensors;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;
import org.ringworld.cli.Ringworld;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.vision.ImageTokenizer;
import org.ringworld.model.vision.TokenizerRing;
import org.ringworld.tokenizer.media.MediaFile;
import org.ringworld.tokenizer.media.Picture;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Codes to frames. */
@Command(
        name = "decode",
        description = "Write the frames that codes stand for, as a picture or as floats.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "CODES: a safetensors file with codes [frames, h, w].",
            "A png holds several frames side by side, an mp4 or gif one after the other; --raw has decoded [frames, h, w, 3] F32 in [-1, 1].",
            "Keys: ring.size, device.threads, devices, dtype (f32 or bf16).",
            "",
            "Examples:",
            "  ringworld vision decode codes.safetensors --vqgan MODEL --out back.png",
            "  ringworld vision decode codes.safetensors --vqgan vqgan --raw decoded.safetensors ring.size=2"
        })
final class VisionDecodeCommand implements Callable<Integer> {
    /** Frames of a png at most: 4096 pixels a side at LWM's size. */
    private static final int MOST_FRAMES = 256;

    @Parameters(index = "0", paramLabel = "CODES", description = "A safetensors file.")
    private Path file;

    @Parameters(index = "1..*", arity = "0..*", paramLabel = "key=value", description = "Settings.")
    private List<String> settings = List.of();

    @Option(
            names = "--vqgan",
            required = true,
            description =
                    "LWM's vqgan, a safetensors file, or a directory with one, a model's too.")
    private Path vqgan;

    @Option(names = "--out", description = "A png, mp4 or gif file.")
    private Path out;

    @Option(
            names = "--fps",
            paramLabel = "N",
            defaultValue = "4",
            description = "Frames of an mp4 or gif a second (default: 4).")
    private double fps;

    @Option(names = "--raw", description = "A safetensors file.")
    private Path raw;

    @Override
    public Integer call() throws Exception {
        if (out == null && raw == null) {
            throw new UsageException(
                    "vision decode needs --out FILE.png or --raw FILE.safetensors");
        }
        String kind = out == null ? "" : VisionModel.kind(out);
        try (TokenizerRing ring = VisionSettings.of(settings).open(vqgan);
                SafeTensors in = SafeTensors.open(file)) {
            int[] codes = read(in, ring.tokenizer());
            if (kind.equals("png") && codes.length / ring.tokenizer().tokens() > MOST_FRAMES) {
                throw new UsageException(
                        "%s: a png holds %d frames at most; take an mp4 or --raw for more"
                                .formatted(file, MOST_FRAMES));
            }
            decode(ring, codes);
        }
        return Ringworld.DONE;
    }

    /** Every code is looked at before anything is computed. */
    private int[] read(SafeTensors in, ImageTokenizer tokenizer) throws CheckpointException {
        long[] shape = in.info("codes").shape();
        int grid = tokenizer.grid();
        if (shape.length != 3 || shape[0] < 1 || shape[1] != grid || shape[2] != grid) {
            throw new CheckpointException(
                    "%s: codes are %s where [frames, %d, %d] are needed"
                            .formatted(file, Arrays.toString(shape), grid, grid));
        }
        int[] codes = in.readInts("codes");
        for (int code : codes) {
            if (code < 0 || code >= tokenizer.vocabSize()) {
                throw new CheckpointException(
                        "%s: holds code %d, and %s has the codes 0 to %d"
                                .formatted(file, code, vqgan, tokenizer.vocabSize() - 1));
            }
        }
        return codes;
    }

    private void decode(TokenizerRing ring, int[] codes) throws Exception {
        ImageTokenizer tokenizer = ring.tokenizer();
        int n = tokenizer.tokens();
        int side = tokenizer.resolution();
        int frames = codes.length / n;
        Iterator<int[]> each =
                IntStream.range(0, frames)
                        .mapToObj(i -> Arrays.copyOfRange(codes, i * n, (i + 1) * n))
                        .iterator();
        List<float[]> pictures = new ArrayList<>();
        FramesLine line = new FramesLine(frames);
        var entry =
                new SafeTensorsWriter.Entry(
                        "decoded", SourceType.F32, new long[] {frames, side, side, 3});
        try (SafeTensorsWriter floats =
                raw == null ? null : SafeTensorsWriter.create(raw, List.of(entry), Map.of())) {
            ring.decode(
                    each,
                    frame -> {
                        append(floats, frame);
                        if (out != null) {
                            pictures.add(frame);
                        }
                        line.add();
                    });
            System.out.printf("%s of %d × %d pixels%n", line.summary(), side, side);
            if (floats != null) {
                floats.finish();
                System.out.println("wrote " + raw);
            }
        }
        if (out != null) {
            boolean isPicture = VisionModel.kind(out).equals("png");
            List<Picture> written =
                    isPicture
                            ? List.of(ImageFile.sheet(pictures))
                            : pictures.stream().map(Picture::of).toList();
            MediaFile.write(written, fps, out);
            System.out.println("wrote " + out);
        }
    }

    private static void append(SafeTensorsWriter floats, float[] frame) {
        try {
            if (floats != null) {
                floats.append("decoded", MemorySegment.ofArray(frame));
            }
        } catch (CheckpointException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }
}
