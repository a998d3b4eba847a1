package org.ringworld.cli.eval;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.cli.CommandLineTest;
import org.ringworld.cli.CommandLineTest.Outcome;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

class NeedlesCommandTest {
    @TempDir private Path directory;

    private Outcome needles(Path model, List<String> options, String... more) {
        return CommandLineTest.run(
                "needles", model, "--out", directory.resolve("r.json"), options, List.of(more));
    }

    private JsonNode results() {
        return JsonMapper.shared().readTree(directory.resolve("r.json").toFile());
    }

    @Test
    void resultsHaveLwmsKeysAndAreGoneOnWith() throws Exception {
        Path model = directory.resolve("model");
        Outcome trained = CommandLineTest.run("train", CommandLineTest.TINY, "output=" + model);
        assertThat(trained.code()).as(trained.err()).isZero();
        List<String> lwms =
                List.of(
                        "--context_lengths_min=500",
                        "--context_lengths_max=600",
                        "--n_context_length_intervals=2",
                        "--n_document_depth_intervals=3",
                        "--n_rounds=1");
        Outcome first = needles(model, lwms);
        assertThat(first.code()).as(first.err()).isZero();
        assertThat(first.out()).contains("depth", "500", "600", "100.0 %", "all");
        assertThat(ImageIO.read(directory.resolve("r.png").toFile())).isNotNull();
        JsonNode all = results();
        assertThat(all).hasSize(6);
        assertThat(all.get(5).propertyNames())
                .containsSequence(
                        "context_length", "depth_percent", "response", "answer", "correct", "seed");
        assertThat(all.get(5).path("context_length").asInt()).isEqualTo(600);
        assertThat(all.get(5).path("depth_percent").asDouble()).isEqualTo(100);

        // Cut off after two of them, the second as it was not written here.
        ArrayNode some = JsonMapper.shared().createArrayNode().add(all.get(0));
        ObjectNode second = (ObjectNode) all.get(1).deepCopy();
        some.add(second.put("response", "kept"));
        ResultsJson.write(directory.resolve("r.json"), some);
        assertThat(needles(model, lwms).code()).isZero();
        assertThat(results()).hasSize(6);
        assertThat(results().get(1).path("response").asString()).isEqualTo("kept");
        assertThat(results().get(4)).isEqualTo(all.get(4));

        Outcome other = needles(model, lwms, "--seed=2");
        assertThat(other.code()).isEqualTo(2);
        assertThat(other.err()).contains("haystack_seed = 1234, not 2");
        Outcome tooShort = needles(model, List.of("--min=100", "--max=120"));
        assertThat(tooShort.code()).isEqualTo(2);
        assertThat(tooShort.err()).contains("more than a length of 100");
        Files.writeString(directory.resolve("r.json"), "[{");
        assertThat(needles(model, lwms).code()).isEqualTo(2);
    }

    @Test
    void moreThanAreHiddenCannotBeAskedFor() {
        Outcome outcome = needles(directory, List.of("--total=2", "--asked=3"));
        assertThat(outcome.code()).isEqualTo(2);
        assertThat(outcome.err()).contains("3 of 2 needles");
    }
}
