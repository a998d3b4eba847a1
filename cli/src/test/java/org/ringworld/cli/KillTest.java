package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A real process training, killed without warning; the disk alone remembers. */
@EnabledOnOs(OS.LINUX)
class KillTest {
    @TempDir private Path directory;

    private Process train(Path run, int steps, int every) throws Exception {
        return SignalTest.start(
                directory.resolve("out.txt"),
                "stages.0.steps=" + steps,
                "snapshot.everySteps=" + every,
                "dtype=bf16",
                "output=" + run);
    }

    private void endsLikeTheUndisturbedRun(int kills, int steps, int every, long seed)
            throws Exception {
        Path calm = directory.resolve("calm");
        assertThat(train(calm, steps, every).waitFor()).as(out()).isZero();
        Path run = directory.resolve("killed");
        Path snapshots = run.resolve("snapshots");
        Random random = new Random(seed);
        int killed = 0;
        int insideSnapshots = 0;
        while (killed < kills) {
            Process process = train(run, steps, every);
            long before = newest(snapshots);
            // After a snapshot has been made, so that the run gets on; and at any moment then.
            while (newest(snapshots) <= before && process.isAlive()) {
                Thread.sleep(1);
            }
            Thread.sleep(random.nextInt(60));
            if (!process.isAlive()) {
                break;
            }
            process.destroyForcibly().waitFor();
            killed++;
            insideSnapshots += temporary(snapshots) ? 1 : 0;
        }
        assertThat(killed).as("kills, then: " + out()).isEqualTo(kills);
        System.out.printf(
                "%d kills, %d of them while a snapshot was being written%n",
                killed, insideSnapshots);
        assertThat(train(run, steps, every).waitFor()).as(out()).isZero();
        for (String file : List.of("final/model.safetensors", "final/config.json")) {
            assertThat(run.resolve(file)).hasSameBinaryContentAs(calm.resolve(file));
        }
        List<String> undisturbed = Files.readAllLines(calm.resolve("metrics.jsonl"));
        List<String> resumed = Files.readAllLines(run.resolve("metrics.jsonl"));
        assertThat(resumed.size()).isEqualTo(undisturbed.size()).isGreaterThan(steps);
        for (int i = 0; i < resumed.size(); i++) {
            JsonNode a = JsonMapper.shared().readTree(undisturbed.get(i));
            JsonNode b = JsonMapper.shared().readTree(resumed.get(i));
            for (String key : List.of("step", "loss", "learningRate", "gradNorm", "tokens")) {
                assertThat(b.get(key)).as("step %d, %s", i + 1, key).isEqualTo(a.get(key));
            }
        }
        assertThat(temporary(snapshots)).as("leftovers of killed writers").isFalse();
    }

    private String out() throws Exception {
        return Files.readString(directory.resolve("out.txt"));
    }

    private static long newest(Path snapshots) throws Exception {
        if (!Files.isDirectory(snapshots)) {
            return 0;
        }
        try (Stream<Path> inside = Files.list(snapshots)) {
            return inside.map(p -> p.getFileName().toString())
                    .filter(name -> name.startsWith("step-"))
                    .mapToLong(name -> Long.parseLong(name.substring("step-".length())))
                    .max()
                    .orElse(0);
        }
    }

    private static boolean temporary(Path snapshots) throws Exception {
        try (Stream<Path> inside = Files.list(snapshots)) {
            return inside.anyMatch(p -> p.getFileName().toString().endsWith(".tmp"));
        }
    }

    @Test
    void threeKillsChangeNothing() throws Exception {
        endsLikeTheUndisturbedRun(3, 120, 2, 1);
    }

    @Test
    @Tag("slow")
    void fiftyKillsChangeNothing() throws Exception {
        endsLikeTheUndisturbedRun(50, 400, 2, 2);
    }
}
