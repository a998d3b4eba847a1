package org.ringworld.actors.job;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.stream.Collectors;
import org.ringworld.actors.Faults;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.snapshot.Snapshot;
import org.ringworld.model.training.MetricsFile;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobText;
import org.ringworld.model.training.job.UsageException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What stands in an output directory already. */
public record Run(boolean finished) {
    private static final Logger LOG = LoggerFactory.getLogger(Run.class);
    private static final int KEYS_NAMED = 5;

    /**
     * Looks whether a job may write into its output.
     *
     * @throws UsageException where another job's run is there, naming the keys that differ
     */
    public static Run open(Job job) throws IOException {
        Config config = JobFile.resolve(ConfigFactory.parseString(job.text()), List.of());
        Path file = job.output().resolve("job.conf");
        if (!Files.exists(file)) {
            return new Run(false);
        }
        List<String> differences =
                JobText.differences(JobFile.resolve(JobFile.read(file), List.of()), config);
        if (!differences.isEmpty()) {
            int more = differences.size() - KEYS_NAMED;
            throw new UsageException(
                    "%s holds a run of another job: choose another output=, or go on from that run with continue=%s and another output=. It differs in %s%s"
                            .formatted(
                                    job.output(),
                                    job.output(),
                                    differences.stream()
                                            .limit(KEYS_NAMED)
                                            .collect(Collectors.joining(", ")),
                                    more > 0 ? " and %d more keys".formatted(more) : ""));
        }
        return new Run(Files.exists(job.output().resolve("final")));
    }

    /**
     * Looks whether a job that continues another run can, before anything is said or written.
     *
     * @throws UsageException where there is no snapshot to go on from, or it does not fit the job
     */
    public static void checkContinued(Job job) throws CheckpointException {
        boolean begun = Files.exists(job.output().resolve("job.conf"));
        if (job.continued() != null && !begun) {
            toContinue(job).close();
        }
    }

    /** The snapshot that a job goes on from, open. */
    private static Snapshot toContinue(Job job) throws CheckpointException {
        Snapshot.Newest newest = Snapshot.newest(job.continued());
        newest.skipped().forEach(skipped -> LOG.warn("skipped {}", skipped));
        Snapshot snapshot = newest.snapshot();
        if (snapshot == null) {
            throw new UsageException(
                    "continue = %s holds no snapshot to go on from; model.path starts from weights alone"
                            .formatted(job.continued()));
        }
        String misfit = misfit(job, snapshot);
        if (misfit != null) {
            snapshot.close();
            throw new UsageException(misfit);
        }
        return snapshot;
    }

    /** Why a job cannot go on from a snapshot; null where it can. */
    private static String misfit(Job job, Snapshot snapshot) throws CheckpointException {
        long step = snapshot.progress().step();
        long last = job.after(steps(job.continued(), step)).curriculum().steps();
        if (step >= last) {
            return "continue = %s has %d steps behind it and the stages of this job end with step %d: give them more steps, or another stage"
                    .formatted(job.continued(), step, last);
        }
        if (!LlamaTensors.of(snapshot.model().config()).equals(LlamaTensors.of(job.model()))) {
            return "continue = %s: its model has other sizes than this job's; take its job.conf and change what is to be otherwise"
                    .formatted(job.continued());
        }
        return null;
    }

    private static List<StepMetrics> steps(Path run, long last) throws CheckpointException {
        Path metrics = run.resolve("metrics.jsonl");
        try {
            return Files.exists(metrics)
                    ? MetricsFile.steps(
                            new String(Files.readAllBytes(metrics), StandardCharsets.UTF_8), last)
                    : List.of();
        } catch (IOException e) {
            throw new CheckpointException(metrics + ": " + Faults.sentence(e), e);
        }
    }

    /**
     * Says whose run the directory is, unless it says so already; one that continues has its state.
     */
    public static void begin(Job job) throws IOException {
        Path file = job.output().resolve("job.conf");
        if (Files.exists(file)) {
            return;
        }
        try {
            Path directory = file.toAbsolutePath().getParent();
            Files.createDirectories(directory);
            if (job.continued() != null) {
                continueFrom(job);
            }
            Path temporary = directory.resolve("job.conf.tmp");
            Files.writeString(temporary, job.text());
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (CheckpointException e) {
            throw e;
        } catch (IOException e) {
            throw new IOException(
                    "output = %s cannot be written: %s"
                            .formatted(file.getParent(), Faults.sentence(e)),
                    e);
        }
    }

    /** The other run's newest snapshot and the lines of its steps become this run's. */
    private static void continueFrom(Job job) throws IOException {
        try (Snapshot snapshot = toContinue(job)) {
            Path metrics = job.continued().resolve("metrics.jsonl");
            if (Files.exists(metrics)) {
                Files.copy(
                        metrics,
                        job.output().resolve("metrics.jsonl"),
                        StandardCopyOption.REPLACE_EXISTING);
            }
            Snapshot.copy(snapshot.directory(), job.output());
        }
    }
}
