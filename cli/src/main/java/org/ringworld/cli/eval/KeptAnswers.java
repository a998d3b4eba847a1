package org.ringworld.cli.eval;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.cli.qa.JsonLines;
import org.ringworld.model.training.job.UsageException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Answers in FILE.answers as they come, until the results are in FILE: an evaluation that was cut
 * off goes on where it was. Its first line says what was asked.
 */
final class KeptAnswers implements AutoCloseable {
    private final Path path;
    private final Fence fence;
    private final JsonLines lines;

    private KeptAnswers(Path path, Fence fence, JsonLines lines) {
        this.path = path;
        this.fence = fence;
        this.lines = lines;
    }

    /**
     * @param json the results' file; null: nothing is kept
     * @param request all that decides the answers
     * @throws UsageException where there are answers to something else
     */
    static KeptAnswers open(Path json, ObjectNode request) throws IOException {
        if (json == null) {
            return new KeptAnswers(null, Fence.NONE, null);
        }
        Path path = Path.of(json + ".answers");
        Fence fence = Fence.claimFile(path);
        KeptAnswers kept = new KeptAnswers(path, fence, new JsonLines(path, fence));
        List<JsonNode> before = kept.lines.before();
        if (before.isEmpty()) {
            kept.add(request);
        } else if (!before.getFirst().equals(JsonMapper.shared().readTree(request.toString()))) {
            kept.close();
            throw new UsageException(
                    path + " has answers to something else: give another --json, or delete it");
        }
        return kept;
    }

    /** The answers that were there when it was opened. */
    List<JsonNode> before() {
        return lines == null ? List.of() : lines.before().stream().skip(1).toList();
    }

    void add(JsonNode answer) throws IOException {
        if (lines != null) {
            lines.add(answer);
        }
    }

    /** They are no longer needed: the results are written. */
    void delete() throws IOException {
        if (path != null) {
            Files.delete(path);
        }
    }

    @Override
    public void close() throws IOException {
        try {
            if (lines != null) {
                lines.close();
            }
        } finally {
            fence.release();
        }
    }
}
