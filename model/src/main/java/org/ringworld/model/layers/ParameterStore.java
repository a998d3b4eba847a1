package org.ringworld.model.layers;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.ring.Broadcast;
import org.ringworld.model.ring.Ring;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * A model's weights on one device, handed out one layer at a time, and, for training, their
 * gradients and the optimizer's state. Every rank holds all of it; the model does not know.
 *
 * <p>All tensors of a kind lie in one run of memory, so that a reduction, a norm or a clearing is
 * one call. Weights that compute have the model's dtype; masters, gradients and moments are F32.
 */
public final class ParameterStore implements AutoCloseable {
    private static final int PER_LAYER = 9;
    private static final long ALIGNMENT = 16;

    private final Device device;
    private final LlamaConfig config;
    private final DType dtype;
    private final List<TensorSpec> specs;
    private final int firstLayer;
    private final long[] offsets;
    private final Tensor weights;
    private final Tensor masters;
    private final Tensor gradients;
    private final Tensor firstMoments;
    private final Tensor secondMoments;
    private final List<Tensor> taken = new ArrayList<>();

    /**
     * Zeroed weights; with {@code training} also what an optimizer needs.
     *
     * @throws OutOfMemoryError where the device has no room; nothing of it stays taken then
     */
    public ParameterStore(Device device, LlamaConfig config, DType dtype, boolean training) {
        this.device = device;
        this.config = config;
        this.dtype = dtype;
        this.specs = LlamaTensors.of(config);
        this.firstLayer = config.visionVocabSize() > 0 ? 2 : 1;
        this.offsets = new long[specs.size() + 1];
        for (int i = 0; i < specs.size(); i++) {
            long size = Tensor.count(specs.get(i).shape());
            offsets[i + 1] = offsets[i] + Math.ceilDiv(size, ALIGNMENT) * ALIGNMENT;
        }
        long total = offsets[specs.size()];
        try {
            this.weights = take(dtype, total);
            this.gradients = training ? take(DType.F32, total) : null;
            this.firstMoments = training ? take(DType.F32, total) : null;
            this.secondMoments = training ? take(DType.F32, total) : null;
            this.masters = dtype == DType.F32 ? weights : training ? take(DType.F32, total) : null;
        } catch (OutOfMemoryError e) {
            close();
            throw e;
        }
    }

    private Tensor take(DType type, long total) {
        Tensor tensor = device.tensor(type, total);
        taken.add(tensor);
        return tensor;
    }

    /** The weights of one layer, or their gradients, as LlamaTensors orders them. */
    public record Layer(
            Tensor inputNorm,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor o,
            Tensor postNorm,
            Tensor gate,
            Tensor up,
            Tensor down) {}

    /**
     * Takes over the weights and the optimizer's state of one rank of the ring, which sends them.
     *
     * @param step names the frames
     */
    public void broadcast(int root, Ring ring, long step) {
        Broadcast.from(root, ring, device, weights, step, 0);
        if (masters != weights) {
            Broadcast.from(root, ring, device, masters, step, 1);
        }
        Broadcast.from(root, ring, device, firstMoments, step, 2);
        Broadcast.from(root, ring, device, secondMoments, step, 3);
    }

    public LlamaConfig config() {
        return config;
    }

    public DType dtype() {
        return dtype;
    }

    /** Names and shapes in the order of all indices here. */
    public List<TensorSpec> specs() {
        return specs;
    }

    public Layer layer(int i) {
        return layer(weights, i);
    }

    public Layer layerGradients(int i) {
        return layer(gradients, i);
    }

    /** The modalities that the model has tables for. */
    public List<Modality> modalities() {
        return config.visionVocabSize() > 0
                ? List.of(Modality.TEXT, Modality.VISION)
                : List.of(Modality.TEXT);
    }

    /**
     * [V,E].
     *
     * @throws IllegalArgumentException where the model has no such table
     */
    public Tensor embedding(Modality modality) {
        return slice(weights, embeddingSpec(modality));
    }

    public Tensor embeddingGradient(Modality modality) {
        return slice(gradients, embeddingSpec(modality));
    }

    /** [E]. */
    public Tensor finalNorm() {
        return slice(weights, finalNormSpec());
    }

    public Tensor finalNormGradient() {
        return slice(gradients, finalNormSpec());
    }

    /**
     * [V,E]: for text the embedding itself where they are tied.
     *
     * @throws IllegalArgumentException where the model has no such table
     */
    public Tensor head(Modality modality) {
        return slice(weights, headSpec(modality));
    }

    public Tensor headGradient(Modality modality) {
        return slice(gradients, headSpec(modality));
    }

    /** Bytes of the weights that compute. */
    public long weightBytes() {
        return weights.bytes();
    }

    /** Bytes of what an optimizer keeps: moments, and masters where they are other memory. */
    public long optimizerBytes() {
        return (hasMasters() ? 3 : 2) * gradients.bytes();
    }

