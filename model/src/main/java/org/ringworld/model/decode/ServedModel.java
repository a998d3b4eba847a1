package org.ringworld.model.decode;

import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.layers.MappedParameters;
import org.ringworld.model.layers.ParameterStore;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;

/** A saved model on a device, with pages for the texts that it writes; rings come and go. */
public final class ServedModel implements AutoCloseable {
    private final ModelFiles files;
    private final ParameterStore parameters;
    private final ServingRank rank;

    /**
     * @param compute F32 or BF16
     * @param weights that matrices are kept in; F32, BF16 or I8
     * @param cache that keys and values are kept in, likewise
     * @param deterministic whether a text's tokens are the same, bit for bit, whatever else is
     *     computed beside it: slower, above all where prompts are read
     * @param inPlace whether weights are read where their files are mapped, if their dtype fits;
     *     else they are copied, and lie in huge pages
     */
    public record Options(
            DType compute, DType weights, DType cache, boolean deterministic, boolean inPlace) {
        /** One for all. */
        public static Options of(DType dtype) {
            return new Options(dtype, dtype, dtype, false, true);
        }
    }

    /**
     * Takes all its memory at once; where that fails, all of it is given back.
     *
     * @param files of the model, owned from now on
     * @param config whose rotary base may differ from the files'
     * @param options that it computes in and is kept in
     * @param pages for keys and values
     * @param open how many of them may be partly filled, or be filled in one step
     * @throws OutOfMemoryError where the device has no room
     */
    public ServedModel(
            Device device,
            ModelFiles files,
            LlamaConfig config,
            Options options,
            int pages,
            int open)
            throws CheckpointException {
        this.files = files;
        ParameterStore mapped = null;
        try {
            mapped =
                    new MappedParameters(
                            device,
                            files,
                            config,
                            options.compute(),
                            options.weights(),
                            options.inPlace());
            this.rank = new ServingRank(device, mapped, config, options, pages, open);
            this.parameters = mapped;
        } catch (CheckpointException | RuntimeException | Error e) {
            if (mapped != null) {
                mapped.close();
            }
            files.close();
            throw e;
        }
    }

    public ServingRank rank() {
        return rank;
    }

    @Override
    public void close() {
        rank.close();
        parameters.close();
        files.close();
    }
}
