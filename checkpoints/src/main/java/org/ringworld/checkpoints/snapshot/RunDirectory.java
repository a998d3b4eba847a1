package org.ringworld.checkpoints.snapshot;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.ringworld.checkpoints.CheckpointException;

/**
 * The models of a training run: {@code final/}, {@code snapshots/step-<n>/} and {@code
 * stages/<i>-<seqLen>/}.
 */
public final class RunDirectory {
    static final Pattern SNAPSHOT = Pattern.compile("step-(\\d{1,18})");
    private static final Pattern STAGE = Pattern.compile("(\\d{1,9})-(\\d{1,18})");

    private RunDirectory() {}

    /**
     * A model as it was saved; another one in its place is another one.
     *
     * @param at milliseconds since 1970
     */
    public record SavedModel(Path path, long at) {}

    /** {@link #newestModel}, and since when it is there. */
    public static SavedModel newest(Path path) throws IOException {
        Path newest = newestModel(path);
        if (!Files.exists(newest)) {
            throw new CheckpointException("there is no model at " + newest);
        }
        return new SavedModel(newest, Files.getLastModifiedTime(newest).toMillis());
    }

    /** {@code path} itself unless it is a run's directory: then its final or newest model. */
    public static Path newestModel(Path path) throws IOException {
        boolean isRun =
                Files.isDirectory(path)
                        && !Files.exists(path.resolve("config.json"))
                        && Stream.of("final", "snapshots", "stages")
                                .anyMatch(name -> Files.isDirectory(path.resolve(name)));
        if (!isRun) {
            return path;
        }
        if (Files.isDirectory(path.resolve("final"))) {
            return path.resolve("final");
        }
        List<Path> snapshots = numbered(path.resolve("snapshots"), SNAPSHOT);
        List<Path> stages = numbered(path.resolve("stages"), STAGE);
        if (snapshots.isEmpty() && stages.isEmpty()) {
            throw new CheckpointException(
                    path + ": is a run that has not written a model yet: train it further");
        }
        if (stages.isEmpty()) {
            return snapshots.getFirst();
        }
        boolean snapshotIsNewer =
                !snapshots.isEmpty()
                        && stage(snapshots.getFirst()) > number(stages.getFirst(), STAGE);
        return snapshotIsNewer ? snapshots.getFirst() : stages.getFirst();
    }

    /** The stage in which a snapshot was written; −1 where it does not say. */
    private static long stage(Path snapshot) {
        try {
            return SnapshotFile.read(snapshot).getStage();
        } catch (CheckpointException e) {
            return -1;
        }
    }

    /** Directories whose names match, the greatest number first. */
    static List<Path> numbered(Path parent, Pattern pattern) throws IOException {
        if (!Files.isDirectory(parent)) {
            return List.of();
        }
        try (Stream<Path> inside = Files.list(parent)) {
            return inside.filter(p -> Files.isDirectory(p) && number(p, pattern) >= 0)
                    .sorted(Comparator.comparingLong((Path p) -> number(p, pattern)).reversed())
                    .toList();
        }
    }

    static long number(Path path, Pattern pattern) {
        Matcher matcher = pattern.matcher(path.getFileName().toString());
        return matcher.matches() ? Long.parseLong(matcher.group(1)) : -1;
    }
}
