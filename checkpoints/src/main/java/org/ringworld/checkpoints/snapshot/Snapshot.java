package org.ringworld.checkpoints.snapshot;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Json;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.TensorSource;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.files.AtomicFiles;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.HfDirectory;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.hf.TokenIds;
import org.ringworld.checkpoints.proto.File;
import org.ringworld.checkpoints.proto.SnapshotRecord;
import org.ringworld.checkpoints.safetensors.SafeTensors;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;
import org.ringworld.runtime.DType;

/**
 * The complete state of a training run after some step: a Hugging Face model directory, beside its
 * weights the optimizer's state and {@code snapshot.pb}. It does not depend on the ring it was
 * written with. Open, it is known to be whole: every length and checksum has been compared.
 */
public final class Snapshot implements AutoCloseable {
    private static final String OPTIMIZER = "optimizer-00001-of-00001.safetensors";
    private static final String DIRECTORY = "snapshots";

    /** Headers, the tokenizer, snapshot.pb. */
    private static final long OTHER_BYTES = 4 << 20;

    private final Path directory;
    private final Position progress;
    private final ModelFiles model;
    private final SafeTensors optimizer;

    private Snapshot(Path directory, Position progress, ModelFiles model, SafeTensors optimizer) {
        this.directory = directory;
        this.progress = progress;
        this.model = model;
        this.optimizer = optimizer;
    }

    /**
     * Where training stands.
     *
     * @param step steps done, through all stages
     * @param stage index from 0
     * @param stepInStage steps done in this stage: the index of the next one
     * @param optimizerUpdates updates made; the next one's bias corrections count from here
     * @param tokensSeen through all stages
     * @param epoch of the ring
     * @param jobConf the resolved job
     * @param ringSize of the ring that wrote it; any may read it
     * @param layout of that ring, as a job file writes it
     * @param shares of its devices by rank; empty: even ones
     */
    public record Position(
            long step,
            int stage,
            long stepInStage,
            long optimizerUpdates,
            long tokensSeen,
            long epoch,
            long seed,
            String jobConf,
            int ringSize,
            String layout,
            List<DeviceShare> shares) {
        /**
         * @throws IllegalArgumentException where a count is negative
         */
        public Position {
            if (step < 0
                    || stage < 0
                    || stepInStage < 0
                    || optimizerUpdates < 0
                    || tokensSeen < 0
                    || epoch < 0
                    || ringSize < 0) {
                throw new IllegalArgumentException(
                        "a snapshot cannot have negative counts: step %d, stage %d, %d in it"
                                .formatted(step, stage, stepInStage));
            }
        }
    }

    /** What AdamW keeps for every weight: F32, first moments also BF16. */
    public enum Part {
        /** The parameter itself; stored only where the weights are rounded. */
        MASTER,
        /** First moment. */
        M,
        /** Second moment. */
        V;

        /** Those that are stored beside weights of this dtype. */
        public static List<Part> of(DType dtype) {
            return dtype == DType.F32 ? List.of(M, V) : List.of(values());
        }

        String name(TensorSpec spec) {
            return spec.name() + "." + name().toLowerCase(Locale.ROOT);
        }
    }

    /** Where a writer takes the optimizer's state from, one tensor at a time. */
    @FunctionalInterface
    public interface OptimizerSource {
        /** The tensor's bytes; read before the next call. */
        MemorySegment bytes(TensorSpec spec, Part part);
    }

    /**
     * Writes {@code snapshots/step-<n>} of a run, whole or not at all.
     *
     * @param dtype of the weights; the master copy is asked for where it is not F32
     * @param firstMoment dtype of the first moments
     * @param extra the tokenizer's files
     * @param fence whose owner alone may add to the run
     * @return the snapshot's directory
     * @throws CheckpointException where it cannot be written; older snapshots are then intact
     */
    public static Path write(
            Path run,
            Position progress,
            LlamaConfig config,
            DType dtype,
            DType firstMoment,
            TensorSource weights,
            OptimizerSource optimizer,
            HfDirectory.ExtraFiles extra,
            Fence fence)
            throws CheckpointException {
        Path directory = run.resolve(DIRECTORY).resolve("step-" + progress.step());
        List<TensorSpec> specs = LlamaTensors.of(config);
        checkSpace(run, specs, dtype);
        HfDirectory.write(
                directory,
                config,
                dtype,
                specs,
                weights,
                (temporary, weightSums) -> {
                    extra.write(temporary);
                    TokenIds.complete(temporary);
                    Map<String, Integer> checksums = new HashMap<>(weightSums);
                    Path file = temporary.resolve(OPTIMIZER);
                    checksums.put(
                            OPTIMIZER,
                            writeOptimizer(file, Part.of(dtype), firstMoment, specs, optimizer));
                    SnapshotFile.write(temporary, progress, checksums);
                },
                fence,
                HfDirectory.SHARD_BYTES);
        return directory;
    }

