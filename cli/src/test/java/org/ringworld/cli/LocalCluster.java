package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Tensor;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Nodes of one cluster on this machine, each a process of its own. */
public final class LocalCluster implements AutoCloseable {
    private static final int PORTS = 10;
    private static final int STRANGERS = 5;

    /** Seconds in which nodes are members; not how long it takes, but when it has failed. */
    private static final int PATIENCE = 300;

    /** Where a node runs: its address, and what its command line begins with. */
    public record Place(String host, List<String> launcher) {}

    private final Path directory;
    private final List<Place> places;
    private final List<String> overrides;
    private final int base;
    private final List<Process> nodes = new ArrayList<>();
    private final int[] joined = new int[16];

    public LocalCluster(Path directory, int size, String... overrides) throws Exception {
        this(directory, Collections.nCopies(size, new Place("127.0.0.1", List.of())), overrides);
    }

    /**
     * @param overrides of every node's settings
     */
    public LocalCluster(Path directory, List<Place> places, String... overrides) throws Exception {
        int size = places.size();
        this.directory = directory;
        this.places = places;
        this.overrides = List.of(overrides);
        this.base = freePorts(size + STRANGERS);
        try {
            for (int i = 0; i < size; i++) {
                nodes.add(null);
                start(i);
            }
            awaitMembers(size);
            for (int i = 0; i < size; i++) {
                awaitJoined(i);
            }
        } catch (Exception | AssertionError e) {
            close();
            throw e;
        }
    }

    private static int freePorts(int nodes) throws IOException {
        for (int attempt = 0; attempt < 100; attempt++) {
            int base = ThreadLocalRandom.current().nextInt(20_000, 32_000) / PORTS * PORTS;
            if (IntStream.range(0, nodes * PORTS).allMatch(i -> isFree(base + i))) {
                return base;
            }
        }
        throw new IOException("no free ports");
    }

    private static boolean isFree(int port) {
        try (ServerSocket socket = new ServerSocket()) {
            socket.bind(new InetSocketAddress("127.0.0.1", port));
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /** Its first; nodes of hosts of their own all have the same. */
    int port(int node) {
        boolean hosts = places.stream().map(Place::host).distinct().count() == places.size();
        return hosts && node < places.size() ? base : base + PORTS * node;
    }

    /** Where a node takes jobs. */
    public String address(int node) {
        return places.get(node).host + ":" + port(node);
    }

    /** Where a node answers HTTP. */
    String front(int node) {
        return "http://%s:%d".formatted(places.get(node).host, port(node) + 5);
    }

    public Process process(int node) {
        return nodes.get(node);
    }

    Path log(int node) {
        return directory.resolve("node-" + node + ".log");
    }

    /** Starts a node, also one that has ended. */
    void start(int node, String... more) throws Exception {
        List<String> settings = new ArrayList<>(overrides);
        settings.addAll(List.of(more));
        nodes.set(node, start(node, places.get(node), settings));
    }

    /** Starts a node, at ports of its own, that asks this cluster's to let it in. */
    Process stranger(int slot, String... settings) throws Exception {
        return start(nodes.size() + slot, places.getFirst(), List.of(settings));
    }

    private Process start(int slot, Place place, List<String> settings) throws IOException {
        List<String> command = new ArrayList<>(place.launcher);
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("--add-modules=jdk.incubator.vector");
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("--sun-misc-unsafe-memory-access=allow");
        command.add("-XX:+UseG1GC");
        command.add("-Xmx400m");
        command.add("-XX:TieredStopAtLevel=4");
        command.add("-cp");
        command.add(System.getProperty("java.class.path"));
        command.add(Ringworld.class.getName());
        command.add("node");
        command.add("host=" + place.host);
        command.add("port=" + port(slot));
        command.add(
                IntStream.range(0, places.size())
                        .mapToObj(i -> '"' + address(i) + '"')
                        .collect(Collectors.joining(",", "peers=[", "]")));
        command.add("queue=" + directory.resolve("queue"));
        command.addAll(settings);
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log(slot).toFile()))
                .start();
    }

