package org.ringworld.checkpoints;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.ringworld.checkpoints.lwm.LwmStream;
import org.ringworld.checkpoints.safetensors.SafeTensors;
import org.ringworld.checkpoints.torch.TorchZip;
import tools.jackson.databind.JsonNode;

/**
 * The files of weights that a path means: a file itself, an index its shards, a directory its
 * safetensors before PyTorch's {@code .bin} before LWM's stream, and an index before whatever lies
 * beside it. Whether their tensors make a model is not looked at.
 *
 * @param fileOf which of them holds which tensor, in their order
 * @param files each once
 */
public record WeightFiles(Map<String, WeightFile> fileOf, List<WeightFile> files)
        implements AutoCloseable {
    public static final String INDEX = "model.safetensors.index.json";

    /**
     * Opens them all.
     *
     * @param numHeads query heads, by which the rows of LWM's stream are put in order
     * @throws CheckpointException naming the file that is damaged, missing or leaves the directory,
     *     or what the directory holds instead
     */
    static WeightFiles open(Path model, int numHeads) throws IOException {
        WeightFiles opened = new WeightFiles(new LinkedHashMap<>(), new ArrayList<>());
        try {
            Path start = Files.isDirectory(model) ? start(model) : model;
            if (start.toString().endsWith(".index.json")) {
                opened.addShards(start, numHeads);
            } else {
                WeightFile file = opened.add(start, numHeads);
                file.names().forEach(name -> opened.fileOf.put(name, file));
            }
            return opened;
        } catch (IOException | RuntimeException e) {
            opened.close();
            throw e;
        }
    }

    /** The file or index that a directory's weights start with. */
    private static Path start(Path directory) throws IOException {
        try (Stream<Path> inside = Files.list(directory)) {
            List<String> names = inside.map(p -> p.getFileName().toString()).sorted().toList();
            String start = start(directory.toString(), names);
            if (start == null) {
                throw new CheckpointException(directory + ": " + whatElse(names));
            }
            return directory.resolve(start);
        }
    }

    /**
     * The file or index that the weights of a directory start with; null where it has none.
     *
     * @param directory for the error's sentence
     * @param names of all that is in it
     * @throws CheckpointException where it is one of several streams
     */
    public static String start(String directory, List<String> names) throws CheckpointException {
        for (String weights : new String[] {"model.safetensors", "pytorch_model.bin"}) {
            for (String name : new String[] {weights + ".index.json", weights}) {
                if (names.contains(name)) {
                    return name;
                }
            }
        }
        List<String> streams = names.stream().filter(WeightFiles::isStream).toList();
        if (streams.size() > 1) {
            throw new CheckpointException(
                    "%s: holds %s: name the one that is meant"
                            .formatted(directory, String.join(", ", streams)));
        }
        return streams.isEmpty() ? null : streams.getFirst();
    }

    private static boolean isStream(String name) {
        return name.startsWith("params")
                || name.startsWith("streaming_")
                || name.startsWith("flax_params");
    }

    private static String whatElse(List<String> names) {
        if (names.stream().anyMatch(n -> n.startsWith("model-") && n.endsWith(".safetensors"))) {
            return "holds shards of a model but not their " + INDEX;
        }
        if (names.stream().anyMatch(n -> n.startsWith("pytorch_model-") && n.endsWith(".bin"))) {
            return "holds shards of a model but not their pytorch_model.bin.index.json";
        }
        return "holds no model: neither model.safetensors, pytorch_model.bin, the index of either"
                + " nor LWM's params";
    }

    private void addShards(Path index, int numHeads) throws CheckpointException {
        JsonNode weightMap = Json.readObject(index).path("weight_map");
        if (!weightMap.isObject()) {
            throw new CheckpointException(index + ": holds no weight_map");
        }
        Map<String, WeightFile> shards = new HashMap<>();
        for (Map.Entry<String, JsonNode> entry : weightMap.properties()) {
            String name = entry.getValue().asString("");
            WeightFile shard = shards.get(name);
            if (shard == null) {
                shard = add(shardFile(index, name), numHeads);
                shards.put(name, shard);
            }
            if (!shard.has(entry.getKey())) {
                throw new CheckpointException(
                        "%s: %s should hold tensor '%s' and does not"
                                .formatted(index, name, entry.getKey()));
            }
            fileOf.put(entry.getKey(), shard);
        }
    }

    private static Path shardFile(Path index, String shard) throws CheckpointException {
        Path file = index.resolveSibling(ModelFiles.plainName(index, shard));
        if (!Files.exists(file)) {
            throw new CheckpointException(
                    "%s: the shard %s is missing: fetch or copy it again".formatted(index, shard));
        }
        return file;
    }

    private WeightFile add(Path file, int numHeads) throws CheckpointException {
        WeightFile opened = openFile(file, numHeads);
        files.add(opened);
        return opened;
    }

    /** By the name's ending; without any of the known ones, by what LWM calls its streams. */
    private static WeightFile openFile(Path file, int numHeads) throws CheckpointException {
        String name = file.getFileName().toString();
        if (name.endsWith(".safetensors")) {
            return SafeTensors.open(file);
        }
        if (name.endsWith(".bin") || name.endsWith(".pt") || name.endsWith(".pth")) {
            return TorchZip.open(file);
        }
        if (isStream(name) || name.endsWith(".msgpack")) {
            return LwmStream.open(file, numHeads);
        }
        throw new CheckpointException(
                file
                        + ": is not named as weights are: *.safetensors, *.bin, *.pt, *.pth,"
                        + " params*, streaming_*, flax_params* or *.msgpack");
    }

    /** Unmaps them. */
    @Override
    public void close() {
        files.forEach(WeightFile::close);
    }
}
