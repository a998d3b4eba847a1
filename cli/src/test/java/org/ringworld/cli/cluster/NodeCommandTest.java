package org.ringworld.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.cli.CommandLineTest;
import org.ringworld.cli.LocalCluster;
import org.ringworld.cli.Ringworld;

/** How a node starts, and how it ends. */
@EnabledOnOs(OS.LINUX)
class NodeCommandTest {
    @TempDir private Path directory;

    @ParameterizedTest
    @CsvSource({"0,other nodes", "1,links", "2,control", "3,health", "4,bootstrap", "5,HTTP"})
    void aPortThatIsTakenIsNamed(int offset, String purpose) throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            int port = taken.getLocalPort();
            CommandLineTest.Outcome outcome =
                    CommandLineTest.run(
                            "node",
                            "port=" + (port - offset),
                            "queue=" + directory.resolve("queue"));
            assertThat(outcome.code()).isEqualTo(Ringworld.FAILED);
            // Another of the six may be somebody's too, by chance.
            if (!outcome.err().contains("port " + port)) {
                assertThat(outcome.err()).contains("cannot be had");
                return;
            }
            assertThat(outcome.err()).contains("for " + purpose).doesNotContain("\tat ");
        }
    }

    @Test
    void aNodeThatEndsInOrderLeavesNoSockets() throws Exception {
        Path sockets = Files.createDirectory(directory.resolve("sockets"));
        List<LocalCluster.Place> places =
                java.util.Collections.nCopies(
                        2,
                        new LocalCluster.Place(
                                "127.0.0.1",
                                List.of("env", "JAVA_TOOL_OPTIONS=-Djava.io.tmpdir=" + sockets)));
        try (LocalCluster cluster = new LocalCluster(directory, places)) {
            assertThat(directories(sockets)).hasSize(2);
            CommandLineTest.Outcome drained =
                    CommandLineTest.run("drain", "--cluster", cluster.address(1));
            assertThat(drained.code()).as(drained.err()).isZero();
            assertThat(cluster.process(1).waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(directories(sockets)).as("after drain").hasSize(1);
            cluster.signal(0, "TERM");
            assertThat(cluster.process(0).waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(cluster.process(0).exitValue()).isEqualTo(143);
            assertThat(directories(sockets)).as("after SIGTERM").isEmpty();
        }
    }

    private static List<Path> directories(Path sockets) throws Exception {
        try (Stream<Path> files = Files.list(sockets)) {
            return files.filter(Files::isDirectory)
                    .filter(f -> f.getFileName().toString().startsWith("ringworld-"))
                    .toList();
        }
    }

    /** As where a service is started. */
    @Test
    void aJdkIsFoundWithoutAHome() throws Exception {
        Path out = directory.resolve("jdk");
        Process script =
                new ProcessBuilder("env", "-u", "HOME", "bash", "../scripts/jdk")
                        .redirectErrorStream(true)
                        .redirectOutput(out.toFile())
                        .start();
        assertThat(script.waitFor()).as(Files.readString(out)).isZero();
        assertThat(Path.of(Files.readString(out).strip(), "bin", "javac")).isExecutable();
    }
}
