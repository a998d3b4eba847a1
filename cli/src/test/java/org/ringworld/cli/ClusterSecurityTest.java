package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.actors.cluster.NodeSettings;
import org.ringworld.actors.cluster.tls.Tls;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Strangers at the ports of a cluster that trains: refused, and the job does not notice. */
@EnabledOnOs(OS.LINUX)
class ClusterSecurityTest {
    private static final int PORTS_OF_A_NODE = 5;

    @TempDir private Path directory;

    private NodeSettings.TlsFiles identity(String authority) {
        Path files = directory.resolve(authority);
        if (!Files.exists(files)) {
            CommandLineTest.Outcome made =
                    CommandLineTest.run("certificates", files.toString(), "127.0.0.1");
            assertThat(made.code()).as(made.err()).isZero();
        }
        return new NodeSettings.TlsFiles(
                files.resolve("127.0.0.1.key"),
                files.resolve("127.0.0.1.crt"),
                files.resolve("ca.crt"));
    }

    private static String[] settings(NodeSettings.TlsFiles files, String... more) {
        Stream<String> identity =
                Stream.of(
                        "tls.key=" + files.key(),
                        "tls.certificate=" + files.certificate(),
                        "tls.authority=" + files.authority());
        return Stream.concat(identity, Stream.of(more)).toArray(String[]::new);
    }

    /** Says something and waits to be cut off. */
    private static void say(Socket socket, byte[] bytes) {
        try (socket) {
            socket.setSoTimeout(2_000);
            socket.getOutputStream().write(bytes);
            socket.getInputStream().readNBytes(1 << 20);
        } catch (IOException e) {
            // Cut off, as it should be.
        }
    }

    private static byte[] ofAnotherVersion() {
        byte[] magic = "\1RWLink1".getBytes(StandardCharsets.US_ASCII);
        ByteBuffer hello = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);
        return hello.put(magic).putInt(7).array();
    }

    private void nonsenseAtEveryPort(LocalCluster cluster, int node) throws IOException {
        byte[] noise = new byte[500];
        new Random(node).nextBytes(noise);
        byte[] request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
        // Artery's own greeting with a frame of an impossible size.
        byte[] oversized = {'A', 'K', 'K', 'A', 1, -1, -1, -1, 127, 0, 0};
        for (int port = cluster.port(node); port < cluster.port(node) + PORTS_OF_A_NODE; port++) {
            for (byte[] bytes : List.of(noise, request, oversized)) {
                say(new Socket("127.0.0.1", port), bytes);
            }
        }
        int links = cluster.port(node) + 1;
        say(
                Tls.of(identity("ours"))
                        .context()
                        .getSocketFactory()
                        .createSocket("127.0.0.1", links),
                ofAnotherVersion());
    }

    @Test
    void strangersAreRefusedAndTheJobIsUndisturbed() throws Exception {
        Path run = directory.resolve("run");
        Path metrics = run.resolve("metrics.jsonl");
        long steps;
        try (LocalCluster cluster = new LocalCluster(directory, 2, settings(identity("ours")))) {
            // Another authority, no TLS at all, and another cluster with our authority; without
            // devices, which they would warm up before anything else.
            List<Process> strangers =
                    List.of(
                            cluster.stranger(0, settings(identity("theirs"), "devices=[]")),
                            cluster.stranger(1, "insecure=true", "devices=[]"),
                            cluster.stranger(
                                    2,
                                    settings(identity("ours"), "cluster=another", "devices=[]")));
            try {
                for (int node = 2; node < 5; node++) {
                    Path log = cluster.log(node); // they try to come in, and will again
                    cluster.await(log.toString(), 240, () -> says(log, "waits for a cluster"));
                }
                String id = cluster.submit(ClusterTest.job(run, 2, 1_000_000));
                cluster.await("steps", 60, () -> LocalCluster.lines(metrics) > 20);
                nonsenseAtEveryPort(cluster, 0);
                nonsenseAtEveryPort(cluster, 1);
                submitWithoutAnIdentity(cluster);
                long heard = LocalCluster.lines(metrics);
                cluster.await("more", 60, () -> LocalCluster.lines(metrics) > heard + 100);
                JsonNode status = cluster.ask("status", "--json");
                assertThat(status.path("members").size()).as(status.toString()).isEqualTo(2);
                cluster.stop(id);
                steps = LocalCluster.lines(metrics);
            } finally {
                strangers.forEach(s -> s.destroyForcibly().onExit().join());
            }
            assertThat(cluster.logs())
                    .contains("refused a link from /127.0.0.1")
                    .contains("it speaks version 7 of the protocol")
                    .contains("refused a connection to the port for nodes: ")
                    .contains("refused a connection to the port for control: ")
                    .contains("refused a connection to the port for bootstrap: ")
                    .doesNotContain("\tat ");
        }
        LocalCluster.assertEachStepOnce(metrics, (int) steps);
        assertThat(Files.readAllLines(metrics).stream().map(ClusterSecurityTest::epoch).distinct())
                .hasSize(1);
    }

    private static boolean says(Path log, String text) {
        try {
            return Files.readString(log).contains(text);
        } catch (IOException e) {
            return false;
        }
    }

    private static long epoch(String line) {
        return JsonMapper.shared().readTree(line).path("epoch").asLong();
    }

    private void submitWithoutAnIdentity(LocalCluster cluster) {
        List<String> job = ClusterTest.job(directory.resolve("other"), 2, 1);
        String at = cluster.address(0);
        CommandLineTest.Outcome unknown =
                CommandLineTest.run("submit", "--detach", job, "--cluster", at);
        assertThat(unknown.code()).isEqualTo(Ringworld.FAILED);
        assertThat(directory.resolve("other")).doesNotExist();
    }

    @Test
    void aNodeThatOthersCanReachNeedsAnIdentity() {
        CommandLineTest.Outcome outcome = CommandLineTest.run("node", "host=0.0.0.0");
        assertThat(outcome.code()).isEqualTo(Ringworld.USAGE);
        assertThat(outcome.err()).contains("tls.key").contains("insecure = true");
    }
}
