package org.ringworld.checkpoints;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Who may write into a run's directory: the holder of its highest fencing number, which is the file
 * {@code .owner-<number>}. It is looked at before every rename and append, so that an owner that
 * was stopped and wakes up after its successor has begun writes nothing more. It is no lock of the
 * operating system: one that never wakes up blocks nobody.
 *
 * @param run the directory; null: nobody else can write there, and no check fails
 * @param number of this owner, from 1
 */
public record Fence(Path run, long number) {
    /** For files that belong to no run. */
    public static final Fence NONE = new Fence(null, 0);

    private static final Pattern OWNER = Pattern.compile("\\.owner-(\\d{1,18})");
    private static final Duration BEAT = Duration.ofSeconds(5);

    /** How long an owner on another host, whose process cannot be seen, is believed to live. */
    private static final Duration SILENCE = Duration.ofSeconds(30);

    private static final String RELEASED = "released";

    /**
     * Becomes the owner of a run's directory, which is made if need be.
     *
     * @throws CheckpointException where a living process owns it, or it cannot be written
     */
    public static Fence claim(Path run) throws CheckpointException {
        return claim(run, "");
    }

    /**
     * Becomes the owner for a cluster, which has made sure that no other of its members is; one
     * that was and still lives, stopped or cut off, is taken over from.
     *
     * @param cluster one word, the same on all its members; empty: none
     */
    public static Fence claim(Path run, String cluster) throws CheckpointException {
        try {
            Files.createDirectories(run);
            long newest = newest(run);
            if (newest > 0) {
                refuseLiving(run, file(run, newest), cluster);
            }
            return new Fence(run, newest + 1).begin(cluster);
        } catch (CheckpointException e) {
            throw e;
        } catch (IOException e) {
            throw unwritable(run, e);
        }
    }

    /**
     * The same owner under the next number: whatever still goes on under this one writes no more.
     *
     * @throws CheckpointException where another has taken the run over
     */
    public Fence next() throws CheckpointException {
        if (run == null) {
            return new Fence(null, number + 1);
        }
        check();
        try {
            String[] words = words(file());
            return new Fence(run, number + 1).begin(words.length > 3 ? words[3] : "");
        } catch (IOException e) {
            throw unwritable(run, e);
        }
    }

    private Fence begin(String cluster) throws CheckpointException {
        try {
            String owner = cluster.isEmpty() ? here() : here() + " " + cluster;
            Files.writeString(file(), owner, StandardOpenOption.CREATE_NEW);
            for (long old = number - 1; old > 0 && Files.deleteIfExists(file(run, old)); old--) {}
            beat();
            return this;
        } catch (FileAlreadyExistsException e) {
            throw new CheckpointException(run + ": another process has just begun to use it");
        } catch (IOException e) {
            throw unwritable(run, e);
        }
    }

    private static CheckpointException unwritable(Path run, IOException e) {
        return new CheckpointException(
                "output = %s cannot be written: %s".formatted(run, Json.reason(e)), e);
    }

    private static String[] words(Path owner) throws IOException {
        return Files.readString(owner).strip().split(" ");
    }

    private static void refuseLiving(Path run, Path owner, String cluster) throws IOException {
        String[] words = words(owner);
        boolean ours = words.length > 3 && words[3].equals(cluster);
        if (words[0].equals(RELEASED) || ours) {
            return;
        }
        // One that does not say who it is was begun just now, or was killed as it began.
        boolean here = words.length >= 3 && words[0].equals(host());
        boolean lives =
                here
                        ? words[2].equals(startOf(Long.parseLong(words[1])))
                        : age(owner).compareTo(SILENCE) < 0;
        if (lives) {
            throw new CheckpointException(
                    "%s is in use by %s: stop that one first, or choose another output="
                            .formatted(
                                    run,
                                    words.length >= 3
                                            ? "process " + words[1] + " on " + words[0]
                                            : "another process"));
        }
    }

    private static Duration age(Path owner) throws IOException {
        return Duration.between(Files.getLastModifiedTime(owner).toInstant(), Instant.now());
    }

    /** Host, process and its start, which tells it from a later one of the same number. */
    private static String here() {
        long pid = ProcessHandle.current().pid();
        return host() + " " + pid + " " + startOf(pid);
    }

    private static String startOf(long pid) {
        return ProcessHandle.of(pid)
                .flatMap(process -> process.info().startInstant())
                .map(start -> Long.toString(start.toEpochMilli()))
                .orElse("gone");
    }

    private static String host() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (IOException e) {
            return "localhost";
        }
    }

    private static long newest(Path run) throws IOException {
        try (Stream<Path> inside = Files.list(run)) {
            return inside.map(path -> OWNER.matcher(path.getFileName().toString()))
                    .filter(Matcher::matches)
                    .mapToLong(name -> Long.parseLong(name.group(1)))
                    .max()
                    .orElse(0);
        }
    }

    private static Path file(Path run, long number) {
        return run.resolve(".owner-" + number);
    }

    private Path file() {
        return file(run, number);
    }

    /** Touches the file from time to time while this process lives, for those on other hosts. */
    private void beat() {
        Thread.ofVirtual()
                .start(
                        () -> {
                            try {
                                while (isCurrent()) {
                                    Files.setLastModifiedTime(file(), FileTime.from(Instant.now()));
                                    Thread.sleep(BEAT);
                                }
                            } catch (IOException | InterruptedException e) {
                                // Whoever writes next learns why from check().
                            }
                        });
    }

    private boolean isCurrent() throws IOException {
        return Files.exists(file()) && !Files.readString(file()).equals(RELEASED);
    }

    /**
     * To be called before each rename into the run's directory and each append there.
     *
     * @throws CheckpointException where another process has taken the run over
     */
    public void check() throws CheckpointException {
        // A successor writes its own file first and removes this one then.
        if (run != null && (!Files.exists(file()) || Files.exists(file(run, number + 1)))) {
            throw new CheckpointException(
                    run + ": another process has taken this run over; nothing more is written");
        }
    }

    /** Gives the directory up; the number stays, so that the next one is greater. */
    public void release() throws CheckpointException {
        try {
            if (run != null && Files.exists(file())) {
                Files.writeString(file(), RELEASED, StandardOpenOption.TRUNCATE_EXISTING);
            }
        } catch (NoSuchFileException e) {
            // Taken over: there is nothing to give up.
        } catch (IOException e) {
            throw new CheckpointException(file() + ": cannot be written: " + Json.reason(e), e);
        }
    }
}
