package org.ringworld.model.layers;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * The weights of a model's files, to be read only. On a device that reaches the host's memory a
 * tensor stored in the dtype asked for is used where the file is mapped, without a copy: it comes
 * from disk when it is first read, and all ranks and processes of a host share it. Others are
 * converted into the device's memory at once, to I8 by its own kernels.
 *
 * <p>The files must stay as they are: one that another program shortens or overwrites in place
 * while it is mapped ends this process or changes the model under it. Replacing or deleting one by
 * name, as this program and every downloader does, is safe.
 */
public final class MappedParameters implements ParameterStore {
    private final Device device;
    private final ModelFiles files;
    private final LlamaConfig config;
    private final DType dtype;
    private final boolean inPlace;
    private final Map<Long, Tensor> taken = new HashMap<>();
    private final ModelTensors weights;

    /** Weights in the dtype that they compute in. */
    public MappedParameters(Device device, ModelFiles files, LlamaConfig config, DType dtype)
            throws CheckpointException {
        this(device, files, config, dtype, dtype, true);
    }

    /**
     * @param files checked when they were opened; they stay open as long as this store
     * @param config of the model, whose rotary base may differ from the files'
     * @param dtype F32 or BF16, that the model computes in: norms and embeddings have it
     * @param matrixDtype of the layers' matrices and the heads: F32, BF16, or I8, which is made of
     *     them here
     * @param inPlace whether what has its dtype is used in the files; else it is copied, for memory
     *     in huge pages is read faster
     * @throws CheckpointException where the files lack a tensor of {@code config}
     * @throws OutOfMemoryError where the device has no room for what is converted
     */
    public MappedParameters(
            Device device,
            ModelFiles files,
            LlamaConfig config,
            DType dtype,
            DType matrixDtype,
            boolean inPlace)
            throws CheckpointException {
        this.device = device;
        this.files = files;
        this.config = config;
        this.dtype = dtype;
        this.inPlace = inPlace;
        try {
            List<Tensor> all = new ArrayList<>();
            for (TensorSpec spec : LlamaTensors.of(config)) {
                boolean matrix = spec.shape().length == 2 && !LlamaTensors.isEmbedding(spec.name());
                all.add(matrix ? matrix(spec, matrixDtype) : take(spec, dtype, inPlace));
            }
            // Of an embedding a few rows are read where they lie; a head is read whole every time.
            Tensor tiedHead =
                    config.tieEmbeddings() && matrixDtype != dtype
                            ? matrix(LlamaTensors.of(config).getFirst(), matrixDtype)
                            : null;
            this.weights = new ModelTensors(config, all, tiedHead);
        } catch (CheckpointException | RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private Tensor matrix(TensorSpec spec, DType matrixDtype) throws CheckpointException {
        if (matrixDtype != DType.I8) {
            return take(spec, matrixDtype, inPlace);
        }
        int before = taken.size();
        boolean half = files.inPlace(spec, DType.BF16).isPresent();
        Tensor source = take(spec, half ? DType.BF16 : DType.F32, true);
        boolean own = taken.size() > before;
        Tensor tensor = device.tensor(DType.I8, spec.shape());
        taken.put(tensor.address(), tensor);
        device.kernels().copy(source, tensor);
        if (own) {
            taken.remove(source.address());
            device.free(source);
        }
        return tensor;
    }

    private Tensor take(TensorSpec spec, DType dtype, boolean asMapped) throws CheckpointException {
        Optional<MemorySegment> mapped = files.inPlace(spec, dtype);
        if (!asMapped || mapped.isEmpty()) {
            return copy(spec, dtype);
        }
        // Two tensors of a PyTorch file may be one storage.
        MemorySegment bytes = mapped.get();
        Tensor known = taken.get(bytes.address());
        if (known != null && known.bytes() == bytes.byteSize()) {
            return known.view(spec.shape());
        }
        if (known != null) {
            return copy(spec, dtype);
        }
        Tensor tensor = device.adopt(bytes, dtype, spec.shape());
        taken.put(bytes.address(), tensor);
        return tensor;
    }

    /** In the device's memory, converted where it is stored in another dtype. */
    private Tensor copy(TensorSpec spec, DType dtype) throws CheckpointException {
        Tensor tensor = device.tensor(dtype, spec.shape());
        taken.put(tensor.address(), tensor);
        Optional<MemorySegment> mapped = files.inPlace(spec, dtype);
        if (mapped.isPresent()) {
            device.copyIn(mapped.get(), tensor);
            return tensor;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tensor.bytes(), 64);
            files.read(spec, dtype, host);
            device.copyIn(host, tensor);
        }
        return tensor;
    }

    @Override
    public LlamaConfig config() {
        return config;
    }

    @Override
    public DType dtype() {
        return dtype;
    }

    @Override
    public ModelTensors.Layer acquire(int layer) {
        return weights.layer(layer);
    }

    /** The kernel's page cache holds what is read and drops what is not. */
    @Override
    public void release(int layer) {}

    @Override
    public ModelTensors tables() {
        return weights;
    }

    @Override
    public void close() {
        taken.values().forEach(device::free);
        taken.clear();
    }
}
