package org.ringworld.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Real processes in one cluster, really killed. */
@EnabledOnOs(OS.LINUX)
class ClusterTest {
    @TempDir private Path directory;

    private List<String> job(String run, int ring, int steps, String... more) {
        return job(directory.resolve(run), ring, steps, more);
    }

    static List<String> job(Path run, int ring, int steps, String... more) {
        List<String> job = new ArrayList<>(CommandLineTest.TINY);
        job.add("ring.size=" + ring);
        job.add("device.threads=1");
        job.add("stages.0.steps=" + steps);
        job.add("snapshot.everySteps=50");
        job.add("output=" + run);
        job.addAll(List.of(more));
        return job;
    }

    private Path inOneJvm(int ring, int steps, String... more) {
        List<Object> command = new ArrayList<>(List.of("train"));
        command.addAll(job("alone", ring, steps, more));
        CommandLineTest.Outcome outcome = CommandLineTest.run(command.toArray());
        assertThat(outcome.code()).as(outcome.err()).isZero();
        return directory.resolve("alone");
    }

    private void givesTheSameBits(int size, String layout, String dtype) throws Exception {
        String[] more = {"ring.layout=" + layout, "dtype=" + dtype};
        Path alone = inOneJvm(size, 30, more);
        try (LocalCluster cluster = new LocalCluster(directory, size)) {
            String id = cluster.submit(job("spread", size, 30, more));
            cluster.awaitDone(id, 60);
        }
        Path spread = directory.resolve("spread");
        assertThat(spread.resolve("final/model.safetensors"))
                .hasSameBinaryContentAs(alone.resolve("final/model.safetensors"));
        LocalCluster.assertEachStepOnce(spread.resolve("metrics.jsonl"), 33);
    }

    @Test
    void twoProcessesGiveTheWeightsOfOneJvm() throws Exception {
        givesTheSameBits(2, "zigzag", "f32");
    }

    @Tag("slow")
    @ParameterizedTest
    @CsvSource({
        "2,striped,f32",
        "2,contiguous,bf16",
        "3,zigzag,f32",
        "3,striped,bf16",
        "4,zigzag,bf16",
        "4,contiguous,f32"
    })
    void anyNumberOfProcessesGivesTheWeightsOfOneJvm(int size, String layout, String dtype)
            throws Exception {
        givesTheSameBits(size, layout, dtype);
    }

    @Test
    void aKilledWorkerCostsNoStep() throws Exception {
        int steps = 1500;
        Path alone = inOneJvm(3, steps);
        Path run = directory.resolve("run");
        Path metrics = run.resolve("metrics.jsonl");
        try (LocalCluster cluster = new LocalCluster(directory, 3)) {
            String id = cluster.submit(job("run", 3, steps));
            cluster.await("steps", 60, () -> LocalCluster.lines(metrics) > 100);
            int worker = (cluster.keeper() + 1) % 3;
            cluster.kill(worker);
            cluster.start(worker);
            cluster.awaitDone(id, 120);
        }
        LocalCluster.assertEachStepOnce(metrics, steps + 3);
        assertThat(LocalCluster.difference(run.resolve("final"), alone.resolve("final")))
                .isLessThan(1e-2);
    }
}