    public void signal(int node, String signal) throws Exception {
        new ProcessBuilder("kill", "-" + signal, Long.toString(nodes.get(node).pid()))
                .start()
                .waitFor();
    }

    void kill(int node) throws Exception {
        signal(node, "KILL");
        nodes.get(node).waitFor();
    }

    /** How the command line asks a node. */
    List<String> reach(int node) {
        List<String> files =
                Stream.of("tls.key=", "tls.certificate=", "tls.authority=")
                        .flatMap(
                                key ->
                                        overrides.stream()
                                                .filter(o -> o.startsWith(key))
                                                .map(o -> o.substring(key.length())))
                        .toList();
        List<String> options = new ArrayList<>(List.of("--cluster", address(node)));
        if (!files.isEmpty()) {
            options.addAll(List.of("--tls", String.join(",", files)));
        }
        return options;
    }

    /** What any node that lives answers. */
    JsonNode ask(String command, Object... arguments) {
        for (int node = 0; node < nodes.size(); node++) {
            if (nodes.get(node).isAlive()) {
                List<Object> all = new ArrayList<>(List.of(command));
                all.addAll(List.of(arguments));
                all.addAll(reach(node));
                CommandLineTest.Outcome outcome = CommandLineTest.run(all.toArray());
                if (outcome.code() == 0) {
                    return JsonMapper.shared().readTree(outcome.out());
                }
            }
        }
        return JsonMapper.shared().createObjectNode();
    }

    /** All nodes there again, those that ended started anew. */
    void restore() throws Exception {
        for (int i = 0; i < nodes.size(); i++) {
            if (!nodes.get(i).isAlive()) {
                start(i);
            }
        }
        awaitMembers(nodes.size());
    }

    /** Stops a job, and waits until it has its snapshot. */
    void stop(String job) throws Exception {
        List<Object> arguments = new ArrayList<>(List.of("stop", job));
        arguments.addAll(reach(0));
        CommandLineTest.Outcome outcome = CommandLineTest.run(arguments.toArray());
        assertThat(outcome.code()).as(outcome.err()).isZero();
        await("the stop of " + job, 60, () -> state(job).equals("stopped"));
    }

    /** Waits until a node that was started again is a member again. */
    void awaitJoined(int node) throws Exception {
        await("node " + node, PATIENCE, () -> joins(node) > joined[node]);
        joined[node] = joins(node);
    }

    /** How often a node has become a member. */
    int joins(int node) {
        try {
            return Files.readString(log(node)).split("member of", -1).length - 1;
        } catch (IOException e) {
            return 0;
        }
    }

    void awaitMembers(int count) throws Exception {
        boolean bare = overrides.contains("devices=[]");
        await(
                "%d members up".formatted(count),
                PATIENCE,
                () -> {
                    int up = 0;
                    for (JsonNode member : ask("status", "--json").path("members")) {
                        boolean is = member.path("status").asString().equals("Up");
                        boolean ready = bare || !member.path("devices").isEmpty();
                        up += is && ready ? 1 : 0;
                    }
                    return up == count;
                });
    }

    /** The node that keeps the queue. */
    int leader() {
        String address = ask("status", "--json").path("queue").asString();
        return IntStream.range(0, places.size())
                .filter(i -> address.endsWith(address(i)))
                .findFirst()
                .orElseThrow(() -> new AssertionError("the queue is kept at '" + address + "'"));
    }

    String submit(List<String> job) {
        List<Object> arguments = new ArrayList<>(List.of("submit", "--detach"));
        arguments.addAll(job);
        arguments.addAll(reach(0));
        CommandLineTest.Outcome outcome = CommandLineTest.run(arguments.toArray());
        assertThat(outcome.code()).as(outcome.err()).isZero();
        return outcome.out().strip();
    }

