package org.ringworld.actors;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.HfDirectory;
import org.ringworld.checkpoints.Snapshot;
import org.ringworld.checkpoints.TensorSource;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.model.ParameterStore;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.tokenizer.Tokenizer;

/** A rank's state to disk and back. Every rank holds all of it, so any one can write it. */
final class TrainingState {
    private final ParameterStore parameters;
    private final Device device;
    private final MemorySegment host;

    private TrainingState(ParameterStore parameters, Device device, Arena arena) {
        this.parameters = parameters;
        this.device = device;
        long largest =
                parameters.specs().stream().mapToLong(s -> Tensor.count(s.shape())).max().orElse(0);
        this.host = arena.allocate(largest * Float.BYTES, 64);
    }

    /** Writes a model, or a snapshot where the request says what a run needs to go on. */
    static void write(ParameterStore parameters, Device device, long step, SaveRequest request)
            throws IOException {
        Tokenizer tokenizer = Tokenizer.of(request.tokenizer());
        try (Arena arena = Arena.ofConfined()) {
            TrainingState state = new TrainingState(parameters, device, arena);
            List<TensorSpec> specs = parameters.specs();
            TensorSource weights = spec -> state.copyOut(parameters.weight(specs.indexOf(spec)));
            if (request.training() == null) {
                HfDirectory.write(
                        request.path(),
                        request.config(),
                        parameters.dtype(),
                        specs,
                        weights,
                        tokenizer::save);
                return;
            }
            Job job = request.training().job();
            Snapshot.write(
                    job.output(),
                    progress(request.training(), step),
                    request.config(),
                    parameters.dtype(),
                    weights,
                    (spec, part) -> state.copyOut(state.tensor(specs.indexOf(spec), part)),
                    tokenizer::save);
            Snapshot.prune(job.output(), job.snapshotsKept());
        }
    }

    private static Snapshot.Progress progress(SaveRequest.Training training, long step) {
        Job job = training.job();
        return new Snapshot.Progress(
                step,
                training.stage(),
                training.stepInStage(),
                step,
                training.tokens(),
                training.epoch(),
                job.seed(),
                job.text(),
                job.ringSize(),
                job.layout());
    }

    /**
     * Sets weights, masters and moments.
     *
     * @return the last step that was finished
     */
    static long read(ParameterStore parameters, Device device, Path directory) throws IOException {
        try (Snapshot snapshot = Snapshot.open(directory);
                Arena arena = Arena.ofConfined()) {
            TrainingState state = new TrainingState(parameters, device, arena);
            for (int i = 0; i < parameters.specs().size(); i++) {
                TensorSpec spec = parameters.specs().get(i);
                for (Snapshot.Part part : Snapshot.Part.values()) {
                    MemorySegment bytes =
                            state.host.asSlice(0, Tensor.count(spec.shape()) * Float.BYTES);
                    snapshot.read(spec, part, bytes);
                    if (part == Snapshot.Part.MASTER) {
                        parameters.set(i, bytes);
                    } else {
                        device.copyIn(bytes, state.tensor(i, part));
                    }
                }
            }
            return snapshot.progress().step();
        }
    }

    private Tensor tensor(int spec, Snapshot.Part part) {
        return switch (part) {
            case MASTER -> parameters.master(spec);
            case M -> parameters.firstMoment(spec);
            case V -> parameters.secondMoment(spec);
        };
    }

    private MemorySegment copyOut(Tensor tensor) {
        MemorySegment bytes = host.asSlice(0, tensor.bytes());
        device.copyOut(tensor, bytes);
        return bytes;
    }
}
