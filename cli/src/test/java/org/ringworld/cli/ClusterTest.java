package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.actors.cluster.ClusterClient;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.coordination.Progress;

/** Real processes in one cluster, really killed. */
@EnabledOnOs(OS.LINUX)
class ClusterTest {
    private static final int THREE = 3;

    /** Of the cluster that tests follow each other on: three nodes take half a minute to start. */
    @TempDir private static Path common;

    private static LocalCluster three;
    private static boolean left;

    @TempDir private Path directory;

    /** Three nodes, all of them there and without work. */
    private static LocalCluster three() throws Exception {
        if (three != null && !left) { // the test before failed
            three.close();
            three = null;
        }
        if (three == null) {
            three = new LocalCluster(Files.createTempDirectory(common, "three"), THREE);
        }
        left = false;
        three.restore();
        return three;
    }

    /** Said at the end of a test: the next one may have the nodes. */
    private static void leave() {
        left = true;
    }

    @AfterAll
    static void end() {
        if (three != null) {
            three.close();
        }
    }

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

    private void givesTheSameBits(LocalCluster cluster, int size, String layout, String dtype)
            throws Exception {
        String[] more = {"ring.layout=" + layout, "dtype=" + dtype};
        Path alone = inOneJvm(size, 30, more);
        String id = cluster.submit(job("spread", size, 30, more));
        cluster.awaitDone(id, 60);
        Path spread = directory.resolve("spread");
        assertThat(spread.resolve("final/model.safetensors"))
                .hasSameBinaryContentAs(alone.resolve("final/model.safetensors"));
        LocalCluster.assertEachStepOnce(spread.resolve("metrics.jsonl"), 33);
    }

    @Test
    void twoProcessesGiveTheWeightsOfOneJvm() throws Exception {
        givesTheSameBits(three(), 2, "zigzag", "f32");
        leave();
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
        try (LocalCluster cluster = new LocalCluster(directory, size)) {
            givesTheSameBits(cluster, size, layout, dtype);
        }
    }

    @Test
    void aKilledWorkerCostsNoStep() throws Exception {
        int steps = 1500;
        Path alone = inOneJvm(3, steps);
        Path run = directory.resolve("run");
        Path metrics = run.resolve("metrics.jsonl");
        LocalCluster cluster = three();
        String id = cluster.submit(job("run", 3, steps));
        cluster.await("steps", 240, () -> LocalCluster.lines(metrics) > 100);
        int worker = (cluster.leader() + 1) % THREE;
        FutureTask<List<Progress>> heard = new FutureTask<>(() -> follow(cluster, worker, id));
        Thread.ofVirtual().start(heard);
        cluster.kill(worker);
        cluster.start(worker);
        cluster.awaitDone(id, 400);
        LocalCluster.assertEachStepOnce(metrics, steps + 3);
        assertHearsOfEachStep(heard.get(), run, steps + 3);
        double difference = LocalCluster.difference(run.resolve("final"), alone.resolve("final"));
        System.out.printf("greatest difference of a weight: %.2e%n", difference);
        assertThat(difference).isLessThan(2.5e-3); // ten times the worst of what runs of it came to
        leave();
    }

    /** What a program hears of a job from a node, and from the others when that one is gone. */
    private static List<Progress> follow(LocalCluster cluster, int first, String job)
            throws Exception {
        String[] nodes =
                IntStream.range(0, THREE)
                        .mapToObj(i -> cluster.address((first + i) % THREE))
                        .toArray(String[]::new);
        List<Progress> heard = new ArrayList<>();
        Progress end = ClusterClient.of(nodes).follow(job, heard::add);
        assertThat(heard.getLast()).isEqualTo(end);
        return heard;
    }

    private static void assertHearsOfEachStep(List<Progress> heard, Path run, int steps) {
        assertThat(heard.getLast()).isEqualTo(new Progress.Completed(run.resolve("final")));
        List<Long> told = new ArrayList<>();
        for (Progress one : heard) {
            if (one instanceof Progress.Stepped(StepMetrics metrics, var _)) {
                told.add(metrics.step());
            }
        }
        assertThat(told).isEqualTo(LongStream.rangeClosed(1, steps).boxed().toList());
    }

    /** It has been in no ring yet, so no link of anybody's ends with it. */
    @Test
    void aNewcomerThatDiesAsTheRingTakesItInIsMissedAtOnce() throws Exception {
        Path metrics = directory.resolve("run").resolve("metrics.jsonl");
        LocalCluster cluster = three();
        String id = cluster.submit(job("run", 3, 1_000_000));
        cluster.await("steps", 60, () -> LocalCluster.lines(metrics) > 100);
        int worker = (cluster.leader() + 1) % THREE;
        long together = LocalCluster.stepEpoch(metrics);
        cluster.kill(worker);
        cluster.await("steps of two", 60, () -> LocalCluster.stepEpoch(metrics) > together);
        long alone = cluster.epoch();
        cluster.start(worker);
        long deadline = System.nanoTime() + Duration.ofSeconds(240).toNanos();
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
        cluster.stop(id);
        leave();
    }

    private static long proofs(LocalCluster cluster) throws IOException {
        return cluster.logs().split("is dead: its socket refuses", -1).length - 1;
    }

    /** What one process makes of a batch, three make too; a fault is a sentence, and no harm. */
    @Test
    void aSavedModelRunsOnARingOfThreeProcesses() throws Exception {
        Path cases = Path.of("../model/src/test/resources/numerics");
        LocalCluster cluster = three();
        for (String name : List.of("packed_1_5_7_11", "positions_from_1000000", "tied")) {
            forward(cluster, cases.resolve(name), cases.resolve(name), name);
        }
        Path gqa = Path.of("../checkpoints/src/test/resources/golden/llama-gqa");
        forward(cluster, gqa, gqa, "gqa");
        for (String name : List.of("tied", "packed_1_5_7_11")) {
            ClusterTexts.assertSame(cluster, cases.resolve(name));
        }
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
        leave();
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
    void aModelIsServedAtAnyNodeUntilItIsStopped() throws Exception {
        LocalCluster cluster = three();
        Path model = TinyModel.write(directory, TinyModel.tokenizer());
        ClusterTexts.assertServed(cluster, model);
        leave();
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
                            directory,
                            places,
                            "dns=nodes.ringworld.test",
                            "peers=[]",
                            "minNodes=3",
                            "devices=[]")
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
