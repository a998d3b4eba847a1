package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiPredicate;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.cli.FaultyNetwork.Weather;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Three nodes, each in a network namespace of its own, and a network between them that fails for 20
 * s while a job runs: it ends as if nothing had been, and no two coordinators ever take a step.
 * Prints, for each fault, after how long a new epoch had begun and its first step was done, how
 * many steps were done in those 20 s, and how many finished ones were done again.
 */
@EnabledOnOs(OS.LINUX)
@Tag("slow")
class NetworkFaultTest {
    private static final int NODES = 3;
    private static final int STEPS = 1000;
    private static final double SECONDS = 20;
    private static final int TAKEN_OUT = 255;
    private static final Pattern FORMED =
            Pattern.compile("epoch (\\d+) of (\\S+) is formed by (\\S+):");

    @TempDir private Path directory;

    /** What happens to the network, seen from the queue's leader and another node. */
    private enum Fault {
        LEADER_CUT_OFF,
        WORKER_CUT_OFF,
        LEADER_UNHEARD,
        WORKER_UNHEARD,
        LOSS,
        DELAY,
        SLOW,
        WORKER_DEAF,
        PAIR_CUT;

        Weather weather(int leader, int worker) {
            return switch (this) {
                case LEADER_CUT_OFF -> only((from, to) -> from != leader && to != leader);
                case WORKER_CUT_OFF -> only((from, to) -> from != worker && to != worker);
                case LEADER_UNHEARD -> only((from, to) -> from != leader);
                case WORKER_UNHEARD -> only((from, to) -> from != worker);
                case WORKER_DEAF -> only((from, to) -> to != worker);
                case PAIR_CUT ->
                        only(
                                (from, to) ->
                                        !(from == leader && to == worker)
                                                && !(from == worker && to == leader));
                case LOSS -> new Weather((from, to) -> true, 0.05, 0, Double.MAX_VALUE);
                case DELAY -> new Weather((from, to) -> true, 0, 100, Double.MAX_VALUE);
                case SLOW -> new Weather((from, to) -> true, 0, 0, 50e6 / 8);
            };
        }

        private static Weather only(BiPredicate<Integer, Integer> passes) {
            return new Weather(passes, 0, 0, Double.MAX_VALUE);
        }

        /** The node that the cluster must take out; -1: none. */
        int minority(int leader, int worker) {
            return switch (this) {
                case LEADER_CUT_OFF, LEADER_UNHEARD -> leader;
                case WORKER_CUT_OFF, WORKER_UNHEARD, WORKER_DEAF -> worker;
                case PAIR_CUT, LOSS, DELAY, SLOW -> -1;
            };
        }
    }

    private record Seen(Fault fault, double noticed, double again, long during, long redone) {}

    private List<String> job(String run) {
        return List.of(
                "model.hiddenSize=32",
                "model.headDim=16",
                "model.intermediateSize=48",
                "optimizer.learningRate=1e-4",
                "stages=[{task=copy,seqLen=192,steps=" + STEPS + ",tokensPerStep=1536}]",
                "ring.size=" + NODES,
                "device.threads=1",
                "snapshot.everySteps=100",
                "output=" + directory.resolve(run));
    }

    /** Ended nodes are started again, as a supervisor does, but never one that ended otherwise. */
    private static void tend(LocalCluster cluster) {
        for (int node = 0; node < NODES; node++) {
            if (!cluster.process(node).isAlive()) {
                assertThat(cluster.process(node).exitValue()).isEqualTo(TAKEN_OUT);
                try {
                    cluster.start(node);
                } catch (Exception e) {
                    throw new AssertionError(e);
                }
            }
        }
    }

    private static void await(LocalCluster cluster, int seconds, BooleanSupplier condition)
            throws Exception {
        cluster.await(
                "getting on",
                seconds,
                () -> {
                    tend(cluster);
                    return condition.getAsBoolean();
                });
    }

