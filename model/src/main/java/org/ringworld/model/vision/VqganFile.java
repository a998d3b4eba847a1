package org.ringworld.model.vision;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.StridedTensor;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.WeightFile;
import org.ringworld.checkpoints.pickle.NumpyPickle;
import org.ringworld.checkpoints.safetensors.SafeTensors;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;
import org.ringworld.runtime.DType;

/**
 * A VQGAN on disk: LWM's pickle, or a safetensors file with the same names joined by dots, and its
 * sizes in the config.json beside it (without one LWM's). Once it is open, all weights are known to
 * be there in the right shapes, and nothing else.
 */
public final class VqganFile implements AutoCloseable {
    private final WeightFile weights;
    private final VqganConfig config;

    private VqganFile(WeightFile weights, VqganConfig config) {
        this.weights = weights;
        this.config = config;
    }

    /**
     * Opens and checks a file.
     *
     * @throws CheckpointException naming the first tensor that is missing, misshapen or unknown
     */
    public static VqganFile open(Path file) throws CheckpointException {
        boolean safe = file.toString().endsWith(".safetensors");
        WeightFile weights = safe ? SafeTensors.open(file) : NumpyPickle.open(file);
        try {
            Path json = file.resolveSibling("config.json");
            VqganConfig config = VqganConfig.of(json, weights.names());
            String sizes =
                    VqganConfig.isVqgan(json)
                            ? "the sizes in its config.json"
                            : "LWM's own sizes, for want of a VQGAN's config.json beside it,";
            check(weights, config.tensors(), sizes);
            return new VqganFile(weights, config);
        } catch (CheckpointException | RuntimeException e) {
            weights.close();
            throw e;
        }
    }

    private static void check(WeightFile weights, List<TensorSpec> specs, String sizes)
            throws CheckpointException {
        Set<String> unknown = new HashSet<>(weights.names());
        for (TensorSpec spec : specs) {
            if (!unknown.remove(spec.name())) {
                throw new CheckpointException(
                        "%s: lacks tensor %s, which %s ask for: give the file and the config.json that fit"
                                .formatted(weights.file(), spec, sizes));
            }
            StridedTensor tensor = weights.tensor(spec.name());
            if (!Arrays.equals(tensor.shape(), spec.shape()) || !tensor.type().isValue()) {
                throw new CheckpointException(
                        "%s: tensor '%s' is %s %s where %s ask for floats %s"
                                .formatted(
                                        weights.file(),
                                        spec.name(),
                                        tensor.type(),
                                        Arrays.toString(tensor.shape()),
                                        sizes,
                                        Arrays.toString(spec.shape())));
            }
        }
        if (!unknown.isEmpty()) {
            throw new CheckpointException(
                    "%s: holds tensor '%s', of which %s know nothing: give the file and the config.json that fit"
                            .formatted(
                                    weights.file(),
                                    unknown.stream().sorted().findFirst().orElseThrow(),
                                    sizes));
        }
    }

    public VqganConfig config() {
        return config;
    }

    /** Where it lies. */
    public Path file() {
        return weights.file();
    }

    /**
     * Reads one weight.
     *
     * @param host receives its elements as {@code dtype}, F32 or BF16
     */
    void read(TensorSpec spec, DType dtype, MemorySegment host) throws CheckpointException {
        weights.read(spec.name(), dtype, host);
    }

    /** Writes config.json and model.safetensors, F32, into a directory that is being made. */
    void writeInto(Path directory) throws IOException {
        Files.writeString(directory.resolve("config.json"), config.json());
        List<TensorSpec> specs = config.tensors();
        List<SafeTensorsWriter.Entry> entries =
                specs.stream()
                        .map(s -> new SafeTensorsWriter.Entry(s.name(), SourceType.F32, s.shape()))
                        .toList();
        Path file = directory.resolve("model.safetensors");
        try (SafeTensorsWriter writer = SafeTensorsWriter.create(file, entries, Map.of())) {
            for (TensorSpec spec : specs) {
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment host = arena.allocate(4 * spec.count(), 64);
                    read(spec, DType.F32, host);
                    writer.write(spec.name(), host);
                }
            }
            writer.finish();
        }
    }

    /** Unmaps it. */
    @Override
    public void close() {
        weights.close();
    }
}