    /** All gradients as one F32 tensor. */
    public Tensor gradients() {
        return gradients;
    }

    public Tensor gradient(int spec) {
        return slice(gradients, spec);
    }

    /** The F32 weights that the optimizer updates. */
    public Tensor master(int spec) {
        return slice(masters, spec);
    }

    public Tensor firstMoment(int spec) {
        return slice(firstMoments, spec);
    }

    public Tensor secondMoment(int spec) {
        return slice(secondMoments, spec);
    }

    /** The weights that compute, in the model's dtype. */
    public Tensor weight(int spec) {
        return slice(weights, spec);
    }

    /** Whether masters are other memory than the weights that compute. */
    public boolean hasMasters() {
        return masters != null && masters != weights;
    }

    /**
     * Random weights, a pure function of the seed: N(0, std), with the projections back into the
     * residual stream divided by √(2 · layers) (GPT-2), norms 1.
     */
    public void initialize(long seed, double std) {
        for (int i = 0; i < specs.size(); i++) {
            initialize(i, seed, std);
        }
    }

    private void initialize(int i, long seed, double std) {
        double residual = std / Math.sqrt(2.0 * config.numLayers());
        TensorSpec spec = specs.get(i);
        boolean norm = spec.shape().length == 1;
        boolean back =
                spec.name().endsWith("o_proj.weight") || spec.name().endsWith("down_proj.weight");
        RandomGenerator random =
                RandomGeneratorFactory.of("L64X128MixRandom").create(seed * 1_000_003 + i);
        double scale = back ? residual : std;
        try (Arena arena = Arena.ofConfined()) {
            long size = Tensor.count(spec.shape());
            MemorySegment host = arena.allocate(size * Float.BYTES, 64);
            for (long j = 0; j < size; j++) {
                float value = norm ? 1 : (float) (scale * random.nextGaussian());
                host.setAtIndex(ValueLayout.JAVA_FLOAT, j, value);
            }
            set(i, host);
        }
    }

    /** Weights from files, whatever their dtype; a model whose tensors do not fit is refused. */
    public void load(ModelFiles files) throws CheckpointException {
        load(files, 0, specs.size());
    }

    /**
     * The same, for a model that may lack the vision tables: those are then random, N(0, std), a
     * pure function of the seed.
     */
    public void load(ModelFiles files, long seed, double std) throws CheckpointException {
        boolean lacksVision = files.config().visionVocabSize() == 0;
        for (int i = 0; i < specs.size(); i++) {
            if (lacksVision && LlamaTensors.isVision(specs.get(i).name())) {
                initialize(i, seed, std);
            } else {
                load(files, i, i + 1);
            }
        }
    }

    private void load(ModelFiles files, int from, int to) throws CheckpointException {
        for (int i = from; i < to; i++) {
            try (Arena arena = Arena.ofConfined()) {
                DType read = masters == null ? dtype : DType.F32;
                MemorySegment host =
                        arena.allocate(Tensor.count(specs.get(i).shape()) * read.bytes(), 64);
                files.read(specs.get(i), read, host);
                if (masters == null) {
                    device.copyIn(host, weight(i));
                } else {
                    set(i, host);
                }
            }
        }
    }

    /** Sets a master from F32 host memory, and the weight that computes with it. */
    public void set(int spec, MemorySegment host) {
        if (masters == null) {
            throw new IllegalStateException("a model for inference has no masters to set");
        }
        device.copyIn(host, master(spec));
        if (hasMasters()) {
            device.kernels().copy(master(spec), weight(spec));
        }
    }

    private Layer layer(Tensor all, int i) {
        int at = firstLayer + PER_LAYER * i;
        return new Layer(
                slice(all, at),
                slice(all, at + 1),
                slice(all, at + 2),
                slice(all, at + 3),
                slice(all, at + 4),
                slice(all, at + 5),
                slice(all, at + 6),
                slice(all, at + 7),
                slice(all, at + 8));
    }

    private int embeddingSpec(Modality modality) {
        requireTables(modality);
        return modality == Modality.TEXT ? 0 : 1;
    }

    private int finalNormSpec() {
        return firstLayer + PER_LAYER * config.numLayers();
    }

    private int headSpec(Modality modality) {
        requireTables(modality);
        if (modality == Modality.VISION) {
            return specs.size() - 1;
        }
        return config.tieEmbeddings() ? 0 : finalNormSpec() + 1;
    }

    private void requireTables(Modality modality) {
        if (modality.vocabSize(config) == 0) {
            throw new IllegalArgumentException(
                    "there are vision codes in the data, but the model has no vision tables:"
                            + " its visionVocabSize is 0");
        }
    }

    /** Gives all memory back to the device; nobody may read it any more. */
    @Override
    public void close() {
        taken.forEach(device::free);
        taken.clear();
    }

    private Tensor slice(Tensor all, int spec) {
        long[] shape = specs.get(spec).shape();
        return all.rows(offsets[spec], offsets[spec] + Tensor.count(shape)).view(shape);
    }
}
