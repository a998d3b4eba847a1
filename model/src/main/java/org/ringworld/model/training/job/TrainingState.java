package org.ringworld.model.training.job;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.hf.HfDirectory;
import org.ringworld.checkpoints.snapshot.Snapshot;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.tokenizer.Tokenizer;

/**
 * A rank's state as it was after a step, copied out of its device, so that training goes on while
 * the copy is written to disk. Every rank holds all of it, so any one can write it. The memory is
 * taken once, as much as weights and optimizer have.
 */
public final class TrainingState implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final WholeParameters parameters;
    private final List<MemorySegment> weights = new ArrayList<>();
    private final Map<Snapshot.Part, List<MemorySegment>> optimizer =
            new EnumMap<>(Snapshot.Part.class);
    private long step;
    private Tokenizer tokenizer;

    /**
     * @throws OutOfMemoryError where there is no room for it; nothing of it stays taken then
     */
    public TrainingState(WholeParameters parameters) {
        this.parameters = parameters;
        try {
            take();
        } catch (OutOfMemoryError e) {
            arena.close();
            throw e;
        }
    }

    private void take() {
        for (int i = 0; i < parameters.specs().size(); i++) {
            weights.add(arena.allocate(parameters.weight(i).bytes(), 64));
        }
        for (Snapshot.Part part : Snapshot.Part.of(parameters.dtype())) {
            List<MemorySegment> copies = new ArrayList<>();
            for (int i = 0; i < parameters.specs().size(); i++) {
                copies.add(arena.allocate(tensor(parameters, i, part).bytes(), 64));
            }
            optimizer.put(part, copies);
        }
    }

    /** Copies the state out as it is after {@code step}; on the device's own thread. */
    public void take(Device device, long step) {
        this.step = step;
        for (int i = 0; i < weights.size(); i++) {
            device.copyOut(parameters.weight(i), weights.get(i));
            for (Snapshot.Part part : optimizer.keySet()) {
                device.copyOut(tensor(parameters, i, part), optimizer.get(part).get(i));
            }
        }
    }

    /** Writes a model, or a snapshot where the request says what a run needs to go on. */
    public void write(SaveRequest request) throws IOException {
        if (tokenizer == null) {
            // The job's; a large tokenizer.json takes longer to read than a small model to write.
            tokenizer = Tokenizer.of(request.tokenizer());
        }
        DType dtype = parameters.dtype();
        List<TensorSpec> specs = parameters.specs();
        if (request.training() == null) {
            HfDirectory.write(
                    request.path(),
                    request.config(),
                    dtype,
                    specs,
                    spec -> weights.get(specs.indexOf(spec)),
                    directory -> {
                        tokenizer.save(directory);
                        request.card().write(directory);
                    },
                    request.fence());
            return;
        }
        Job job = request.training().job();
        Snapshot.write(
                job.output(),
                progress(request.training(), step),
                request.config(),
                dtype,
                parameters.firstMoment(0).dtype(),
                spec -> weights.get(specs.indexOf(spec)),
                (spec, part) -> optimizer.get(part).get(specs.indexOf(spec)),
                tokenizer::save,
                request.fence());
        Snapshot.prune(job.output(), job.snapshotsKept(), job.milestoneSteps(), request.fence());
    }

    private static Snapshot.Position progress(SaveRequest.Training training, long step) {
        Job job = training.job();
        return new Snapshot.Position(
                step,
                training.stage(),
                training.stepInStage(),
                step,
                training.tokens(),
                training.epoch(),
                job.seed(),
                job.text(),
                job.ringSize(),
                job.layout().name(),
                training.shares());
    }

    /**
     * Sets weights, masters and moments.
     *
     * @return the last step that was finished
     */
    public static long read(WholeParameters parameters, Device device, Path directory)
            throws IOException {
        try (Snapshot snapshot = Snapshot.open(directory);
                Arena arena = Arena.ofConfined()) {
            long largest =
                    parameters.specs().stream()
                            .mapToLong(s -> Tensor.count(s.shape()))
                            .max()
                            .orElse(0);
            MemorySegment host = arena.allocate(largest * Float.BYTES, 64);
            for (int i = 0; i < parameters.specs().size(); i++) {
                TensorSpec spec = parameters.specs().get(i);
                for (Snapshot.Part part : Snapshot.Part.values()) {
                    Tensor tensor = tensor(parameters, i, part);
                    MemorySegment bytes = host.asSlice(0, tensor.bytes());
                    snapshot.read(spec, part, tensor.dtype(), bytes);
                    if (part == Snapshot.Part.MASTER) {
                        parameters.set(i, bytes);
                    } else {
                        device.copyIn(bytes, tensor);
                    }
                }
            }
            return snapshot.progress().step();
        }
    }

    private static Tensor tensor(WholeParameters parameters, int spec, Snapshot.Part part) {
        return switch (part) {
            case MASTER -> parameters.master(spec);
            case M -> parameters.firstMoment(spec);
            case V -> parameters.secondMoment(spec);
        };
    }

    @Override
    public void close() {
        arena.close();
    }
}
