package org.ringworld.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.Stream;
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
        KEEPER,
        TWO,
        TWICE,
        STOPPED,
        DRAINED
    }

    private record Seen(Fault fault, double detected, double again, long redone) {}

    private List<String> job(String run, int steps) {
        return List.of(
                "model.hiddenSize=64",
                "model.headDim=32",
                "model.intermediateSize=96",
                "optimizer.learningRate=1e-4",
                "stages=[{task=copy,seqLen=256,steps=" + steps + ",tokensPerStep=4096}]",
                "ring.size=" + NODES,
                "device.threads=1",
                "snapshot.everySteps=100",
                "output=" + directory.resolve(run));
    }

    private static long epoch(Path run) {
        try (Stream<Path> files = Files.list(run)) {
            return files.map(f -> f.getFileName().toString())
                    .filter(f -> f.startsWith(".owner-"))
                    .mapToLong(f -> Long.parseLong(f.substring(7)))
                    .max()
                    .orElse(0);
        } catch (java.io.IOException e) {
            return 0;
        }
    }

    /** The epoch of the last step that was written down whole. */
    private static long lastEpoch(Path metrics) {
        try {
            List<String> lines = Files.readAllLines(metrics);
            return lines.isEmpty()
                    ? 0
                    : JsonMapper.shared().readTree(lines.getLast()).path("epoch").asLong();
        } catch (java.io.IOException | tools.jackson.core.JacksonException e) {
            return 0;
        }
    }

    private Seen inflict(LocalCluster cluster, Fault fault, Path run, Random random)
            throws Exception {
        Path metrics = run.resolve("metrics.jsonl");
        int keeper = cluster.keeper();
        int worker = (keeper + 1 + random.nextInt(NODES - 1)) % NODES;
        int other = (keeper + 1 + (worker - keeper + NODES) % NODES % (NODES - 1)) % NODES;
        long epoch = epoch(run);
        long before = LocalCluster.lines(metrics);
        long start = System.nanoTime();
        switch (fault) {
            case WORKER, TWICE -> cluster.kill(worker);
            case KEEPER -> cluster.kill(keeper);
            case TWO -> {
                cluster.kill(worker);
                cluster.kill(other == worker ? keeper : other);
            }
            case STOPPED -> cluster.signal(worker, "STOP");
            case DRAINED -> cluster.signal(worker, "TERM");
        }
        double detected = seconds(cluster, start, () -> epoch(run) > epoch);
        if (fault == Fault.TWICE) {
            cluster.kill(other == worker ? keeper : other); // while the ring is formed again
        }
        long[] least = {before};
        double again =
                seconds(
                        cluster,
                        start,
                        () -> {
                            long lines = LocalCluster.lines(metrics);
                            least[0] = Math.min(least[0], lines);
                            return epoch(run) > epoch && lastEpoch(metrics) > epoch;
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

    private static double seconds(
            LocalCluster cluster, long start, java.util.function.BooleanSupplier condition)
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
        try (LocalCluster cluster = new LocalCluster(directory, NODES)) {
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
                Thread.sleep(random.nextInt(2000));
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

    @Test
    void oneFaultOfEachKind() throws Exception {
        goesOnAsIfNothingHadBeen(6, 1200, Arrays.asList(Fault.values()), 1);
    }

    @Test
    void fiftyFaults() throws Exception {
        List<Fault> kinds = new ArrayList<>(List.of(Fault.STOPPED, Fault.DRAINED));
        for (int i = 0; i < 4; i++) {
            kinds.addAll(List.of(Fault.WORKER, Fault.KEEPER, Fault.WORKER, Fault.TWO, Fault.TWICE));
        }
        goesOnAsIfNothingHadBeen(50, 20_000, kinds, 2);
    }
}
