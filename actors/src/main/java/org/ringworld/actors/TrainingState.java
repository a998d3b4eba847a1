package org.ringworld.actors;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.HfDirectory;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.model.ParameterStore;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.tokenizer.Tokenizer;

/** A rank's state to disk and back. Every rank holds all of it, so any one can write it. */
final class TrainingState {
    private TrainingState() {}

    static void write(ParameterStore parameters, Device device, long step, SaveRequest request)
            throws IOException {
        Tokenizer tokenizer = Tokenizer.of(request.tokenizer());
        try (Arena arena = Arena.ofConfined()) {
            List<TensorSpec> specs = parameters.specs();
            MemorySegment host = arena.allocate(largest(parameters), 64);
            HfDirectory.write(
                    request.path(),
                    request.config(),
                    parameters.dtype(),
                    specs,
                    spec -> {
                        Tensor weight = parameters.weight(specs.indexOf(spec));
                        MemorySegment bytes = host.asSlice(0, weight.bytes());
                        device.copyOut(weight, bytes);
                        return bytes;
                    },
                    tokenizer::save);
        }
    }

    private static long largest(ParameterStore parameters) {
        return parameters.specs().stream()
                .mapToLong(s -> Tensor.count(s.shape()) * Float.BYTES)
                .max()
                .orElseThrow();
    }

    static long read(ParameterStore parameters, Device device, Path snapshot) throws IOException {
        throw new IOException(snapshot + ": snapshots are not read yet");
    }
}
