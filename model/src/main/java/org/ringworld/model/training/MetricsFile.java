package org.ringworld.model.training;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ringworld.checkpoints.files.Fence;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * metrics.jsonl: one line an optimizer step, no gap and no double. A step's line is durable before
 * a snapshot of that step is: the lines of a run that goes on are never behind its state. A disk
 * that is full for a while delays lines and stops nothing.
 */
public final class MetricsFile implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(MetricsFile.class);

    /** Lines of other versions lack keys or have more: what they lack is 0, or nothing. */
    private static final ObjectMapper JSON =
            JsonMapper.builder()
                    .disable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                    .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                    .build();

    private final Fence fence;
    private final FileChannel channel;
    private final List<StepMetrics> earlier;
    private long lastStep;
    private byte[] waiting = {};

    /**
     * Opens the file of a run that goes on after {@code step}; lines of later steps are dropped,
     * the others stay as they are, whichever version wrote them.
     *
     * @param fence whose owner alone may add to it
     */
    public MetricsFile(Path file, long step, Fence fence) throws IOException {
        this.fence = fence;
        Lines lines = lines(Files.exists(file) ? text(file) : "", step);
        this.earlier = lines.steps;
        this.lastStep = lines.texts.size();
        Path temporary = file.resolveSibling(file.getFileName() + ".tmp");
        try (BufferedWriter kept = Files.newBufferedWriter(temporary)) {
            for (String line : lines.texts) {
                kept.write(line);
                kept.write('\n');
            }
        }
        fence.check();
        Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
        this.channel = FileChannel.open(file, StandardOpenOption.APPEND);
    }

    /**
     * The steps up to {@code last} of which such a file's text tells, as far as this version can
     * read them.
     */
    public static List<StepMetrics> steps(String text, long last) {
        return lines(text, last).steps;
    }

    /** Lines that are whole, as they are and as this version reads them. */
    private record Lines(List<String> texts, List<StepMetrics> steps) {}

    private static Lines lines(String text, long last) {
        Lines lines = new Lines(new ArrayList<>(), new ArrayList<>());
        for (String line : text.split("\n")) {
            try {
                JsonNode node = JSON.readTree(line);
                boolean next = node.path("step").asLong(0) == lines.texts.size() + 1;
                if (next && lines.texts.size() < last) {
                    lines.texts.add(line);
                    bind((ObjectNode) node, lines.steps);
                }
            } catch (JacksonException e) {
                break; // a line that a kill cut short; the steps after it are done again
            }
        }
        return lines;
    }

    /** What a kill left may be anything: then it is no line. */
    private static String text(Path file) throws IOException {
        return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
    }

    /** A line whose values are others than ours stays, but nobody can be told of it. */
    private static void bind(ObjectNode node, List<StepMetrics> steps) {
        if (!node.has("accuracy")) {
            node.put("accuracy", Double.NaN);
        }
        try {
            steps.add(JSON.treeToValue(node, StepMetrics.class));
        } catch (JacksonException e) {
            LOG.warn("a line of metrics.jsonl is kept unread: {}", e.getOriginalMessage());
        }
    }

    private static String line(StepMetrics metrics) {
        ObjectNode node = JSON.valueToTree(metrics);
        if (Double.isNaN(metrics.accuracy())) {
            node.remove("accuracy");
        }
        if (metrics.parts() == null) {
            node.remove("parts");
        }
        return JSON.writeValueAsString(node) + "\n";
    }

    public void add(StepMetrics metrics) throws IOException {
        fence.check();
        lastStep = metrics.step();
        byte[] line = line(metrics).getBytes(StandardCharsets.UTF_8);
        int before = waiting.length;
        waiting = Arrays.copyOf(waiting, before + line.length);
        System.arraycopy(line, 0, waiting, before, line.length);
        try {
            flush();
        } catch (IOException e) {
            // There may be room again for the next line; sync() tells where there is not.
        }
    }

    private void flush() throws IOException {
        ByteBuffer lines = ByteBuffer.wrap(waiting);
        try {
            while (lines.hasRemaining()) {
                channel.write(lines);
            }
        } finally {
            waiting = Arrays.copyOfRange(waiting, lines.position(), waiting.length);
        }
    }

    /**
     * Makes what was added durable.
     *
     * @throws IOException where some of it cannot be written yet
     */
    public void sync() throws IOException {
        flush();
        channel.force(false);
    }

    /** The last step on record. */
    public long lastStep() {
        return lastStep;
    }

    /** The steps that were there when it was opened, as far as this version can read them. */
    public List<StepMetrics> earlier() {
        return earlier;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
