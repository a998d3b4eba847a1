package org.ringworld.cli.vision;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;
import org.ringworld.cli.Ringworld;
import org.ringworld.model.vision.ImageTokenizer;
import org.ringworld.model.vision.TokenizerRing;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Frames to codes. */
@Command(
        name = "encode",
        description = "Write the codes of a picture, a video, or the frames in a safetensors file.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "FILE: a picture, a video, or a safetensors file with image [frames, h, w, 3] in [-1, 1].",
            "Out: codes [frames, h, w] I32.",
            "Keys: ring.size, device.threads, devices, dtype (f32 or bf16).",
            "",
            "Examples:",
            "  ringworld vision encode photo.png --vqgan LWM-Chat-1M-Jax/vqgan --out codes.safetensors",
            "  ringworld vision encode film.mp4 --fps 4 --vqgan MODEL --out codes.safetensors",
            "  ringworld vision encode frames.safetensors --vqgan MODEL --out codes.safetensors ring.size=2"
        })
final class VisionEncodeCommand implements Callable<Integer> {
    @Parameters(index = "0", paramLabel = "FILE", description = "A picture or frames.")
    private Path file;

    @Parameters(index = "1..*", arity = "0..*", paramLabel = "key=value", description = "Settings.")
    private List<String> settings = List.of();

    @Option(
            names = "--vqgan",
            required = true,
            description =
                    "LWM's vqgan, a safetensors file, or a directory with one, a model's too.")
    private Path vqgan;

    @Option(
            names = "--fps",
            paramLabel = "N",
            defaultValue = "0",
            description = "Frames of a video a second; 0: all.")
    private double fps;

    @Option(names = "--out", required = true, description = "A safetensors file.")
    private Path out;

    @Override
    public Integer call() throws Exception {
        try (TokenizerRing ring = VisionSettings.of(settings).open(vqgan);
                ImageFile in = ImageFile.open(file, ring.tokenizer().resolution(), fps)) {
            ImageTokenizer tokenizer = ring.tokenizer();
            List<int[]> codes = new ArrayList<>();
            FramesLine line = new FramesLine(in.count());
            ring.encode(
                    in.frames(),
                    frame -> {
                        codes.add(frame);
                        line.add();
                    });
            write(codes, tokenizer.grid());
            System.out.printf(
                    "%s to %d × %d codes each%n",
                    line.summary(), tokenizer.grid(), tokenizer.grid());
        }
        System.out.println("wrote " + out);
        return Ringworld.DONE;
    }

    private void write(List<int[]> codes, int grid) throws Exception {
        var entry =
                new SafeTensorsWriter.Entry(
                        "codes", SourceType.I32, new long[] {codes.size(), grid, grid});
        try (SafeTensorsWriter writer = SafeTensorsWriter.create(out, List.of(entry), Map.of())) {
            for (int[] frame : codes) {
                writer.append("codes", MemorySegment.ofArray(frame));
            }
            writer.finish();
        }
    }
}
