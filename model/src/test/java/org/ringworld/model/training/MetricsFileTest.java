package org.ringworld.model.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.files.Fence;

class MetricsFileTest {
    @TempDir private Path directory;
    private Path file;
    private Fence fence;

    @BeforeEach
    void claim() throws Exception {
        file = directory.resolve("metrics.jsonl");
        fence = Fence.claim(directory);
    }

    private static StepMetrics step(long step) {
        return new StepMetrics(
                step,
                0,
                3,
                1.5,
                Double.NaN,
                1e-3,
                0.5,
                9,
                64,
                32,
                1e4,
                0.25,
                5,
                4,
                0.1,
                0.2,
                List.of(
                        new StepMetrics.Part("a/books", "text", 1.25, 0.5, 20),
                        new StepMetrics.Part("a/books", "vision", 2.5, 0.25, 12)),
                "2026-01-02T03:04:05.678Z");
    }

    private void add(long from, long to) throws Exception {
        try (MetricsFile metrics = new MetricsFile(file, from - 1, fence)) {
            for (long step = from; step <= to; step++) {
                metrics.add(step(step));
            }
            metrics.sync();
        }
    }

    @Test
    void aRunThatGoesOnHasEachStepOnce() throws Exception {
        add(1, 5);
        List<String> before = Files.readAllLines(file);
        try (MetricsFile metrics = new MetricsFile(file, 3, fence)) {
            assertThat(metrics.lastStep()).isEqualTo(3);
            assertThat(metrics.earlier()).containsExactly(step(1), step(2), step(3));
            metrics.add(step(4));
            assertThat(metrics.lastStep()).isEqualTo(4);
        }
        assertThat(Files.readAllLines(file)).isEqualTo(before.subList(0, 4));
    }

    @Test
    void aLineIsJsonWithTheTimeOfItsStepInUtc() throws Exception {
        add(1, 1);
        assertThat(Files.readString(file))
                .startsWith("{\"step\":1,")
                .contains("\"time\":\"2026-01-02T03:04:05.678Z\"")
                .contains("\"loss\":1.5,\"learningRate\"")
                .contains("\"modality\":\"vision\",\"loss\":2.5,\"accuracy\":0.25,\"answers\":12}")
                .endsWith("}\n");
        assertThat(Instant.parse(step(1).time()).toString()).isEqualTo(step(1).time());
    }

    /** As runs of other versions left them: with fewer keys, with more, in another order. */
    @Test
    void linesOfOtherVersionsStayAsTheyAre() throws Exception {
        add(1, 4);
        List<String> lines = new ArrayList<>(Files.readAllLines(file));
        lines.set(0, lines.get(0).replaceFirst(",\"time\":\"[^\"]*\"", ""));
        lines.set(1, "{\"loss\":2.5, \"step\":2}");
        lines.set(2, lines.get(2).replace("}", ",\"later\":{\"a\":[1]}}"));
        lines.set(3, lines.get(3).replace("\"loss\":1.5", "\"loss\":\"low\""));
        Files.write(file, lines);
        try (MetricsFile metrics = new MetricsFile(file, 4, fence)) {
            assertThat(metrics.lastStep()).isEqualTo(4);
            assertThat(metrics.earlier()).extracting(StepMetrics::step).containsExactly(1L, 2L, 3L);
            assertThat(metrics.earlier().get(0).time()).isNull();
            assertThat(metrics.earlier().get(1).loss()).isEqualTo(2.5);
            metrics.add(step(5));
        }
        assertThat(Files.readAllLines(file)).hasSize(5).startsWith(lines.toArray(String[]::new));
    }

    @Test
    void whatAKillCutShortIsDoneAgain() throws Exception {
        add(1, 3);
        String whole = Files.readString(file);
        Files.writeString(file, whole.substring(0, whole.length() - 20));
        try (MetricsFile metrics = new MetricsFile(file, 3, fence)) {
            assertThat(metrics.lastStep()).isEqualTo(2);
        }
        Files.write(file, new byte[] {(byte) 0xff, 0, '\n'}, StandardOpenOption.APPEND);
        try (MetricsFile metrics = new MetricsFile(file, 3, fence)) {
            assertThat(metrics.lastStep()).isEqualTo(2);
        }
        assertThat(Files.readAllLines(file)).hasSize(2);
    }

    @Test
    void whoHasBeenTakenOverWritesNoLine() throws Exception {
        add(1, 2);
        String before = Files.readString(file);
        Fence successor;
        try (MetricsFile metrics = new MetricsFile(file, 2, fence)) {
            fence.release();
            successor = Fence.claim(directory);
            assertThatThrownBy(() -> metrics.add(step(3))).isInstanceOf(CheckpointException.class);
            assertThat(Files.readString(file)).isEqualTo(before);
        }
        try (MetricsFile metrics = new MetricsFile(file, 2, successor)) {
            metrics.add(step(3));
        }
        assertThat(Files.readAllLines(file)).hasSize(3);
    }
}
