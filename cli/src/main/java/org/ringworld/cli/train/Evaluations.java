package org.ringworld.cli.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Moment;
import org.ringworld.model.training.job.Probe;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** evaluations.jsonl: a line for each thing that a model was evaluated by, after some step. */
final class Evaluations {
    private final Path file;
    // The last step that it tells of; −1: of none.
    private long last = -1;

    Evaluations(Path output) {
        this.file = output.resolve("evaluations.jsonl");
    }

    /** What was told of later steps is dropped: they are done again. */
    void goOnAfter(long step) throws IOException {
        keep(line -> line.path("step").asLong(Long.MAX_VALUE) <= step);
        last = step;
    }

    private void keep(Predicate<JsonNode> which) throws IOException {
        if (!Files.exists(file)) {
            return;
        }
        List<String> kept = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            if (is(which, line)) {
                kept.add(line);
            }
        }
        Path temporary = file.resolveSibling(file.getFileName() + ".tmp");
        Files.write(temporary, kept);
        Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
    }

    /** A line that a kill cut short is none. */
    private static boolean is(Predicate<JsonNode> which, String line) {
        try {
            return which.test(JsonMapper.shared().readTree(line));
        } catch (JacksonException e) {
            return false;
        }
    }

    /** What was told of the same step before, by a run that ended, is told anew. */
    void add(Progress.Evaluated evaluated) throws IOException {
        if (evaluated.step() <= last) {
            keep(line -> line.path("step").asLong() != evaluated.step());
        }
        last = evaluated.step();
        StringBuilder lines = new StringBuilder();
        String time = Instant.now().truncatedTo(ChronoUnit.MILLIS).toString();
        for (Probe.Result result : evaluated.results()) {
            ObjectNode line = JsonMapper.shared().createObjectNode();
            line.put("step", evaluated.step());
            line.put("stage", Moment.stage(evaluated.moment()));
            line.put("name", result.kind().name());
            line.put("seqLen", result.seqLen());
            line.put("rows", result.rows());
            line.put("loss", result.loss());
            line.put("bits", result.bits());
            if (result.kind().isAsked()) {
                line.put("accuracy", result.accuracy());
            }
            line.put("time", time);
            lines.append(line).append('\n');
        }
        Files.writeString(file, lines, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }
}
