package org.ringworld.model.vision;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * LWM's VQGAN (Esser et al. 2021): an encoder, a codebook and a decoder, with its weights on a
 * device. What is looked up in the codebook is F32 in every dtype.
 */
public final class Vqgan implements ImageTokenizer {
    private final Device device;
    private final DType dtype;
    private final VqganConfig config;
    private final List<VqganLayer> encoder;
    private final List<VqganLayer> decoder;
    private final List<Tensor> held = new ArrayList<>();
    private final VectorQuantizer quantizer;
    private final Workspace workspace;
    private final VqganNetwork network;

    /** Where weights come from: writes one to the host's memory, in a dtype. */
    @FunctionalInterface
    public interface Weights {
        /** Reads one. */
        void read(TensorSpec spec, DType dtype, MemorySegment host) throws CheckpointException;
    }

    /**
     * Copies all weights of a file to a device.
     *
     * @param dtype F32 or BF16, which it computes in
     */
    public Vqgan(VqganFile file, Device device, DType dtype) throws CheckpointException {
        this(file.config(), file::read, device, dtype);
    }

    /** The same from anywhere. */
    public Vqgan(VqganConfig config, Weights weights, Device device, DType dtype)
            throws CheckpointException {
        this.device = device;
        this.dtype = dtype;
        this.config = config;
        encoder = config.encoder();
        decoder = config.decoder();
        Map<String, Tensor> byName = new HashMap<>();
        try {
            for (TensorSpec spec : config.tensors()) {
                boolean isCodebook = spec.equals(config.codebook());
                byName.put(spec.name(), load(spec, weights, isCodebook ? DType.F32 : dtype));
            }
        } catch (CheckpointException | RuntimeException | Error e) {
            held.forEach(device::free);
            throw e;
        }
        quantizer = new VectorQuantizer(device, byName.get(config.codebook().name()));
        workspace = new Workspace(device);
        network = new VqganNetwork(device, byName, workspace);
    }

    private Tensor load(TensorSpec spec, Weights from, DType as) throws CheckpointException {
        Tensor tensor = device.tensor(as, spec.shape());
        held.add(tensor);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tensor.bytes(), 64);
            from.read(spec, as, host);
            device.copyIn(host, tensor);
        }
        return tensor;
    }

    @Override
    public int resolution() {
        return config.resolution();
    }

    @Override
    public int grid() {
        return config.grid();
    }

    @Override
    public int vocabSize() {
        return config.numEmbeddings();
    }

    @Override
    public int[] encode(float[] images) {
        int frames = images.length / pixels();
        int[] codes = new int[frames * tokens()];
        Workspace.Mark mark = workspace.mark();
        try {
            long side = resolution();
            Tensor x = workspace.take(DType.F32, frames, side, side, VqganConfig.CHANNELS);
            device.copyIn(MemorySegment.ofArray(images), x);
            Tensor z = converted(network.run(encoder, converted(x, dtype)), DType.F32);
            Tensor ids = workspace.take(DType.I32, codes.length);
            quantizer.encode(z.view(codes.length, config.embedDim()), ids);
            device.copyOut(ids, MemorySegment.ofArray(codes));
        } finally {
            workspace.release(mark);
        }
        return codes;
    }

    @Override
    public float[] decode(int[] codes) {
        int frames = codes.length / tokens();
        float[] images = new float[frames * pixels()];
        Workspace.Mark mark = workspace.mark();
        try {
            Tensor ids = workspace.take(DType.I32, codes.length);
            device.copyIn(MemorySegment.ofArray(codes), ids);
            Tensor rows = workspace.take(DType.F32, frames, grid(), grid(), config.embedDim());
            quantizer.decode(ids, rows);
            Tensor y = converted(network.run(decoder, converted(rows, dtype)), DType.F32);
            device.copyOut(y, MemorySegment.ofArray(images));
        } finally {
            workspace.release(mark);
        }
        for (int i = 0; i < images.length; i++) {
            images[i] = Math.clamp(images[i], -1f, 1f);
        }
        return images;
    }

    private Tensor converted(Tensor x, DType to) {
        if (x.dtype() == to) {
            return x;
        }
        Tensor y = workspace.take(to, x.shape());
        device.kernels().copy(x, y);
        return y;
    }

    @Override
    public void close() {
        workspace.close();
        held.forEach(device::free);
        held.clear();
    }
}
