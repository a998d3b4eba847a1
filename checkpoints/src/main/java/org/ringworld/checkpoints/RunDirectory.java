package org.ringworld.checkpoints;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The models of a training run: {@code final/}, {@code snapshots/step-<n>/} and {@code
 * stages/<i>-<seqLen>/}.
 */
final class RunDirectory {
    private static final Pattern SNAPSHOT = Pattern.compile("step-(\\d{1,18})");
    private static final Pattern STAGE = Pattern.compile("(\\d{1,9})-(\\d{1,18})");

    private RunDirectory() {}

    /** {@code path} itself unless it is a run's directory: then its final or newest model. */
    static Path newestModel(Path path) throws IOException {
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
        List<Path> models = new ArrayList<>();
        numbered(path.resolve("snapshots"), SNAPSHOT).stream().findFirst().ifPresent(models::add);
        numbered(path.resolve("stages"), STAGE).stream().findFirst().ifPresent(models::add);
        if (models.isEmpty()) {
            throw new CheckpointException(
                    path + ": is a run that has not written a model yet: train it further");
        }
        // The name of a stage does not say its step: of the two kinds the later written is newer.
        return models.size() == 2 && modified(models.get(1)) >= modified(models.get(0))
                ? models.get(1)
                : models.get(0);
    }

    private static long modified(Path model) throws IOException {
        return Files.getLastModifiedTime(model.resolve("config.json")).toMillis();
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

    private static long number(Path path, Pattern pattern) {
        Matcher matcher = pattern.matcher(path.getFileName().toString());
        return matcher.matches() ? Long.parseLong(matcher.group(1)) : -1;
    }
}
