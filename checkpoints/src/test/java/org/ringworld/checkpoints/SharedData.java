package org.ringworld.checkpoints;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/** The project's shared test data; a test that needs it is skipped where it is missing. */
final class SharedData {
    private static final Path ROOT = Path.of("../../shared/data");

    private SharedData() {}

    static Path path(String below) {
        Path path = ROOT.resolve(below);
        assumeTrue(Files.exists(path), "shared test data is not here: data/" + below);
        return path;
    }
}
