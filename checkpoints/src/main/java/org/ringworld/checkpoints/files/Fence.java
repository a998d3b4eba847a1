package org.ringworld.checkpoints.files;

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
import java.time.temporal.ChronoUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Json;

/**
 * Who may write into a run's directory, or go on with a file: the holder of its highest fencing
 * number, which is the file {@code .owner-<number>} in the directory, or {@code
 * .<name>.owner-<number>} beside the file. It is looked at before every rename and append, so that
 * an owner that was stopped and wakes up after its successor has begun writes nothing more. It is
 * no lock of the operating system: one that never wakes up blocks nobody.
 *
 * @param output the directory or file; null: nobody else can write there, and no check fails
 * @param owners the path of an owner's file without its number
 * @param number of this owner, from 1
 */
public record Fence(Path output, Path owners, long number) {
    /** For files that belong to no run. */
    public static final Fence NONE = new Fence(null, null, 0);

    private static final Pattern NUMBER = Pattern.compile("\\d{1,18}");
    private static final String OWNER = ".owner-";
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
        } catch (IOException e) {
            throw cannotWrite(run, e);
        }
        return claim(run, run.resolve(OWNER), cluster);
    }

    /**
     * Becomes the owner of a file, which need not be there yet.
     *
     * @throws CheckpointException where a living process owns it, or it cannot be written
     */
    public static Fence claimFile(Path file) throws CheckpointException {
        Path whole = file.toAbsolutePath();
        return claim(file, whole.resolveSibling("." + whole.getFileName() + OWNER), "");
    }

    /** The ownership of a run that another process claimed, for one that writes in its name. */
    public static Fence of(Path run, long number) {
        return new Fence(run, run.resolve(OWNER), number);
    }

    private static Fence claim(Path output, Path owners, String cluster)
            throws CheckpointException {
        try {
            long newest = newest(owners);
            if (newest > 0) {
                refuseLiving(output, file(owners, newest), cluster);
            }
            return new Fence(output, owners, newest + 1).begin(cluster);
        } catch (CheckpointException e) {
            throw e;
        } catch (IOException e) {
            throw cannotWrite(output, e);
        }
    }

    /**
     * The same owner under the next number: whatever still goes on under this one writes no more.
     *
     * @throws CheckpointException where another has taken the output over
     */
    public Fence next() throws CheckpointException {
        check();
        try {
            String[] words = words(file());
            Fence next = new Fence(output, owners, number + 1);
            return next.begin(words.length > 3 ? words[3] : "");
        } catch (IOException e) {
            throw cannotWrite(output, e);
        }
    }

    private Fence begin(String cluster) throws CheckpointException {
        try {
            String owner = cluster.isEmpty() ? here() : here() + " " + cluster;
            Files.writeString(file(), owner, StandardOpenOption.CREATE_NEW);
            for (long old = number - 1;
                    old > 0 && Files.deleteIfExists(file(owners, old));
                    old--) {}
            beat();
            return this;
        } catch (FileAlreadyExistsException e) {
            throw new CheckpointException(output + ": another process has just begun to use it");
        } catch (IOException e) {
            throw cannotWrite(output, e);
        }
    }

    private static CheckpointException cannotWrite(Path output, IOException e) {
        return new CheckpointException(
                "output = %s cannot be written: %s".formatted(output, Json.reason(e)), e);
    }

    private static String[] words(Path owner) throws IOException {
        return Files.readString(owner).strip().split(" ");
    }

    private static void refuseLiving(Path output, Path owner, String cluster) throws IOException {
        String[] words = words(owner);
        boolean ours = words.length > 3 && words[3].equals(cluster);
        if (words[0].equals(RELEASED) || ours) {
            return;
        }
        // One that does not say who it is was begun just now, or was killed as it began.
        boolean here = words.length >= 3 && words[0].equals(host());
        Duration ahead = here ? Duration.ZERO : age(owner).negated();
        if (ahead.compareTo(SILENCE) > 0) {
            // It may be dead for long and would be believed to live until this clock has caught up.
            throw new CheckpointException(
                    "%s: %s was touched at %s, %s ahead of this host's clock, so nobody can tell whether its owner%s lives: set the clocks of both hosts right, or remove that file if the owner is gone"
                            .formatted(
                                    output,
                                    owner,
                                    Files.getLastModifiedTime(owner),
                                    ahead.truncatedTo(ChronoUnit.SECONDS).toString().substring(2),
                                    words.length >= 3
                                            ? " (process %s on %s)".formatted(words[1], words[0])
                                            : ""));
        }
        boolean lives =
                here
                        ? words[2].equals(startOf(Long.parseLong(words[1])))
                        : age(owner).compareTo(SILENCE) < 0;
        if (lives) {
            throw new CheckpointException(
                    "%s is in use by %s: stop that one first, or choose another output"
                            .formatted(
                                    output,
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

    private static long newest(Path owners) throws IOException {
        String prefix = owners.getFileName().toString();
        try (Stream<Path> inside = Files.list(owners.toAbsolutePath().getParent())) {
            return inside.map(path -> path.getFileName().toString())
                    .filter(name -> name.startsWith(prefix))
                    .map(name -> name.substring(prefix.length()))
                    .filter(number -> NUMBER.matcher(number).matches())
                    .mapToLong(Long::parseLong)
                    .max()
                    .orElse(0);
        }
    }

    private static Path file(Path owners, long number) {
        return owners.resolveSibling(owners.getFileName().toString() + number);
    }

    private Path file() {
        return file(owners, number);
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
     * @throws CheckpointException where another process has taken it over
     */
    public void check() throws CheckpointException {
        // A successor writes its own file first and removes this one then.
        if (output != null && (!Files.exists(file()) || Files.exists(file(owners, number + 1)))) {
            throw new CheckpointException(
                    output + ": another process has taken it over; nothing more is written");
        }
    }

    /** Gives it up; the number stays, so that the next one is greater. */
    public void release() throws CheckpointException {
        try {
            if (output != null && Files.exists(file())) {
                Files.writeString(file(), RELEASED, StandardOpenOption.TRUNCATE_EXISTING);
            }
        } catch (NoSuchFileException e) {
            // Taken over: there is nothing to give up.
        } catch (IOException e) {
            throw new CheckpointException(file() + ": cannot be written: " + Json.reason(e), e);
        }
    }
}
