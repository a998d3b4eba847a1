package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * One job on four processes, with a fault again and again: the steps and the weights are those of
 * an undisturbed run. Prints, for each fault, after how long it was noticed (the next epoch had
 * begun), after how long the next step was done, and how many finished steps were done again.
 */
@EnabledOnOs(OS.LINUX)
@Tag("slow")
class ChaosTest {
    private static final int NODES = 4;

    @TempDir private Path directory;

    private enum Fault {
        WORKER,
        LEADER,
        TWO,
        TWICE,
        STOPPED,
        DRAINED
    }

    private record Seen(Fault fault, double detected, double again, long redone) {}

    /** Steps so small that a fault falls anywhere in them, and long enough for many faults. */
    private List<String> job(String run, int steps) {
        return List.of(
                "model.hiddenSize=16",
                "model.headDim=8",
                "model.intermediateSize=24",
                "optimizer.learningRate=1e-5",
                "stages=[{task=copy,seqLen=64,steps=" + steps + ",tokensPerStep=512}]",
                "ring.size=" + NODES,
                "device.threads=1",
                "snapshot.everySteps=100",
                "output=" + directory.resolve(run));
    }

    private Seen inflict(LocalCluster cluster, Fault fault, Path run, Random random)
            throws Exception {
        Path metrics = run.resolve("metrics.jsonl");
        int leader = cluster.leader();
        int worker = (leader + 1 + random.nextInt(NODES - 1)) % NODES;
        int other = (leader + 1 + (worker - leader + NODES) % NODES % (NODES - 1)) % NODES;
        long epoch = cluster.epoch();
        long before = LocalCluster.lines(metrics);
        long start = System.nanoTime();
        switch (fault) {
            case WORKER, TWICE -> cluster.kill(worker);
            case LEADER -> cluster.kill(leader);
            case TWO -> {
                cluster.kill(worker);
                cluster.kill(other == worker ? leader : other);
            }
            case STOPPED -> cluster.signal(worker, "STOP");
            case DRAINED -> cluster.signal(worker, "TERM");
        }
        // The fault may fall into the first moments of an epoch, which then begins without it.
        long broken = LocalCluster.stepEpoch(metrics);
        BooleanSupplier noticed =
                () -> cluster.epoch() > epoch || LocalCluster.stepEpoch(metrics) > broken;
        double detected = seconds(cluster, start, noticed);
        if (fault == Fault.TWICE) {
            cluster.kill(other == worker ? leader : other); // while the ring is formed again
        }
        long last = fault == Fault.TWICE ? LocalCluster.stepEpoch(metrics) : broken;
        long[] least = {before};
        double again =
                seconds(
                        cluster,
                        start,
                        () -> {
                            long lines = LocalCluster.lines(metrics);
                            least[0] = Math.min(least[0], lines);
                            return LocalCluster.stepEpoch(metrics) > last;
                        });
        if (fault == Fault.STOPPED) {
            cluster.signal(worker, "CONT");
            cluster.process(worker).waitFor();
        }
        for (int node = 0; node < NODES; node++) {
            if (fault == Fault.DRAINED && node == worker) {
                cluster.process(node).waitFor();
            }
            if (!cluster.process(node).isAlive()) {
                cluster.start(node);
                cluster.awaitJoined(node);
            }
        }
        return new Seen(fault, detected, again, before - least[0]);
    }

    private static double seconds(LocalCluster cluster, long start, BooleanSupplier condition)
            throws Exception {
        cluster.await("getting on", 90, condition);
        return (System.nanoTime() - start) / 1e9;
    }

    private void goesOnAsIfNothingHadBeen(int faults, int steps, List<Fault> kinds, long seed)
            throws Exception {
        Path alone = directory.resolve("alone");
        List<Object> command = new ArrayList<>(List.of("train"));
        command.addAll(job("alone", steps));
        CommandLineTest.Outcome outcome = CommandLineTest.run(command.toArray());
        assertThat(outcome.code()).as(outcome.err()).isZero();
        Path run = directory.resolve("run");
        Random random = new Random(seed);
        List<Seen> seen = new ArrayList<>();
        // A node that starts behind its ring would be away for longer than fifty faults have.
        String user = System.getProperty("user.name");
        List<String> launcher =
                user.equals("root") ? List.of("setpriv", "--bounding-set", "-sys_nice") : List.of();
        LocalCluster.Place place = new LocalCluster.Place("127.0.0.1", launcher);
        try (LocalCluster cluster =
                new LocalCluster(directory, Collections.nCopies(NODES, place))) {
            String id = cluster.submit(job("run", steps));
            Path metrics = run.resolve("metrics.jsonl");
            cluster.await("steps", 60, () -> LocalCluster.lines(metrics) > 10);
            for (int i = 0; i < faults && !cluster.state(id).equals("done"); i++) {
                Seen one = inflict(cluster, kinds.get(i % kinds.size()), run, random);
                seen.add(one);
                System.out.printf(
                        Locale.ROOT,
                        "%-8s noticed after %5.2f s, training again after %5.2f s, %d steps redone, step %d%n",
                        one.fault,
                        one.detected,
                        one.again,
                        one.redone,
                        LocalCluster.lines(metrics));
                cluster.awaitMembers(NODES);
                Thread.sleep(random.nextInt(1000));
            }
            cluster.awaitDone(id, 600);
        }
        table(seen);
        assertThat(seen).hasSize(faults);
        LocalCluster.assertEachStepOnce(run.resolve("metrics.jsonl"), steps);
        List<String> calm = Files.readAllLines(alone.resolve("metrics.jsonl"));
        List<String> wild = Files.readAllLines(run.resolve("metrics.jsonl"));
        for (int i = 0; i < steps; i++) {
            JsonNode a = JsonMapper.shared().readTree(calm.get(i));
            JsonNode b = JsonMapper.shared().readTree(wild.get(i));
            assertThat(b.path("loss").asDouble())
                    .as("loss of step %d", i + 1)
                    .isCloseTo(a.path("loss").asDouble(), within(2e-3));
        }
        double difference = LocalCluster.difference(run.resolve("final"), alone.resolve("final"));
        System.out.printf("greatest difference of a weight: %.2e%n", difference);
        assertThat(difference).isLessThan(5e-3);
        assertThat(seen).allMatch(s -> s.redone == 0);
    }

