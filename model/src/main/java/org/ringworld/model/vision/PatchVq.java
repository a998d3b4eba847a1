package org.ringworld.model.vision;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Json;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.files.AtomicFiles;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.safetensors.SafeTensors;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * A tokenizer that needs no download: each square patch of an image is the one of a codebook that
 * is nearest, and the codebook is k-means over the patches of some images. It has LWM's grid, 16 ×
 * 16 codes of 256 × 256 pixels, computes in F32 and is trained in seconds.
 */
public final class PatchVq implements ImageTokenizer {
    /** Pixels along a side of an image, and of a patch. */
    public static final int RESOLUTION = 256;

    public static final int PATCH = 16;

    /** Codes at most: LWM's. */
    public static final int MOST_CODES = 8192;

    private static final String MODEL_TYPE = "patch_vq";
    private static final String CODEBOOK = "codebook";
    private static final int D = 3 * PATCH * PATCH;
    private static final int GRID = RESOLUTION / PATCH;

    /** Patches that are trained on at most: 100 MB. */
    private static final int MOST_PATCHES = 32_768;

    private static final int ROUNDS = 8;

    private final Device device;
    private final float[] codebook;
    private final Tensor held;
    private final VectorQuantizer quantizer;
    private final Workspace workspace;

    private PatchVq(Device device, float[] codebook) {
        this.device = device;
        this.codebook = codebook;
        held = device.tensor(DType.F32, codebook.length / D, D);
        device.copyIn(MemorySegment.ofArray(codebook), held);
        quantizer = new VectorQuantizer(device, held);
        workspace = new Workspace(device);
    }

    /**
     * A codebook for images, on the thread that drives the device.
     *
     * @param images each [256, 256, 3], one at least; where they have more patches than are trained
     *     on, an even sample of those
     * @param codes how many; 0: a quarter as many as there are patches
     * @throws IllegalArgumentException where the images have fewer patches than that
     */
    public static PatchVq train(Device device, Stream<float[]> images, int codes, long seed) {
        Sample sample = new Sample(new Random(seed));
        images.forEachOrdered(sample::add);
        float[] points = sample.patches();
        int n = points.length / D;
        int k = codes == 0 ? Math.clamp(n / 4, 1, MOST_CODES) : codes;
        if (k > n) {
            throw new IllegalArgumentException(
                    "%d codes of %d patches: give more images or fewer codes".formatted(k, n));
        }
        return new PatchVq(device, KMeans.of(device, points, D, k, ROUNDS, seed));
    }

    /** Patches of images, each of all with the same chance (Vitter's reservoir, 1985). */
    private static final class Sample {
        private final Random random;
        private float[] kept = new float[0];
        private long seen;

        Sample(Random random) {
            this.random = random;
        }

        void add(float[] image) {
            float[] patches = PatchVq.patches(image);
            for (int i = 0; i < patches.length; i += D) {
                long place = seen < MOST_PATCHES ? seen : random.nextLong(seen + 1);
                seen++;
                if (place < MOST_PATCHES) {
                    if (place * D >= kept.length) {
                        kept = Arrays.copyOf(kept, Math.min(MOST_PATCHES * D, 2 * kept.length + D));
                    }
                    System.arraycopy(patches, i, kept, (int) place * D, D);
                }
            }
        }

        float[] patches() {
            return Arrays.copyOf(kept, (int) Math.min(seen, MOST_PATCHES) * D);
        }
    }

    /** Whether a config.json is of this kind. */
    static boolean isPatchVq(Path json) throws CheckpointException {
        return Files.exists(json)
                && MODEL_TYPE.equals(Json.readObject(json).path("model_type").asString(""));
    }