    /** A full disk is better found before a snapshot is half written than after. */
    private static void checkSpace(Path run, List<TensorSpec> specs, DType dtype)
            throws CheckpointException {
        long elements = specs.stream().mapToLong(TensorSpec::count).sum();
        long needed = elements * (dtype.bytes() + 4L * Part.of(dtype).size()) + OTHER_BYTES;
        try {
            Files.createDirectories(run);
            long free = Files.getFileStore(run).getUsableSpace();
            if (free < needed) {
                throw new CheckpointException(
                        "%s: a snapshot takes %d MiB and %d MiB are free: make room, or keep fewer (snapshot.keep)"
                                .formatted(run, needed >> 20, free >> 20));
            }
        } catch (CheckpointException e) {
            throw e;
        } catch (IOException e) {
            throw SafeTensorsWriter.cannotWrite(run, e);
        }
    }

    private static int writeOptimizer(
            Path file,
            List<Part> parts,
            DType firstMoment,
            List<TensorSpec> specs,
            OptimizerSource source)
            throws CheckpointException {
        List<SafeTensorsWriter.Entry> entries = new ArrayList<>();
        for (TensorSpec spec : specs) {
            for (Part part : parts) {
                DType type = part == Part.M ? firstMoment : DType.F32;
                SourceType stored = SourceType.valueOf(type.name());
                entries.add(new SafeTensorsWriter.Entry(part.name(spec), stored, spec.shape()));
            }
        }
        try (SafeTensorsWriter writer = SafeTensorsWriter.create(file, entries, Map.of())) {
            for (TensorSpec spec : specs) {
                for (Part part : parts) {
                    writer.write(part.name(spec), source.bytes(spec, part));
                }
            }
            return writer.finish();
        }
    }

    /**
     * Opens a snapshot after comparing all of its files with their lengths and checksums.
     *
     * @throws CheckpointException naming the file that is missing, damaged or of a newer format
     */
    public static Snapshot open(Path directory) throws CheckpointException {
        SnapshotRecord record = SnapshotFile.read(directory);
        SnapshotFile.verify(directory, record.getFilesList());
        if (record.getFilesList().stream().map(File::getName).noneMatch(OPTIMIZER::equals)) {
            throw new CheckpointException(
                    directory + ": the snapshot has no " + OPTIMIZER + ": use another one");
        }
        Position progress = SnapshotFile.progress(directory, record);
        ModelFiles model = ModelFiles.open(directory);
        try {
            SafeTensors optimizer = SafeTensors.open(directory.resolve(OPTIMIZER));
            Snapshot snapshot = new Snapshot(directory, progress, model, optimizer);
            try {
                snapshot.checkOptimizer();
                return snapshot;
            } catch (CheckpointException | RuntimeException e) {
                optimizer.close();
                throw e;
            }
        } catch (CheckpointException | RuntimeException e) {
            model.close();
            throw e;
        }
    }

    private void checkOptimizer() throws CheckpointException {
        for (TensorSpec spec : LlamaTensors.of(model.config())) {
            for (Part part : Part.of(model.dtype())) {
                SafeTensors.Info info = optimizer.info(part.name(spec));
                TensorSpec stored = new TensorSpec(spec.name(), info.shape());
                boolean fits =
                        info.type() == SourceType.F32
                                || part == Part.M && info.type() == SourceType.BF16;
                if (!fits || !stored.equals(spec)) {
                    throw new CheckpointException(
                            "%s: tensor '%s' is %s %s where F32 %s is needed"
                                    .formatted(
                                            optimizer.file(),
                                            part.name(spec),
                                            info.type(),
                                            stored,
                                            spec));
                }
            }
        }
    }