    void awaitDone(String job, int seconds) throws Exception {
        await("job " + job, seconds, () -> state(job).equals("done"));
    }

    String state(String job) {
        for (JsonNode one : ask("status", "--json").path("jobs")) {
            if (one.path("id").asString().equals(job)) {
                String state = one.path("state").asString();
                assertThat(state).as(one.toString()).isNotEqualTo("failed");
                return state;
            }
        }
        return "unknown";
    }

    void await(String what, int seconds, BooleanSupplier condition) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError(what + " did not come within " + seconds + " s" + logs());
            }
            Thread.sleep(50);
        }
    }

    String logs() throws IOException {
        StringBuilder all = new StringBuilder();
        for (int i = 0; i < nodes.size(); i++) {
            all.append("\n---- node ").append(i).append('\n').append(Files.readString(log(i)));
        }
        return all.toString();
    }

    /** The last step that was written down whole, as it stands in the file; or nothing. */
    static JsonNode lastStep(Path metrics) {
        try (RandomAccessFile file = new RandomAccessFile(metrics.toFile(), "r")) {
            byte[] tail = new byte[(int) Math.min(file.length(), 4096)];
            file.seek(file.length() - tail.length);
            file.readFully(tail);
            String text = new String(tail, StandardCharsets.UTF_8);
            int end = text.lastIndexOf('\n');
            int start = text.lastIndexOf('\n', end - 1);
            return JsonMapper.shared().readTree(text.substring(start + 1, Math.max(end, 0)));
        } catch (IOException | tools.jackson.core.JacksonException e) {
            return JsonMapper.shared().createObjectNode();
        }
    }

    static long lines(Path metrics) {
        return lastStep(metrics).path("step").asLong();
    }

    /** The epoch of the last step that was written down. */
    static long stepEpoch(Path metrics) {
        return lastStep(metrics).path("epoch").asLong();
    }

    /** The newest epoch: a number that the queue's leader has taken. */
    long epoch() {
        try (Stream<Path> files = Files.list(directory.resolve("queue"))) {
            return files.map(f -> f.getFileName().toString())
                    .filter(f -> f.startsWith(".owner-"))
                    .mapToLong(f -> Long.parseLong(f.substring(7)))
                    .max()
                    .orElse(0);
        } catch (IOException e) {
            return 0;
        }
    }

    /** Steps 1 to {@code steps}, none missing and none twice. */
    static void assertEachStepOnce(Path metrics, int steps) throws IOException {
        List<Long> told = new ArrayList<>();
        for (String line : Files.readAllLines(metrics)) {
            told.add(JsonMapper.shared().readTree(line).path("step").asLong());
        }
        assertThat(told)
                .isEqualTo(java.util.stream.LongStream.rangeClosed(1, steps).boxed().toList());
    }

    /** The greatest difference of any weight of two models. */
    static double difference(Path a, Path b) throws Exception {
        double worst = 0;
        try (ModelFiles one = ModelFiles.open(a);
                ModelFiles two = ModelFiles.open(b);
                Arena arena = Arena.ofConfined()) {
            for (TensorSpec spec : LlamaTensors.of(one.config())) {
                long bytes = Tensor.count(spec.shape()) * Float.BYTES;
                MemorySegment x = arena.allocate(bytes, 64);
                MemorySegment y = arena.allocate(bytes, 64);
                one.read(spec, DType.F32, x);
                two.read(spec, DType.F32, y);
                for (long i = 0; i < bytes / Float.BYTES; i++) {
                    float d =
                            x.getAtIndex(ValueLayout.JAVA_FLOAT, i)
                                    - y.getAtIndex(ValueLayout.JAVA_FLOAT, i);
                    worst = Math.max(worst, Math.abs(d));
                }
            }
        }
        return worst;
    }

    @Override
    public void close() {
        for (Process node : nodes) {
            if (node != null) {
                node.destroyForcibly().onExit().join();
            }
        }
    }
}
