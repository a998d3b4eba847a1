package org.ringworld.model.vision;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;

/**
 * Square images to codes and back, on one device and from the thread that drives it. An image is
 * its rows of pixels, each red, green and blue in [-1, 1]: [resolution, resolution, 3]; its codes
 * lie as [grid, grid].
 */
public sealed interface ImageTokenizer extends AutoCloseable permits Vqgan, PatchVq {
    /** Pixels along a side of an image. */
    int resolution();

    /** Codes along a side of an image. */
    int grid();

    /** How many codes there are. */
    int vocabSize();

    /**
     * Codes of images, one after the other.
     *
     * @param images as many as there are, F32 [frames, resolution, resolution, 3]
     * @return I32 [frames, grid, grid]
     */
    int[] encode(float[] images);

    /**
     * Images of codes, one after the other.
     *
     * @param codes I32 [frames, grid, grid]
     * @return F32 [frames, resolution, resolution, 3], in [-1, 1]
     * @throws IndexOutOfBoundsException for a code that is not below {@link #vocabSize}
     */
    float[] decode(int[] codes);

    /** Gives back what it holds of the device. */
    @Override
    void close();

    /** Elements of an image. */
    default int pixels() {
        return 3 * resolution() * resolution();
    }

    /** Codes of an image. */
    default int tokens() {
        return grid() * grid();
    }

    /**
     * Opens a tokenizer: a file, or a directory that holds it, or a model's with a directory {@code
     * vqgan}.
     *
     * @param dtype F32 or BF16, which it computes in
     * @throws CheckpointException where there is none, or it cannot be used as it is
     */
    static ImageTokenizer open(Path path, Device device, DType dtype) throws CheckpointException {
        Path file = find(path);
        if (PatchVq.isPatchVq(file.resolveSibling("config.json"))) {
            return PatchVq.open(file, device);
        }
        try (VqganFile weights = VqganFile.open(file)) {
            return new Vqgan(weights, device, dtype);
        }
    }

    /**
     * Copies a tokenizer, checked, into a directory that is being made: config.json and
     * model.safetensors.
     *
     * @param file of weights
     */
    static void copy(Path file, Path directory) throws IOException {
        if (PatchVq.isPatchVq(file.resolveSibling("config.json"))) {
            try (Device host = Devices.open(new DeviceSpec.Cpu(1));
                    PatchVq patches = PatchVq.open(file, host)) {
                patches.writeInto(directory);
            }
            return;
        }
        try (VqganFile weights = VqganFile.open(file)) {
            weights.writeInto(directory);
        }
    }

    /**
     * The file of weights that a path means.
     *
     * @throws CheckpointException where there is none
     */
    static Path find(Path path) throws CheckpointException {
        if (!Files.exists(path)) {
            throw new CheckpointException(path + ": there is no such VQGAN");
        }
        if (!Files.isDirectory(path)) {
            return path;
        }
        Path vqgan = path.resolve("vqgan");
        if (Files.isDirectory(vqgan)) {
            return find(vqgan);
        }
        Path json = path.resolve("config.json");
        List<Path> inside = new ArrayList<>(List.of(vqgan, path.resolve("vqgan.safetensors")));
        // A transformer's directory has a file of this name, too.
        if (!Files.exists(json) || VqganConfig.isVqgan(json) || PatchVq.isPatchVq(json)) {
            inside.add(path.resolve("model.safetensors"));
        }
        for (Path file : inside) {
            if (Files.exists(file)) {
                return file;
            }
        }
        throw new CheckpointException(
                path
                        + ": holds no VQGAN: neither vqgan, vqgan.safetensors nor a model.safetensors of one");
    }
}