    /**
     * The newest snapshot of a run that is whole.
     *
     * @param snapshot null where there is none
     * @param skipped why each newer one was not taken, a sentence each
     */
    public record Newest(Snapshot snapshot, List<String> skipped) {}

    /**
     * Opens the newest snapshot of a run that is whole, by the number in its name.
     *
     * @throws CheckpointException where the run's directory cannot be listed
     */
    public static Newest newest(Path run) throws CheckpointException {
        List<String> skipped = new ArrayList<>();
        for (Path directory : all(run)) {
            try {
                return new Newest(open(directory), List.copyOf(skipped));
            } catch (CheckpointException e) {
                skipped.add(e.getMessage());
            }
        }
        return new Newest(null, List.copyOf(skipped));
    }

    /**
     * Deletes all but the newest snapshots of a run, and what crashed writers left behind.
     *
     * @param keep how many stay, at least 1
     * @param milestones every snapshot whose step is a multiple of this stays too; 0: none does
     */
    public static void prune(Path run, int keep, long milestones, Fence fence)
            throws CheckpointException {
        if (keep < 1) {
            throw new IllegalArgumentException("snapshot.keep = " + keep + " is under 1");
        }
        try {
            for (Path old : all(run).stream().skip(keep).toList()) {
                if (milestones > 0
                        && RunDirectory.number(old, RunDirectory.SNAPSHOT) % milestones == 0) {
                    continue;
                }
                fence.check();
                // Its name goes first: a snapshot that is half deleted must not look like one.
                Path temporary = AtomicFiles.temporary(old);
                AtomicFiles.delete(temporary);
                AtomicFiles.rename(old, temporary);
                AtomicFiles.delete(temporary);
            }
            deleteLeftovers(run.resolve(DIRECTORY));
        } catch (CheckpointException e) {
            throw e;
        } catch (IOException e) {
            throw new CheckpointException(
                    run + ": old snapshots cannot be deleted: " + Json.reason(e), e);
        }
    }

    private static void deleteLeftovers(Path snapshots) throws IOException {
        if (!Files.isDirectory(snapshots)) {
            return;
        }
        // One with this process's number is being written just now.
        String own = "." + ProcessHandle.current().pid() + ".tmp";
        try (Stream<Path> inside = Files.list(snapshots)) {
            for (Path path : inside.toList()) {
                String name = path.getFileName().toString();
                if (name.matches("\\.step-\\d+\\..*\\.tmp") && !name.endsWith(own)) {
                    AtomicFiles.delete(path);
                }
            }
        }
    }

    /**
     * Makes a snapshot one of another run too, whole or not at all: its files are never changed, so
     * they are shared where both lie on one file system, and copied elsewhere.
     *
     * @throws CheckpointException where it cannot be written
     */
    public static void copy(Path directory, Path run) throws CheckpointException {
        AtomicFiles.writeDirectory(
                run.resolve(DIRECTORY).resolve(directory.getFileName()),
                Fence.NONE, // nobody owns a run that has not begun
                temporary -> {
                    try (Stream<Path> files = Files.list(directory)) {
                        for (Path file : files.toList()) {
                            link(file, temporary.resolve(file.getFileName()));
                        }
                    }
                });
    }

    private static void link(Path file, Path name) throws IOException {
        try {
            Files.createLink(name, file.toAbsolutePath());
        } catch (IOException | UnsupportedOperationException e) {
            Files.copy(file, name);
        }
    }

    private static List<Path> all(Path run) throws CheckpointException {
        try {
            return RunDirectory.numbered(run.resolve(DIRECTORY), RunDirectory.SNAPSHOT);
        } catch (IOException e) {
            throw new CheckpointException(run + ": cannot be listed: " + Json.reason(e), e);
        }
    }

    public Path directory() {
        return directory;
    }

    public Position progress() {
        return progress;
    }

    /** The weights, in the dtype of the job that wrote them. */
    public ModelFiles model() {
        return model;
    }

    /**
     * Reads a part of the optimizer's state.
     *
     * @param host receives spec.count() elements of {@code to}, F32 or BF16
     */
    public void read(TensorSpec spec, Part part, DType to, MemorySegment host)
            throws CheckpointException {
        if (part == Part.MASTER && model.dtype() == DType.F32) {
            model.read(spec, to, host);
        } else {
            optimizer.read(part.name(spec), to, host);
        }
    }

    @Override
    public void close() {
        model.close();
        optimizer.close();
    }
}
