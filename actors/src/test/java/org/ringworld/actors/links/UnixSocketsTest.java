package org.ringworld.actors.links;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@EnabledOnOs(OS.LINUX)
class UnixSocketsTest {
    @TempDir private Path directory;

    private static List<String> names(Path in) throws Exception {
        try (Stream<Path> files = Files.list(in)) {
            return files.map(f -> f.getFileName().toString()).toList();
        }
    }

    private Path longDirectory(int bytes) throws Exception {
        int missing = bytes - directory.toString().length() - 1;
        return Files.createDirectory(directory.resolve("l".repeat(missing)));
    }

    /** A socket's path has 106 bytes at most, of which it needs 33 for itself. */
    @ParameterizedTest
    @ValueSource(ints = {74, 146})
    void whereNoSocketCanBeLinksGoOverTcp(int bytes) throws Exception {
        Path there = longDirectory(bytes);
        try (Links links = Links.listen("p", "127.0.0.1", 0, there, null)) {
            assertThat(links.address().socket()).isEmpty();
            assertThat(links.isDead("another", "127.0.0.1")).isFalse();
        }
        assertThat(names(there)).isEmpty();
        Path missing = directory.resolve("missing");
        try (Links links = Links.listen("p", "127.0.0.1", 0, missing, null)) {
            assertThat(links.address().socket()).isEmpty();
        }
    }

    @Test
    void theLongestPathThatFitsIsUsed() throws Exception {
        Path there = longDirectory(73);
        try (Links links = Links.listen("p", "127.0.0.1", 0, there, null)) {
            assertThat(links.address().socket()).hasSize(106);
        }
        assertThat(names(there)).isEmpty();
    }

    /** What a killed process leaves. */
    private Path left(String process, Duration ago) throws Exception {
        Path socket = new UnixSockets(directory).of(process);
        Files.createDirectory(socket.getParent());
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket));
        }
        Files.setLastModifiedTime(socket.getParent(), FileTime.from(Instant.now().minus(ago)));
        return socket.getParent();
    }

    @Test
    void onlyWhatDiedLongAgoIsSwept() throws Exception {
        Path yesterday = left("dead long ago", Duration.ofDays(2));
        Path today = left("dead just now", Duration.ofHours(2));
        Path empty = left("never bound", Duration.ofDays(2));
        Files.delete(empty.resolve("links"));
        Files.setLastModifiedTime(empty, FileTime.from(Instant.now().minus(Duration.ofDays(2))));
        Path others = Files.createDirectory(directory.resolve("ringworld-of-somebody"));
        Files.setLastModifiedTime(others, FileTime.from(Instant.now().minus(Duration.ofDays(2))));
        try (Links lives = Links.listen("lives", "127.0.0.1", 0, directory, null)) {
            Path old = lives.address().socketPath().getParent();
            Files.setLastModifiedTime(old, FileTime.from(Instant.now().minus(Duration.ofDays(30))));
            assertThat(yesterday).doesNotExist();
            assertThat(empty).doesNotExist();
            try (Links next = Links.listen("next", "127.0.0.1", 0, directory, null)) {
                assertThat(old.resolve("links")).as("of one that lives").exists();
                assertThat(next.isDead("dead just now", "127.0.0.1")).isTrue();
                assertThat(next.isDead("lives", "127.0.0.1")).isFalse();
            }
        }
        assertThat(names(directory))
                .containsExactlyInAnyOrder(
                        today.getFileName().toString(), others.getFileName().toString());
    }
}
