package org.ringworld.checkpoints.hf;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Json;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.TensorSource;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.WeightFiles;
import org.ringworld.checkpoints.files.AtomicFiles;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;
import org.ringworld.runtime.DType;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes a Hugging Face model directory: {@code config.json}, {@code model.safetensors} or numbered
 * shards with their index, and whatever else the caller adds (tokenizer files). It is written
 * beside its place and renamed when complete and synced, so that a reader never sees half of it.
 */
public final class HfDirectory {
    /** Bytes of weights in one file, at most: as Transformers cuts them. */
    public static final long SHARD_BYTES = 5_000_000_000L;

    private static final Map<String, String> METADATA = Map.of("format", "pt");

    private HfDirectory() {}

    /** Files beside the weights. */
    @FunctionalInterface
    public interface ExtraFiles {
        ExtraFiles NONE = directory -> {};

        /** Writes into the directory that is being made; its name is temporary. */
        void write(Path directory) throws IOException;
    }

    /** {@link #write(Path, LlamaConfig, DType, List, TensorSource, ExtraFiles, Fence, long)}. */
    public static void write(
            Path directory,
            LlamaConfig config,
            DType dtype,
            List<TensorSpec> specs,
            TensorSource source,
            ExtraFiles extra,
            Fence fence)
            throws CheckpointException {
        write(directory, config, dtype, specs, source, extra, fence, SHARD_BYTES);
    }

    /**
     * Writes a model, in place of an older one in {@code directory}.
     *
     * @param dtype of all weights: F32 or BF16
     * @param fence whose owner alone may put the model in its place
     * @param shardBytes a file holds no more than this, or a single tensor
     * @throws CheckpointException where something cannot be written; the older model is then intact
     */
    public static void write(
            Path directory,
            LlamaConfig config,
            DType dtype,
            List<TensorSpec> specs,
            TensorSource source,
            ExtraFiles extra,
            Fence fence,
            long shardBytes)
            throws CheckpointException {
        write(
                directory,
                config,
                dtype,
                specs,
                source,
                (temporary, _) -> {
                    extra.write(temporary);
                    TokenIds.complete(temporary);
                },
                fence,
                shardBytes);
    }

    /** Files beside the weights, which need to know of those. */
    @FunctionalInterface
    public interface FilesBeside {
        /**
         * @param checksums CRC-32C of the files of weights by their names
         */
        void write(Path temporary, Map<String, Integer> checksums) throws IOException;
    }

    public static void write(
            Path directory,
            LlamaConfig config,
            DType dtype,
            List<TensorSpec> specs,
            TensorSource source,
            FilesBeside beside,
            Fence fence,
            long shardBytes)
            throws CheckpointException {
        AtomicFiles.writeDirectory(
                directory,
                fence,
                temporary -> {
                    Files.writeString(temporary.resolve("config.json"), config.toJson(dtype));
                    beside.write(
                            temporary, writeWeights(temporary, dtype, specs, source, shardBytes));
                });
    }

    /** The checksums of the files, by their names. */
    private static Map<String, Integer> writeWeights(
            Path directory,
            DType dtype,
            List<TensorSpec> specs,
            TensorSource source,
            long shardBytes)
            throws IOException {
        List<List<TensorSpec>> shards = shards(dtype, specs, shardBytes);
        if (shards.size() == 1) {
            String name = "model.safetensors";
            return Map.of(name, writeShard(directory.resolve(name), dtype, specs, source));
        }
        Map<String, Integer> checksums = new HashMap<>();
        ObjectNode index = JsonNodeFactory.instance.objectNode();
        long total = specs.stream().mapToLong(s -> s.count() * dtype.bytes()).sum();
        index.putObject("metadata").put("total_size", total);
        ObjectNode weightMap = index.putObject("weight_map");
        for (int i = 0; i < shards.size(); i++) {
            String name = "model-%05d-of-%05d.safetensors".formatted(i + 1, shards.size());
            checksums.put(name, writeShard(directory.resolve(name), dtype, shards.get(i), source));
            shards.get(i).forEach(spec -> weightMap.put(spec.name(), name));
        }
        Files.writeString(directory.resolve(WeightFiles.INDEX), Json.pretty(index));
        return checksums;
    }

    private static List<List<TensorSpec>> shards(
            DType dtype, List<TensorSpec> specs, long shardBytes) {
        List<List<TensorSpec>> shards = new ArrayList<>(List.of(new ArrayList<>()));
        long bytes = 0;
        for (TensorSpec spec : specs) {
            long size = Math.multiplyExact(spec.count(), dtype.bytes());
            if (bytes > 0 && bytes + size > shardBytes) {
                shards.add(new ArrayList<>());
                bytes = 0;
            }
            shards.getLast().add(spec);
            bytes += size;
        }
        return shards;
    }

    private static int writeShard(
            Path file, DType dtype, List<TensorSpec> specs, TensorSource source)
            throws CheckpointException {
        SourceType type = SourceType.valueOf(dtype.name());
        List<SafeTensorsWriter.Entry> entries =
                specs.stream()
                        .map(s -> new SafeTensorsWriter.Entry(s.name(), type, s.shape()))
                        .toList();
        try (SafeTensorsWriter writer = SafeTensorsWriter.create(file, entries, METADATA)) {
            for (TensorSpec spec : specs) {
                writer.write(spec.name(), source.bytes(spec));
            }
            return writer.finish();
        }
    }
}
