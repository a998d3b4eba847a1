package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
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
            cluster.await("steps", 240, () -> LocalCluster.lines(metrics) > 100);
            int worker = (cluster.leader() + 1) % 3;
            cluster.kill(worker);
            cluster.start(worker);
            cluster.awaitDone(id, 400);
        }
        LocalCluster.assertEachStepOnce(metrics, steps + 3);
        double difference = LocalCluster.difference(run.resolve("final"), alone.resolve("final"));
        System.out.printf("greatest difference of a weight: %.2e%n", difference);
        assertThat(difference).isLessThan(2.5e-3); // ten times the worst of what runs of it came to
    }

    /** It has been in no ring yet, so no link of anybody's ends with it. */
    @Test
    void aNewcomerThatDiesAsTheRingTakesItInIsMissedAtOnce() throws Exception {
        Path metrics = directory.resolve("run").resolve("metrics.jsonl");
        try (LocalCluster cluster = new LocalCluster(directory, 2)) {
            cluster.submit(job("run", 2, 1_000_000));
            cluster.await("steps", 60, () -> LocalCluster.lines(metrics) > 100);
            int worker = 1 - cluster.leader();
            long together = LocalCluster.stepEpoch(metrics);
            cluster.kill(worker);
            cluster.await("steps of one", 60, () -> LocalCluster.stepEpoch(metrics) > together);
            long alone = cluster.epoch();
            cluster.start(worker);
            long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while (cluster.epoch() == alone && System.nanoTime() < deadline) {
                Thread.sleep(1);
            }
            long proved = proofs(cluster);
            cluster.kill(worker);
            assertThat(cluster.epoch()).as("epochs" + cluster.logs()).isGreaterThan(alone);
            long stood = LocalCluster.lines(metrics);
            cluster.await("steps without it", 60, () -> LocalCluster.lines(metrics) > stood + 10);
            // Not by its silence, which would have taken seconds.
            assertThat(proofs(cluster)).as(cluster.logs()).isGreaterThan(proved);
        }
    }

    private static long proofs(LocalCluster cluster) throws IOException {
        return cluster.logs().split("is dead: its socket refuses", -1).length - 1;
    }

    /** What one process makes of a batch, three make too; a fault is a sentence, and no harm. */
    @Test
    void aSavedModelRunsOnARingOfThreeProcesses() throws Exception {
        Path cases = Path.of("../model/src/test/resources/numerics");
        try (LocalCluster cluster = new LocalCluster(directory, 3)) {
            for (String name : List.of("packed_1_5_7_11", "positions_from_1000000", "tied")) {
                forward(cluster, cases.resolve(name), cases.resolve(name), name);
            }
            Path gqa = Path.of("../checkpoints/src/test/resources/golden/llama-gqa");
            forward(cluster, gqa, gqa, "gqa");
            Path there = directory.resolve("nothing");
            CommandLineTest.Outcome lost =
                    CommandLineTest.run(
                            "forward",
                            cases.resolve("tied"),
                            "--batch",
                            cases.resolve("tied/batch.safetensors"),
                            "--out",
                            there.resolve("out.safetensors"),
                            "ring.size=4",
                            "--cluster",
                            "127.0.0.1:" + cluster.port(1));
            assertThat(lost.code()).isEqualTo(Ringworld.FAILED);
            assertThat(lost.err()).contains("3 devices are free, 4 are needed");
        }
    }

    private void forward(LocalCluster cluster, Path model, Path batch, String name)
            throws Exception {
        Path alone = directory.resolve(name + "-alone.safetensors");
        Path ring = directory.resolve(name + "-ring.safetensors");
        List<Object> command =
                List.of(
                        "forward",
                        model,
                        "--batch",
                        batch.resolve("batch.safetensors"),
                        "--gradients",
                        "ring.size=3",
                        "device.threads=1");
        for (Path out : List.of(alone, ring)) {
            List<Object> all = new ArrayList<>(command);
            all.addAll(List.of("--out", out));
            if (out.equals(ring)) {
                all.addAll(List.of("--cluster", "127.0.0.1:" + cluster.port(0)));
            }
            CommandLineTest.Outcome outcome = CommandLineTest.run(all.toArray());
            assertThat(outcome.code()).as(outcome.err()).isZero();
        }
        assertThat(ring).hasSameBinaryContentAs(alone);
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files.filter(f -> f.toString().contains(".part-"))).isEmpty();
        }
    }

    @Test
    @Tag("slow")
    void theJobGoesOnByItselfWhenAllNodesWereLost() throws Exception {
        int steps = 2000;
        Path metrics = directory.resolve("run/metrics.jsonl");
        try (LocalCluster cluster = new LocalCluster(directory, 3)) {
            String id = cluster.submit(job("run", 3, steps));
            cluster.await("steps", 60, () -> LocalCluster.lines(metrics) > 120);
            for (int node = 0; node < 3; node++) {
                cluster.kill(node);
            }
            for (int node = 0; node < 3; node++) {
                cluster.start(node);
            }
            cluster.awaitDone(id, 240);
        }
        LocalCluster.assertEachStepOnce(metrics, steps + 3);
        assertThat(directory.resolve("run/final/model.safetensors")).exists();
    }

    @Test
    @Tag("slow")
    void jobsWaitForDevicesAndRunOneAfterTheOther() throws Exception {
        try (LocalCluster cluster = new LocalCluster(directory, 2)) {
            String first = cluster.submit(job("first", 2, 1000));
            String second = cluster.submit(job("second", 2, 20));
            String third = cluster.submit(job("third", 2, 100_000));
            cluster.await("the first", 60, () -> cluster.state(first).equals("running"));
            assertThat(cluster.state(second)).isEqualTo("queued");
            cluster.awaitDone(first, 120);
            cluster.awaitDone(second, 60);
            Path metrics = directory.resolve("third/metrics.jsonl");
            cluster.await("the third", 60, () -> LocalCluster.lines(metrics) > 20);
            CommandLineTest.Outcome stopped =
                    CommandLineTest.run("stop", third, "--cluster", "127.0.0.1:" + cluster.port(1));
            assertThat(stopped.code()).as(stopped.err()).isZero();
            cluster.await("its stop", 30, () -> cluster.state(third).equals("stopped"));
            long saved = LocalCluster.lines(metrics);
            assertThat(directory.resolve("third/snapshots/step-" + saved)).exists();
            // Submitted again it goes on, on one device less.
            String again = cluster.submit(job("third", 2, 100_000));
            cluster.await("it again", 60, () -> LocalCluster.lines(metrics) > saved + 20);
            cluster.signal(1, "TERM");
            long now = LocalCluster.lines(metrics);
            cluster.await("one device", 60, () -> LocalCluster.lines(metrics) > now + 50);
            assertThat(cluster.state(again)).isEqualTo("running");
            assertThat(cluster.process(1).waitFor()).isEqualTo(143);
        }
    }

    /** As two terminals do that have waited for the same build. */
    @Test
    void nodesThatStartAtOnceTakePortsOfTheirOwn() throws Exception {
        List<Process> nodes = new ArrayList<>();
        List<String> addresses = new ArrayList<>();
        try {
            for (String name : List.of("a", "b")) {
                Path out = directory.resolve(name + ".log");
                nodes.add(
                        SignalTest.command(
                                out, List.of("node", "queue=" + directory.resolve("queue"))));
            }
            for (String name : List.of("a", "b")) {
                addresses.add(address(directory.resolve(name + ".log")));
            }
        } finally {
            nodes.forEach(Process::destroyForcibly);
        }
        assertThat(addresses).doesNotHaveDuplicates();
    }

    @Test
    void nodesFindEachOtherByName() throws Exception {
        List<String> hosts = List.of("127.0.0.1", "127.0.0.2", "127.0.0.3");
        List<InetAddress> addresses = new ArrayList<>();
        for (String host : hosts) {
            addresses.add(InetAddress.getByName(host));
        }
        try (NameServer names = new NameServer("nodes.ringworld.test", addresses)) {
            String asks = "-Dpekko.io.dns.async-dns.nameservers=127.0.0.1:" + names.port();
            List<LocalCluster.Place> places =
                    hosts.stream()
                            .map(
                                    host ->
                                            new LocalCluster.Place(
                                                    host,
                                                    List.of("env", "JAVA_TOOL_OPTIONS=" + asks)))
                            .toList();
            // Three members come together: the one that was started last was found as well.
            new LocalCluster(
                            directory, places, "dns=nodes.ringworld.test", "peers=[]", "minNodes=3")
                    .close();
        }
    }

    private static String address(Path log) throws Exception {
        for (int i = 0; i < 600; i++) {
            for (String line : Files.readAllLines(log)) {
                if (line.startsWith("node of ringworld at ")) {
                    return line;
                }
            }
            Thread.sleep(100);
        }
        throw new AssertionError(Files.readString(log));
    }
}
