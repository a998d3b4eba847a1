package org.ringworld.cli.eval;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.checkpoints.files.AtomicFiles;
import org.ringworld.model.training.job.Probe;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** What was evaluated, as JSON; a depth of "anywhere" is null. */
public final class ResultsJson {
    private static final ObjectMapper JSON = JsonMapper.shared();

    private ResultsJson() {}

    public static ArrayNode of(List<Probe.Result> results) {
        ArrayNode array = JSON.createArrayNode();
        for (Probe.Result result : results) {
            ObjectNode node = array.addObject();
            node.put("name", result.kind().name());
            node.put("seqLen", result.seqLen());
            node.put("depth", Double.isNaN(result.depth()) ? null : result.depth());
            node.put("rows", result.rows());
            node.put("right", result.right());
            node.put("accuracy", result.accuracy());
            node.put("loss", result.loss());
        }
        return array;
    }

    public static List<Probe.Result> read(JsonNode array) {
        List<Probe.Result> results = new ArrayList<>();
        for (JsonNode node : array) {
            results.add(
                    new Probe.Result(
                            Probe.Kind.of(node.path("name").asString()),
                            node.path("seqLen").asInt(),
                            node.path("depth").asDouble(Double.NaN),
                            node.path("rows").asInt(),
                            node.path("right").asInt(),
                            node.path("loss").asDouble()));
        }
        return results;
    }

    /** Where the picture of such a file lies. */
    static Path picture(Path json) {
        return Path.of(json.toString().replaceFirst("\\.json$", "") + ".png");
    }

    /** Writes a file whole or not at all. */
    public static void write(Path file, JsonNode node) throws IOException {
        Path temporary = AtomicFiles.temporary(file);
        Files.writeString(
                temporary, JSON.writerWithDefaultPrettyPrinter().writeValueAsString(node) + "\n");
        AtomicFiles.rename(temporary, file);
    }
}