    private static void table(List<Seen> seen) {
        System.out.println(
                "fault      times   noticed: median, worst   again: median, worst   redone");
        for (Fault fault : Fault.values()) {
            double[] detected =
                    seen.stream()
                            .filter(s -> s.fault == fault)
                            .mapToDouble(s -> s.detected)
                            .sorted()
                            .toArray();
            double[] again =
                    seen.stream()
                            .filter(s -> s.fault == fault)
                            .mapToDouble(s -> s.again)
                            .sorted()
                            .toArray();
            if (again.length > 0) {
                System.out.printf(
                        Locale.ROOT,
                        "%-10s %5d   %8.2f %8.2f       %8.2f %8.2f     %d%n",
                        fault,
                        again.length,
                        detected[detected.length / 2],
                        detected[detected.length - 1],
                        again[again.length / 2],
                        again[again.length - 1],
                        seen.stream().filter(s -> s.fault == fault).mapToLong(s -> s.redone).sum());
            }
        }
    }

    private long stepsOf(double seconds, double every) throws Exception {
        // A queue of its own: the job of the cluster before this one would go on by itself.
        String name = "every-" + every;
        Path metrics = directory.resolve(name).resolve("metrics.jsonl");
        long steps;
        Path own = Files.createDirectory(directory.resolve("cluster-" + every));
        try (LocalCluster cluster = new LocalCluster(own, 3)) {
            List<String> job = new ArrayList<>(job(name, 1_000_000));
            job.set(5, "ring.size=3");
            cluster.submit(job);
            cluster.await("steps", 60, () -> LocalCluster.lines(metrics) > 500);
            long first = LocalCluster.lines(metrics);
            long start = System.nanoTime();
            double next = every;
            double tick = 5;
            int kills = 0;
            long last = first;
            StringBuilder pace = new StringBuilder();
            for (double now = 0; now < seconds; now = (System.nanoTime() - start) / 1e9) {
                if (now >= next) {
                    next += every;
                    // By turns: the one before may still be coming back.
                    int worker = (cluster.leader() + 1 + kills++ % 2) % 3;
                    int joins = cluster.joins(worker);
                    cluster.kill(worker);
                    cluster.start(worker); // as a supervisor does
                    // The others go on, long before it is back, and no step is done twice.
                    long stood = LocalCluster.lines(metrics);
                    assertThat(stood).isGreaterThanOrEqualTo(last);
                    cluster.await(
                            "steps without it", 90, () -> LocalCluster.lines(metrics) > stood + 10);
                    assertThat(cluster.joins(worker)).as("it is back").isEqualTo(joins);
                }
                if (now >= tick) {
                    long done = LocalCluster.lines(metrics);
                    pace.append(' ').append(done - last);
                    last = done;
                    tick += 5;
                }
                Thread.sleep(100);
            }
            System.out.println(name + ", steps in each 5 s:" + pace);
            steps = LocalCluster.lines(metrics) - first;
        }
        return steps;
    }

    @Test
    void aWorkerKilledAgainAndAgainHoldsNobodyUp() throws Exception {
        double seconds = 125;
        long calm = stepsOf(seconds, Double.MAX_VALUE);
        long minutes = stepsOf(seconds, 60);
        long quarters = stepsOf(seconds, 15);
        System.out.printf(
                Locale.ROOT,
                "%.0f s: %d steps undisturbed; a worker killed every 60 s: %d (%.1f %%); every 15 s: %d (%.1f %%)%n",
                seconds,
                calm,
                minutes,
                100.0 * minutes / calm,
                quarters,
                100.0 * quarters / calm);
    }

    @Test
    void oneFaultOfEachKind() throws Exception {
        goesOnAsIfNothingHadBeen(6, 12_000, Arrays.asList(Fault.values()), 1);
    }

    @Test
    void fiftyFaults() throws Exception {
        List<Fault> kinds = new ArrayList<>(List.of(Fault.STOPPED, Fault.DRAINED));
        for (int i = 0; i < 4; i++) {
            kinds.addAll(List.of(Fault.WORKER, Fault.LEADER, Fault.WORKER, Fault.TWO, Fault.TWICE));
        }
        goesOnAsIfNothingHadBeen(50, 40_000, kinds, 2);
    }
}
