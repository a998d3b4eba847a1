package org.ringworld.cli.vision;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.ringworld.cli.Ringworld;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.vision.PatchVq;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Devices;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A tokenizer of one's own images. */
@Command(
        name = "train",
        description = "Make a tokenizer of patches from pictures, in seconds: k-means, no network.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        footer = {
            "",
            "IMAGES: png and jpg pictures, safetensors files with image, directories of them.",
            "",
            "Examples:",
            "  ringworld vision train photos --out patches",
            "  ringworld vision train a.png b.jpg --codes 64 --out patches --seed 3"
        })
final class VisionTrainCommand implements Callable<Integer> {
    @Parameters(arity = "1..*", paramLabel = "IMAGES", description = "Files and directories.")
    private List<Path> images;

    @Option(names = "--out", required = true, description = "A directory.")
    private Path out;

    @Option(
            names = "--codes",
            defaultValue = "0",
            description = "How many, 8192 at most; 0: a quarter as many as there are patches.")
    private int codes;

    @Option(
            names = "--fps",
            paramLabel = "N",
            defaultValue = "1",
            description = "Frames of a video a second; 0: all (default: 1).")
    private double fps;

    @Option(names = "--seed", defaultValue = "0", description = "Of what it starts from.")
    private long seed;

    @Override
    public Integer call() throws Exception {
        if (codes < 0 || codes > PatchVq.MOST_CODES) {
            throw new UsageException("--codes is 1 to %d".formatted(PatchVq.MOST_CODES));
        }
        List<Path> files = files();
        long start = System.nanoTime();
        try (Device device = Devices.open(VisionSettings.of(List.of()).devices().getFirst());
                PatchVq trained = train(device, files)) {
            trained.write(out);
            double seconds = (System.nanoTime() - start) * 1e-9;
            System.out.printf(
                    Locale.ROOT,
                    "%d codes of %d file%s in %.1f s, PSNR %.2f dB%n",
                    trained.vocabSize(),
                    files.size(),
                    files.size() == 1 ? "" : "s",
                    seconds,
                    psnr(trained, files));
        }
        System.out.println("wrote " + out);
        return Ringworld.DONE;
    }

    private PatchVq train(Device device, List<Path> files) {
        try {
            return PatchVq.train(device, frames(files), codes, seed);
        } catch (IllegalArgumentException e) {
            throw new UsageException(e.getMessage());
        }
    }

    private List<Path> files() throws IOException {
        List<Path> files = new ArrayList<>();
        for (Path path : images) {
            if (Files.isDirectory(path)) {
                try (Stream<Path> inside = Files.list(path)) {
                    inside.filter(ImageFile::isNamedSo).sorted().forEach(files::add);
                }
            } else {
                files.add(path);
            }
        }
        if (files.isEmpty()) {
            throw new UsageException(
                    images.getFirst() + ": holds no picture, video or safetensors file");
        }
        return files;
    }

    /** All frames of all files, one file open at a time. */
    private Stream<float[]> frames(List<Path> files) {
        return files.stream().flatMap(this::frames);
    }

    private Stream<float[]> frames(Path file) {
        try {
            ImageFile in = ImageFile.open(file, PatchVq.RESOLUTION, fps);
            var frames = Spliterators.spliteratorUnknownSize(in.frames(), Spliterator.ORDERED);
            return StreamSupport.stream(frames, false).onClose(in::close);
        } catch (IOException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }

    /** Peak signal to noise ratio of what comes back of all frames, in dB; the peak is 2. */
    private double psnr(PatchVq trained, List<Path> files) {
        double[] sum = new double[2];
        frames(files)
                .forEach(
                        frame -> {
                            float[] back = trained.decode(trained.encode(frame));
                            for (int i = 0; i < back.length; i++) {
                                double off = back[i] - frame[i];
                                sum[0] += off * off;
                            }
                            sum[1] += back.length;
                        });
        return 10 * Math.log10(4 * sum[1] / sum[0]);
    }
}
