package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.cli.CommandLineTest.Outcome;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Two real processes, one of them stopped. */
@EnabledOnOs(OS.LINUX)
class RingBenchTest {
    private static final long MIB = 1 << 20;
    private static final List<String> LINKS = List.of("links GB/s", "there and back", "held up");

    @TempDir private Path directory;

    private JsonNode bench(List<String> words, String... settings) {
        Path json = directory.resolve("ring.json");
        List<Object> command = new ArrayList<>(List.of("bench", "ring", "--json", json));
        command.addAll(List.of(settings));
        Outcome outcome = CommandLineTest.run(command.toArray());
        assertThat(outcome.code()).as(outcome.err()).isZero();
        assertThat(outcome.out()).contains(words);
        return JsonMapper.shared().readTree(json.toFile());
    }

    private static void assertHeldUpWithoutGrowing(JsonNode row, int seconds) {
        assertThat(row.path("right").asBoolean()).isTrue();
        assertThat(row.path("secondsHeldUp").asDouble()).isGreaterThan(0.5 * seconds);
        assertThat(row.path("residentMost").asLong())
                .isLessThan(row.path("residentBefore").asLong() + 48 * MIB);
        // Both ways, of tensors of 8 MiB: what is expected at once and nothing more.
        assertThat(row.path("poolMost").asLong()).isEqualTo(row.path("poolBefore").asLong());
    }

    @Test
    void ratesAndLatenciesOfTwoProcessesAreMeasuredBesidePlainSockets() {
        JsonNode rows =
                bench(
                        LINKS,
                        "transports=[unix]",
                        "gigabytes=0.3",
                        "rounds=1",
                        "pings=20",
                        "stopped=2");
        assertThat(rows.size()).isEqualTo(4 + 2 + 1);
        for (int i = 0; i < 4; i++) {
            assertThat(rows.get(i).path("links").asDouble()).isPositive();
            assertThat(rows.get(i).path("sockets").asDouble()).isPositive();
            // A buffer of the JDK's between memory and socket would be as large as a chunk.
            assertThat(rows.get(i).path("directBytes").asLong()).isLessThan(MIB);
        }
        assertHeldUpWithoutGrowing(rows.get(6), 2);
    }

    @Test
    void aStepOverTwoProcessesIsTimedBesideTheSameInOne() {
        JsonNode rows =
                bench(
                        List.of("2 processes", "hidden behind work"),
                        "transports=[unix, tcp, tls]",
                        "pings=0",
                        "steps=2",
                        "seqLen=1024",
                        "model={vocabSize=300,hiddenSize=64,intermediateSize=128,numLayers=2}",
                        "model.numHeads=1",
                        "model.numKvHeads=1");
        for (int i = 2; i < rows.size(); i += 3) {
            JsonNode over = rows.get(i);
            assertThat(over.path("where").asString()).isEqualTo("TWO_PROCESSES");
            assertThat(over.path("receiving").asDouble()).isPositive();
            assertThat(over.path("bytesSent").asLong())
                    .isEqualTo(over.path("bytesPlanned").asLong())
                    .isEqualTo(over.path("bytesMinimum").asLong())
                    .isPositive();
        }
    }

    @Tag("slow")
    @Test
    void aNeighbourStoppedForTenSecondsCostsNoMemory() {
        JsonNode rows = bench(LINKS, "gigabytes=1", "rounds=1", "pings=200", "stopped=10");
        for (int i = 6; i < rows.size(); i += 7) {
            assertHeldUpWithoutGrowing(rows.get(i), 10);
        }
    }

    @Test
    void theSecondProcessEndsWhenTheFirstIsKilled() throws Exception {
        Process first =
                SignalTest.command(
                        directory.resolve("out.txt"),
                        List.of("bench", "ring", "transports=[unix]", "gigabytes=50"));
        ProcessHandle second = null;
        for (int i = 0; i < 600 && second == null; i++) {
            Thread.sleep(50);
            second = first.children().findFirst().orElse(null);
        }
        assertThat(Optional.ofNullable(second)).isPresent();
        Thread.sleep(1000);
        first.destroyForcibly().waitFor();
        second.onExit().get(20, TimeUnit.SECONDS);
    }
}
