package org.ringworld.checkpoints.files;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.stream.Stream;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;

/**
 * Files and directories that appear whole or not at all: written under a temporary name beside
 * their place, synced, then renamed. A temporary name begins with a dot and ends in {@code .tmp};
 * one that a crash left behind is removed when the same place is written again.
 */
public final class AtomicFiles {
    private AtomicFiles() {}

    /** The temporary name of a file or directory: of this process, so that two never share one. */
    public static Path temporary(Path target) {
        Path name = target.toAbsolutePath().getFileName();
        return target.toAbsolutePath()
                .resolveSibling(".%s.%d.tmp".formatted(name, ProcessHandle.current().pid()));
    }

    /** Opens such a file, empty. */
    public static FileChannel open(Path temporary) throws IOException {
        return FileChannel.open(
                temporary,
                StandardOpenOption.WRITE,
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING);
    }

    /** Renames a file over an older one and syncs the directory that holds the name. */
    public static void rename(Path temporary, Path target) throws IOException {
        Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        syncDirectory(target.toAbsolutePath().getParent());
    }

    /**
     * Puts a complete, synced directory in the place of {@code target}. An older one there changes
     * names with it in one step where the file system can (Linux); else it is moved aside first,
     * and for an instant the name is missing, never half full.
     */
    public static void renameDirectory(Path temporary, Path target) throws IOException {
        Path parent = target.toAbsolutePath().getParent();
        if (!Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
            syncDirectory(parent);
            return;
        }
        Path old = temporary;
        if (!NameExchange.exchange(temporary, target)) {
            old = parent.resolve("." + target.getFileName() + ".old.tmp");
            delete(old);
            Files.move(target, old, StandardCopyOption.ATOMIC_MOVE);
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        }
        syncDirectory(parent);
        delete(old);
    }

    /** What a directory is to hold. */
    @FunctionalInterface
    public interface Contents {
        /** Writes into the directory that is being made; its name is temporary. */
        void write(Path temporary) throws IOException;
    }

    /**
     * Writes a directory beside its place, syncs it and puts it there, instead of an older one.
     *
     * @param fence whose owner alone may do that
     * @throws CheckpointException where something cannot be written; the older one is then intact
     */
    public static void writeDirectory(Path directory, Fence fence, Contents contents)
            throws CheckpointException {
        Path target = directory.toAbsolutePath().normalize();
        Path temporary = temporary(target);
        try {
            Files.createDirectories(target.getParent());
            deleteLeftovers(target);
            Files.createDirectory(temporary);
            contents.write(temporary);
            syncTree(temporary);
            fence.check();
            renameDirectory(temporary, target);
        } catch (IOException e) {
            throw SafeTensorsWriter.cannotWrite(directory, e);
        } finally {
            deleteQuietly(temporary);
        }
    }

    private static void deleteQuietly(Path temporary) {
        try {
            delete(temporary);
        } catch (IOException e) {
            // The next write to the same place removes it; what went wrong first matters more.
        }
    }

    /** Removes what a crashed writer of {@code target} left beside it. */
    public static void deleteLeftovers(Path target) throws IOException {
        String prefix = "." + target.toAbsolutePath().getFileName() + ".";
        Path parent = target.toAbsolutePath().getParent();
        try (Stream<Path> siblings = Files.list(parent)) {
            List<Path> leftovers =
                    siblings.filter(
                                    p -> {
                                        String name = p.getFileName().toString();
                                        return name.startsWith(prefix)
                                                && name.substring(prefix.length())
                                                        .matches("(\\d+|old)\\.tmp");
                                    })
                            .toList();
            for (Path leftover : leftovers) {
                delete(leftover);
            }
        }
    }

    /** Syncs every file of a directory and the directory itself, depth first. */
    public static void syncTree(Path directory) throws IOException {
        try (Stream<Path> inside = Files.list(directory)) {
            for (Path path : inside.toList()) {
                if (Files.isDirectory(path)) {
                    syncTree(path);
                } else {
                    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
                        channel.force(true);
                    }
                }
            }
        }
        syncDirectory(directory);
    }

    /** Makes the names in a directory durable. */
    static void syncDirectory(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    /** Deletes a file or a directory with all that is in it; nothing there is fine. */
    public static void delete(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        Files.walkFileTree(
                path,
                new SimpleFileVisitor<>() {
                    @Override
                    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                            throws IOException {
                        Files.delete(file);
                        return FileVisitResult.CONTINUE;
                    }

                    @Override
                    public FileVisitResult postVisitDirectory(Path directory, IOException e)
                            throws IOException {
                        if (e != null) {
                            throw e;
                        }
                        Files.delete(directory);
                        return FileVisitResult.CONTINUE;
                    }
                });
    }
}
