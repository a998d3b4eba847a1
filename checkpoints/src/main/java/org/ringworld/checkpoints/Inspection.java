package org.ringworld.checkpoints;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.proto.SnapshotRecord;
import org.ringworld.checkpoints.safetensors.SafeTensors;
import org.ringworld.checkpoints.snapshot.RunDirectory;
import org.ringworld.checkpoints.snapshot.Snapshot;
import org.ringworld.checkpoints.snapshot.SnapshotFile;

/**
 * What is in a file or directory of weights, from headers alone.
 *
 * @param path the file or directory itself; of a run its newest model
 * @param config null where there is no {@code config.json}
 * @param faults tensors that do not fit config.json, a sentence a kind; none where there is no such
 *     file. Those that one shard of several lacks are not missing
 * @param tensors by our names where the format has others, in the files' order
 * @param metadata free strings of safetensors files
 * @param progress where training stood; null where it is no snapshot
 * @param files of a snapshot, with the checksums that were written down, not computed again
 */
public record Inspection(
        Path path,
        String format,
        LlamaConfig config,
        List<String> faults,
        List<Tensor> tensors,
        Map<String, String> metadata,
        Snapshot.Position progress,
        List<Checksum> files) {

    /** One stored tensor. */
    public record Tensor(String name, SourceType type, List<Long> shape, Path file) {
        /** Elements. */
        public long count() {
            return shape.contains(0L) ? 0 : shape.stream().reduce(1L, Math::multiplyExact);
        }

        /** Bytes of its elements, each once even where several tensors share them. */
        public long bytes() {
            return Math.multiplyExact(count(), type.bits()) / 8;
        }
    }

    /** Length and CRC-32C of a snapshot's file. */
    public record Checksum(String name, long bytes, int crc32c) {}

    /**
     * Looks at a path without reading weights.
     *
     * @throws CheckpointException where it is of no supported kind or damaged
     */
    public static Inspection of(Path path) throws CheckpointException {
        if (!Files.exists(path)) {
            throw new CheckpointException(path + ": there is no such file or directory");
        }
        try {
            return ofModel(RunDirectory.newestModel(path));
        } catch (CheckpointException e) {
            throw e;
        } catch (IOException e) {
            throw new CheckpointException(path + ": cannot be read: " + Json.reason(e), e);
        } catch (ArithmeticException e) {
            throw new CheckpointException(path + ": a tensor has more bytes than 63 bits count", e);
        }
    }

    private static Inspection ofModel(Path model) throws IOException {
        boolean isDirectory = Files.isDirectory(model);
        Path directory = isDirectory ? model : model.toAbsolutePath().getParent();
        Path json = directory.resolve("config.json");
        LlamaConfig config = Files.exists(json) ? LlamaConfig.fromJson(json) : null;
        boolean isSnapshot = isDirectory && Files.exists(directory.resolve(SnapshotFile.NAME));
        SnapshotRecord record = isSnapshot ? SnapshotFile.read(directory) : null;
        // Heads only say in which order rows are read, and none is.
        try (WeightFiles weights = WeightFiles.open(model, 1)) {
            return new Inspection(
                    model,
                    format(weights.files()) + (isSnapshot ? ", a snapshot" : ""),
                    config,
                    config == null ? List.of() : faults(config, weights, !isDirectory),
                    tensors(weights.fileOf()),
                    metadata(weights.files()),
                    isSnapshot ? SnapshotFile.progress(directory, record) : null,
                    isSnapshot ? checksums(record) : List.of());
        }
    }

    private static List<String> faults(LlamaConfig config, WeightFiles weights, boolean mayBeShard)
            throws CheckpointException {
        List<String> faults = ModelFiles.faults(config, weights, config.tieEmbeddings());
        boolean shard =
                mayBeShard
                        && weights.files()
                                .getFirst()
                                .file()
                                .getFileName()
                                .toString()
                                .contains("-of-");
        return faults.stream().filter(fault -> !shard || !fault.startsWith("missing")).toList();
    }

    private static List<Tensor> tensors(Map<String, WeightFile> fileOf) throws CheckpointException {
        List<Tensor> tensors = new ArrayList<>();
        for (Map.Entry<String, WeightFile> entry : fileOf.entrySet()) {
            StridedTensor stored = entry.getValue().tensor(entry.getKey());
            List<Long> shape = Arrays.stream(stored.shape()).boxed().toList();
            Path file = entry.getValue().file();
            tensors.add(new Tensor(entry.getKey(), stored.type(), shape, file));
        }
        return List.copyOf(tensors);
    }

    private static Map<String, String> metadata(List<WeightFile> files) {
        Map<String, String> metadata = new TreeMap<>();
        for (WeightFile file : files) {
            if (file instanceof SafeTensors safeTensors) {
                metadata.putAll(safeTensors.metadata());
            }
        }
        return metadata;
    }

    private static String format(List<WeightFile> opened) {
        if (opened.isEmpty()) {
            return "an index of no files";
        }
        String kind = opened.getFirst().format();
        return opened.size() == 1 ? kind : kind + " in " + opened.size() + " shards";
    }

    private static List<Checksum> checksums(SnapshotRecord record) {
        return record.getFilesList().stream()
                .map(f -> new Checksum(f.getName(), f.getBytes(), f.getCrc32C()))
                .toList();
    }
}
