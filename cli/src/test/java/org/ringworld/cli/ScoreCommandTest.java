package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;
import org.ringworld.tokenizer.Tokenizer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ScoreCommandTest {
    private static final String TEXT = "hello world, world hello. ".repeat(60);

    @TempDir private static Path directory;
    private static Path model;
    private static Path file;

    @BeforeAll
    static void model() throws Exception {
        model = TinyModel.write(directory, TinyModel.tokenizer());
        file = Files.writeString(directory.resolve("text.txt"), TEXT);
    }

    private static JsonNode score(Object... more) {
        CommandLineTest.Outcome outcome =
                CommandLineTest.run(
                        "score", model, "--text-file", file, "--json", "--beyond", List.of(more));
        assertThat(outcome.code()).as(outcome.err()).isZero();
        return JsonMapper.shared().readTree(outcome.out());
    }

    /** What forward says of the same tokens, each the target of the one before it. */
    private static double loss(int[] ids) throws Exception {
        int[] targets = Arrays.copyOfRange(ids, 1, ids.length + 1);
        targets[ids.length - 1] = -100;
        long[] shape = {ids.length};
        Path batch = directory.resolve("batch.safetensors");
        List<SafeTensorsWriter.Entry> entries =
                List.of(
                        new SafeTensorsWriter.Entry("input_ids", SourceType.I32, shape),
                        new SafeTensorsWriter.Entry("targets", SourceType.I32, shape));
        try (SafeTensorsWriter writer = SafeTensorsWriter.create(batch, entries, Map.of());
                Arena arena = Arena.ofConfined()) {
            writer.write("input_ids", arena.allocateFrom(ValueLayout.JAVA_INT, ids));
            writer.write("targets", arena.allocateFrom(ValueLayout.JAVA_INT, targets));
            writer.finish();
        }
        CommandLineTest.Outcome outcome =
                CommandLineTest.run(
                        "forward", model, "--batch", batch, "--out", directory.resolve("out"));
        assertThat(outcome.code()).as(outcome.err()).isZero();
        return Double.parseDouble(outcome.out().lines().findFirst().orElseThrow().substring(5));
    }

    @Test
    void theScoreIsTheLossOfAForwardPassAndThatOfItsBuckets() throws Exception {
        int[] ids = Tokenizer.load(model).prompt(TEXT);
        JsonNode score = score();
        double nll = score.path("nll").asDouble();
        assertThat(score.path("tokens").asInt()).isEqualTo(ids.length - 1);
        assertThat(nll).isCloseTo(loss(ids), within(1e-5));
        assertThat(score.path("perplexity").asDouble()).isCloseTo(Math.exp(nll), within(1e-9));
        double sum = 0;
        int next = 1;
        for (JsonNode bucket : score.path("buckets")) {
            int tokens = bucket.path("tokens").asInt();
            sum += tokens * bucket.path("nll").asDouble();
            assertThat(bucket.path("from").asInt()).isEqualTo(next);
            assertThat(bucket.path("to").asInt()).isEqualTo(2 * next);
            assertThat(tokens).isEqualTo(Math.min(2 * next, ids.length) - next);
            next *= 2;
        }
        assertThat(next).isGreaterThanOrEqualTo(ids.length);
        assertThat(sum / (ids.length - 1)).isCloseTo(nll, within(1e-9));
        double ring = score("ring.size=2", "device.threads=1").path("nll").asDouble();
        assertThat(ring).isCloseTo(nll, within(1e-5));
    }

    @Test
    void whatCannotBeScoredIsSaid() throws Exception {
        CommandLineTest.Outcome tooLong = CommandLineTest.run("score", model, "--text-file", file);
        assertThat(tooLong.code()).isEqualTo(Ringworld.USAGE);
        assertThat(tooLong.err()).contains("more than the context of 16").contains("--beyond");
        Path empty = Files.writeString(directory.resolve("empty.txt"), "");
        assertThat(CommandLineTest.run("score", model, "--text-file", empty).err())
                .contains("no token in it");
        Path none = directory.resolve("none.txt");
        assertThat(CommandLineTest.run("score", model, "--text-file", none).err())
                .contains("there is no such file");
    }

    @Test
    void aTableHasALineForEachBucketAndOneForAll() throws Exception {
        Path few = Files.writeString(directory.resolve("few.txt"), "hello world");
        CommandLineTest.Outcome outcome = CommandLineTest.run("score", model, "--text-file", few);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        assertThat(outcome.out().lines().toList().getFirst()).contains("positions", "nll");
        assertThat(outcome.out().lines().toList().getLast()).contains("all");
    }
}