    private Seen inflict(LocalCluster cluster, FaultyNetwork network, Fault fault)
            throws Exception {
        Path run = directory.resolve(fault.name());
        Path metrics = run.resolve("metrics.jsonl");
        String id = cluster.submit(job(fault.name()));
        cluster.await("steps", 90, () -> LocalCluster.lines(metrics) > 50);
        int leader = cluster.leader();
        int worker = (leader + 1) % NODES;
        int minority = fault.minority(leader, worker);
        long formedThere = minority < 0 ? 0 : formed(cluster.log(minority)).size();
        long epoch = stepEpoch(metrics);
        long before = LocalCluster.lines(metrics);
        long[] least = {before};
        double[] noticed = {Double.NaN};
        double[] again = {Double.NaN};
        long start = System.nanoTime();
        network.set(fault.weather(leader, worker));
        BooleanSupplier passed =
                () -> {
                    double now = (System.nanoTime() - start) / 1e9;
                    least[0] = Math.min(least[0], LocalCluster.lines(metrics));
                    if (Double.isNaN(noticed[0]) && lastFormed(cluster) > epoch) {
                        noticed[0] = now;
                    }
                    if (Double.isNaN(again[0]) && stepEpoch(metrics) > epoch) {
                        again[0] = now;
                    }
                    return now > SECONDS;
                };
        await(cluster, 60, passed);
        long during = LocalCluster.lines(metrics) - before;
        if (minority >= 0) {
            assertThat(formed(cluster.log(minority)))
                    .as("epochs of the minority")
                    .hasSize((int) formedThere);
        }
        network.set(Weather.FAIR);
        await(cluster, 300, () -> passed.getAsBoolean() && isDone(cluster, id));
        await(cluster, 90, () -> up(cluster) == NODES);
        return new Seen(fault, noticed[0], again[0], during, before - least[0]);
    }

    private static String after(double seconds) {
        return Double.isNaN(seconds) ? "   never" : String.format(Locale.ROOT, "%6.2f s", seconds);
    }

    private static boolean isDone(LocalCluster cluster, String id) {
        return cluster.state(id).equals("done");
    }

    private static int up(LocalCluster cluster) {
        int up = 0;
        for (JsonNode member : cluster.ask("status", "--json").path("members")) {
            boolean is = member.path("status").asString().equals("Up");
            up += is && !member.path("devices").isEmpty() ? 1 : 0;
        }
        return up;
    }

    private static long stepEpoch(Path metrics) {
        return LocalCluster.lastStep(metrics).path("epoch").asLong();
    }

    /** Epochs that a node's coordinators formed, and their addresses. */
    private static Map<Long, String> formed(Path log) {
        Map<Long, String> formed = new HashMap<>();
        try (Stream<String> lines = Files.lines(log)) {
            lines.map(FORMED::matcher)
                    .filter(Matcher::find)
                    .forEach(
                            line -> {
                                long epoch = Long.parseLong(line.group(1));
                                String other = formed.put(epoch, line.group(3));
                                assertThat(other).as("coordinator of epoch %d", epoch).isNull();
                            });
            return formed;
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static long lastFormed(LocalCluster cluster) {
        long last = 0;
        for (int node = 0; node < NODES; node++) {
            for (long epoch : formed(cluster.log(node)).keySet()) {
                last = Math.max(last, epoch);
            }
        }
        return last;
    }

    /** No epoch of two coordinators, and no step of an older epoch after one of a newer. */
    private void assertOneCoordinatorAtATime(LocalCluster cluster, Path metrics)
            throws IOException {
        Map<Long, String> coordinators = new HashMap<>();
        for (int node = 0; node < NODES; node++) {
            formed(cluster.log(node))
                    .forEach(
                            (epoch, address) ->
                                    assertThat(coordinators.put(epoch, address))
                                            .as("coordinator of epoch %d", epoch)
                                            .isNull());
        }
        long last = 0;
        for (String line : Files.readAllLines(metrics)) {
            long epoch = JsonMapper.shared().readTree(line).path("epoch").asLong();
            assertThat(epoch).as(line).isGreaterThanOrEqualTo(last);
            assertThat(coordinators).containsKey(epoch);
            last = epoch;
        }
    }

    @Test
    void aNetworkThatFailsLosesNoStepAndMakesNoSecondCoordinator() throws Exception {
        assumeTrue(FaultyNetwork.isPossible(), "network namespaces and interfaces need root");
        Path alone = directory.resolve("alone");
        CommandLineTest.Outcome outcome = CommandLineTest.run("train", job("alone"));
        assertThat(outcome.code()).as(outcome.err()).isZero();
        try (FaultyNetwork network = new FaultyNetwork(NODES);
                LocalCluster cluster =
                        new LocalCluster(
                                directory,
                                network.places(),
                                "insecure=true",
                                "minNodes=" + NODES)) {
            for (Fault fault : Fault.values()) {
                Seen one = inflict(cluster, network, fault);
                Path run = directory.resolve(fault.name());
                LocalCluster.assertEachStepOnce(run.resolve("metrics.jsonl"), STEPS);
                assertOneCoordinatorAtATime(cluster, run.resolve("metrics.jsonl"));
                double difference =
                        LocalCluster.difference(run.resolve("final"), alone.resolve("final"));
                System.out.printf(
                        Locale.ROOT,
                        "%-15s noticed %s  again %s  %5d steps meanwhile  %d redone  weights within %.1e%n",
                        one.fault,
                        after(one.noticed),
                        after(one.again),
                        one.during,
                        one.redone,
                        difference);
                assertThat(difference).isLessThan(5e-3);
                assertThat(one.redone).isZero();
            }
        }
    }
}
