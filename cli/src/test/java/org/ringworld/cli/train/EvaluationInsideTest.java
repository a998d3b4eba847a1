package org.ringworld.cli.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.WireFormat;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.cli.CommandLineTest;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What a run tells of itself while it trains: lines and TensorBoard's events. */
class EvaluationInsideTest {
    @TempDir private Path directory;

    /** Two sources, of which one is easy to learn. */
    private Path write(String name, String document) throws IOException {
        Path file = directory.resolve(name);
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 40; i++) {
            lines.append("{\"text\": \"").append(document.formatted(i)).append("\"}\n");
        }
        return Files.writeString(file, lines);
    }

    private CommandLineTest.Outcome train(Path run, int steps, String... more) throws IOException {
        Path plain = write("plain.jsonl", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa %d");
        Path other = write("other.jsonl", "the quick brown fox jumps over %d lazy dogs");
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "train",
                                "model={hiddenSize=16,headDim=8,intermediateSize=24,numLayers=1}",
                                "device.threads=1",
                                "data={task=text,heldOut=0.1,sources=[{path=%s,weight=1},{path=%s,weight=1}]}"
                                        .formatted(json(plain), json(other)),
                                "stages=[{seqLen=64,steps=%d,tokensPerStep=512}]".formatted(steps),
                                "evaluate.tokens=1024",
                                "output=" + run));
        arguments.addAll(List.of(more));
        return CommandLineTest.run(arguments.toArray());
    }

    private static String json(Path path) {
        return JsonMapper.shared().writeValueAsString(path.toString());
    }

    private static List<JsonNode> lines(Path file) throws IOException {
        return Files.readAllLines(file).stream().map(JsonMapper.shared()::readTree).toList();
    }

    @Test
    void sourcesAreToldApartInLinesAndEvents() throws Exception {
        Path run = directory.resolve("run");
        CommandLineTest.Outcome outcome = train(run, 9, "evaluate.everySteps=4");
        assertThat(outcome.code()).as(outcome.err()).isZero();
        List<JsonNode> evaluations = lines(run.resolve("evaluations.jsonl"));
        assertThat(evaluations)
                .filteredOn(line -> line.path("name").asString().endsWith("plain.jsonl"))
                .extracting(line -> line.path("step").asInt())
                .containsExactly(0, 4, 8, 9);
        assertThat(evaluations)
                .filteredOn(line -> line.path("name").asString().endsWith("other.jsonl"))
                .hasSize(4)
                .allMatch(line -> line.path("loss").asDouble() > 0);
        List<JsonNode> steps = lines(run.resolve("metrics.jsonl"));
        for (JsonNode step : steps) {
            assertThat(step.path("paramNorm").asDouble()).isPositive();
            double answers = 0;
            double right = 0;
            for (JsonNode part : step.path("parts")) {
                assertThat(part.path("modality").asString()).isEqualTo("text");
                answers += part.path("answers").asDouble();
                right += part.path("answers").asDouble() * part.path("accuracy").asDouble();
            }
            assertThat(right / answers).isCloseTo(step.path("accuracy").asDouble(), within(1e-9));
        }
        assertThat(steps).anyMatch(step -> step.path("parts").size() == 2);
        Map<Long, Map<String, Float>> events = events(run);
        for (JsonNode step : steps) {
            Map<String, Float> of = events.get(step.path("step").asLong());
            assertThat(of.get("loss")).isEqualTo((float) step.path("loss").asDouble());
            assertThat(of).containsKeys("learning rate", "gradient norm", "parameter norm");
        }
        assertThat(events.get(8L).keySet())
                .anyMatch(tag -> tag.startsWith("evaluation/") && tag.endsWith("plain.jsonl, 64"));
    }

    @Test
    void documentsOfTheirOwnMayBeGiven() throws Exception {
        Path run = directory.resolve("run");
        Path unseen = write("unseen.jsonl", "zebras and %d gnus");
        CommandLineTest.Outcome outcome =
                train(run, 2, "evaluate.everySteps=1", "evaluate.path=" + unseen);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        assertThat(lines(run.resolve("evaluations.jsonl")))
                .filteredOn(line -> line.path("step").asInt() == 1)
                .extracting(line -> line.path("name").asString())
                .containsExactly(unseen.toString());
        outcome = train(run, 2, "evaluate.everySteps=1", "evaluate.path=/none");
        assertThat(outcome.code()).isNotZero();
        assertThat(outcome.err()).contains("/none");
    }

    @Test
    void linesOfStepsThatAreDoneAgainAreDropped() throws Exception {
        Path file = directory.resolve("evaluations.jsonl");
        String kept = "{\"step\":4,\"name\":\"a\"}";
        Files.writeString(file, kept + "\n{\"step\":8,\"name\":\"a\"}\n{\"step\":");
        new Evaluations(directory).goOnAfter(4);
        assertThat(Files.readAllLines(file)).containsExactly(kept);
    }

    /** Scalars by step, of records whose checksums are right. */
    private static Map<Long, Map<String, Float>> events(Path run) throws IOException {
        Path file;
        try (Stream<Path> files = Files.list(run)) {
            file =
                    files.filter(f -> f.getFileName().toString().startsWith("events.out.tfevents."))
                            .findFirst()
                            .orElseThrow();
        }
        byte[] bytes = Files.readAllBytes(file);
        ByteBuffer all = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        Map<Long, Map<String, Float>> events = new TreeMap<>();
        while (all.hasRemaining()) {
            int at = all.position();
            int length = Math.toIntExact(all.getLong());
            assertThat(unmasked(all.getInt())).isEqualTo(crc(bytes, at, 8));
            assertThat(unmasked(all.getInt(at + 12 + length)))
                    .isEqualTo(crc(bytes, at + 12, length));
            read(Arrays.copyOfRange(bytes, at + 12, at + 12 + length), events);
            all.position(at + 16 + length);
        }
        return events;
    }

    private static int crc(byte[] bytes, int from, int length) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, from, length);
        return (int) crc.getValue();
    }

    private static int unmasked(int masked) {
        int turned = masked - 0xa282ead8;
        return turned << 15 | turned >>> 17;
    }

    private static void read(byte[] event, Map<Long, Map<String, Float>> events)
            throws IOException {
        CodedInputStream in = CodedInputStream.newInstance(event);
        long step = 0;
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (WireFormat.getTagFieldNumber(tag)) {
                case 2 -> step = in.readInt64();
                case 5 -> {
                    CodedInputStream values = in.readBytes().newCodedInput();
                    while (values.readTag() != 0) {
                        CodedInputStream value = values.readBytes().newCodedInput();
                        value.readTag();
                        String name = value.readString();
                        value.readTag();
                        events.computeIfAbsent(step, _ -> new TreeMap<>())
                                .put(name, value.readFloat());
                    }
                }
                default -> in.skipField(tag);
            }
        }
    }
}
