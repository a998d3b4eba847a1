package org.ringworld.actors.links;

import java.io.IOException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The unix-domain sockets of this host's processes, each in a directory of its own whose name
 * follows from the process. Whoever ends in order removes its own; what a killed one leaves proves
 * its death to the others, and is swept a day later.
 */
record UnixSockets(Path directory) {
    private static final Logger LOG = LoggerFactory.getLogger(UnixSockets.class);

    /** Of Linux's 108 bytes the JDK uses two less. */
    private static final int LONGEST_PATH = 106;

    private static final String SOCKET = "links";
    private static final String NAMES = "ringworld-[0-9a-f]{16}";

    /** By then every other process of its cluster has long noticed. */
    private static final Duration PROVES_A_DEATH = Duration.ofDays(1);

    /** Short, whatever the process is called: a socket's path has about a hundred bytes. */
    Path of(String process) {
        UUID name = UUID.nameUUIDFromBytes(process.getBytes(StandardCharsets.UTF_8));
        return directory
                .resolve("ringworld-%016x".formatted(name.getMostSignificantBits()))
                .resolve(SOCKET);
    }

    /**
     * A process's socket, to which nobody else may connect; null where there can be none: then
     * processes of this host are linked as those of others are.
     */
    ServerSocketChannel open(String process) {
        Path socket = of(process);
        int bytes = socket.toString().getBytes(StandardCharsets.UTF_8).length;
        if (bytes > LONGEST_PATH) {
            LOG.warn(
                    "a socket in {} would have a path of {} bytes, {} too many: links of this host go over TCP, and a process that dies is missed after seconds. -Djava.io.tmpdir=/tmp in RINGWORLD_JAVA_OPTS is a shorter place",
                    directory,
                    bytes,
                    bytes - LONGEST_PATH);
            return null;
        }
        sweep();
        try {
            Files.createDirectory(
                    socket.getParent(),
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rwx------")));
            ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            server.bind(UnixDomainSocketAddress.of(socket));
            return server;
        } catch (IOException | UnsupportedOperationException e) {
            remove(socket);
            LOG.warn(
                    "no socket can be had in {} ({}): links of this host go over TCP, and a process that dies is missed after seconds",
                    directory,
                    e.toString());
            return null;
        }
    }

    /** Whether nothing but a process's end can have closed its socket. */
    boolean refuses(String process) {
        return refuses(of(process));
    }

    private static boolean refuses(Path file) {
        try (SocketChannel socket = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            // A process that is stopped takes no connections: when its queue is full nobody waits.
            socket.configureBlocking(false);
            socket.connect(UnixDomainSocketAddress.of(file));
            return false;
        } catch (ConnectException e) {
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    static void remove(Path socket) {
        socket.toFile().delete();
        socket.getParent().toFile().delete();
    }

    /** Removes what processes have left that died long ago. */
    private void sweep() {
        try (Stream<Path> files = Files.list(directory)) {
            List<Path> left = files.filter(f -> f.getFileName().toString().matches(NAMES)).toList();
            for (Path one : left) {
                Path socket = one.resolve(SOCKET);
                Instant made = Files.getLastModifiedTime(one).toInstant();
                boolean old = made.isBefore(Instant.now().minus(PROVES_A_DEATH));
                if (old && Files.isWritable(one) && (!Files.exists(socket) || refuses(socket))) {
                    remove(socket);
                }
            }
        } catch (IOException e) {
            LOG.debug("{} could not be swept: {}", directory, e.toString());
        }
    }
}
