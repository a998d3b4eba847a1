package org.ringworld.cli.eval;

import java.nio.file.Path;
import java.util.List;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.suites.Suite;
import org.ringworld.tokenizer.suites.Task;
import picocli.CommandLine.Option;

/** Which suite a model is evaluated by, and how. */
final class SuiteOptions {
    private static final int DOCUMENTS = 20;

    @Option(
            names = "--suite",
            paramLabel = "SUITE",
            description = "ruler, mrcr, babilong or nolima: asked at each length, and answered.")
    private String suite;

    @Option(names = "--tasks", split = ",", description = "Of the suite: these tasks alone.")
    private List<String> tasks = List.of();

    @Option(
            names = "--documents",
            description = "Of the suite: questions of each task at each length (default: 20).")
    private Integer documents;

    @Option(
            names = "--texts",
            paramLabel = "BOOKS",
            description =
                    "Of the suite: what things are hidden in, as data.path is given (default: made-up prose).")
    private Path texts;

    boolean isGiven() {
        return suite != null;
    }

    /**
     * @throws UsageException where there is no such suite
     */
    Suite suite() {
        try {
            return Suite.of(suite);
        } catch (IllegalArgumentException e) {
            throw new UsageException(e.getMessage());
        }
    }

    /**
     * @throws UsageException where the suite has no such task
     */
    List<Task> tasks() {
        try {
            return suite().tasks(tasks);
        } catch (IllegalArgumentException e) {
            throw new UsageException(e.getMessage());
        }
    }

    int documents() {
        int count = documents == null ? DOCUMENTS : documents;
        if (count < 1) {
            throw new UsageException("--documents " + count + " must be at least 1");
        }
        return count;
    }

    /** Null: none is given. */
    Path texts() {
        return texts;
    }

    /**
     * @throws UsageException where an option of suites is given without one
     */
    void checkAlone() {
        if (suite == null && (!tasks.isEmpty() || documents != null || texts != null)) {
            throw new UsageException("--tasks, --documents and --texts belong to --suite");
        }
    }
}