    /**
     * Opens what {@link #write} has written.
     *
     * @param file model.safetensors
     */
    static PatchVq open(Path file, Device device) throws CheckpointException {
        Path json = file.resolveSibling("config.json");
        JsonNode config = Json.readObject(json);
        if (config.path("resolution").asInt(0) != RESOLUTION
                || config.path("patch").asInt(0) != PATCH) {
            throw new CheckpointException(
                    "%s: resolution and patch are not %d and %d, the only ones that are supported"
                            .formatted(json, RESOLUTION, PATCH));
        }
        try (SafeTensors stored = SafeTensors.open(file)) {
            long[] shape = stored.info(CODEBOOK).shape();
            if (shape.length != 2 || shape[0] < 1 || shape[0] > MOST_CODES || shape[1] != D) {
                throw new CheckpointException(
                        "%s: its codebook is %s where up to %d codes of %d are needed"
                                .formatted(file, Arrays.toString(shape), MOST_CODES, D));
            }
            return new PatchVq(device, stored.readFloats(CODEBOOK));
        }
    }

    /**
     * Writes it as a directory of config.json and model.safetensors.
     *
     * @throws CheckpointException where it cannot be written; an older one is then intact
     */
    public void write(Path directory) throws CheckpointException {
        AtomicFiles.writeDirectory(directory, Fence.NONE, this::writeInto);
    }

    /** The same two files into a directory that is being made. */
    void writeInto(Path directory) throws IOException {
        Files.writeString(
                directory.resolve("config.json"),
                Json.pretty(
                        JsonNodeFactory.instance
                                .objectNode()
                                .put("model_type", MODEL_TYPE)
                                .put("resolution", RESOLUTION)
                                .put("patch", PATCH)
                                .put("num_embeddings", vocabSize())));
        var entry =
                new SafeTensorsWriter.Entry(CODEBOOK, SourceType.F32, new long[] {vocabSize(), D});
        Path file = directory.resolve("model.safetensors");
        try (SafeTensorsWriter out = SafeTensorsWriter.create(file, List.of(entry), Map.of())) {
            out.write(CODEBOOK, MemorySegment.ofArray(codebook));
            out.finish();
        }
    }

    @Override
    public int resolution() {
        return RESOLUTION;
    }

    @Override
    public int grid() {
        return GRID;
    }

    @Override
    public int vocabSize() {
        return codebook.length / D;
    }

    @Override
    public int[] encode(float[] images) {
        int[] codes = new int[images.length / D];
        Workspace.Mark mark = workspace.mark();
        try {
            Tensor x = workspace.take(DType.F32, codes.length, D);
            device.copyIn(MemorySegment.ofArray(patches(images)), x);
            Tensor ids = workspace.take(DType.I32, codes.length);
            quantizer.encode(x, ids);
            device.copyOut(ids, MemorySegment.ofArray(codes));
        } finally {
            workspace.release(mark);
        }
        return codes;
    }

    @Override
    public float[] decode(int[] codes) {
        float[] images = new float[codes.length * D];
        for (int i = 0; i < codes.length; i++) {
            int from = Objects.checkIndex(codes[i], vocabSize()) * D;
            for (int row = 0; row < PATCH; row++) {
                System.arraycopy(
                        codebook, from + row * 3 * PATCH, images, rowOf(i, row), 3 * PATCH);
            }
        }
        return images;
    }

    /** Images [frames, 256, 256, 3] as their patches, [frames · 256, 768]. */
    private static float[] patches(float[] images) {
        float[] patches = new float[images.length];
        for (int i = 0; i < images.length / D; i++) {
            for (int row = 0; row < PATCH; row++) {
                System.arraycopy(
                        images, rowOf(i, row), patches, i * D + row * 3 * PATCH, 3 * PATCH);
            }
        }
        return patches;
    }

    /** Where a row of a patch begins in its images. */
    private static int rowOf(int patch, int row) {
        int line = patch / GRID * PATCH + row;
        return (line * RESOLUTION + patch % GRID * PATCH) * 3;
    }

    @Override
    public void close() {
        workspace.close();
        device.free(held);
    }
}
