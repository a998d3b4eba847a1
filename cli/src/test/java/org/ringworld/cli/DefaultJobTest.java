package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.cli.CommandLineTest.Outcome;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The README's first command, whole: minutes, so in the slow profile. */
@Tag("slow")
class DefaultJobTest {
    @TempDir private Path directory;

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void theContextGrowsSixteenFoldAndShortContextsAreKept(int seed) {
        Path run = directory.resolve("run");
        Outcome outcome = CommandLineTest.run("train", "seed=" + seed, "output=" + run);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        JsonNode evaluated = JsonMapper.shared().readTree(run.resolve("judged.json").toFile());
        for (int length : new int[] {256, 512, 1024, 2048, 4096}) {
            assertThat(accuracy(evaluated.get("-1"), "one needle", length)).isLessThan(0.05);
            // Before the first stage with needles, as far as its rows could have carried.
            if (length <= 512) {
                assertThat(accuracy(evaluated.get("1"), "one needle", length)).isLessThan(0.05);
            }
            assertThat(accuracy(evaluated.get("6"), "one needle", length))
                    .isGreaterThanOrEqualTo(0.95);
            assertThat(accuracy(evaluated.get("6"), "4 needles, one asked", length))
                    .isGreaterThanOrEqualTo(0.9);
        }
    }

    private static double accuracy(JsonNode results, String name, int length) {
        for (JsonNode result : results) {
            if (result.get("name").asString().equals(name)
                    && result.get("seqLen").asInt() == length) {
                return result.get("right").asDouble() / result.get("rows").asDouble();
            }
        }
        throw new AssertionError(name + " at " + length + " was not evaluated");
    }
}
