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
import org.ringworld.model.ring.Broadcast;
import org.ringworld.model.ring.Ring;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * A whole copy of a model on one device, as training needs it: the weights that compute, in the
 * model's dtype, and F32 masters, gradients and the optimizer's moments. Every rank holds all of
 * it.
 *
 * <p>All tensors of a kind lie in one run of memory, so that a reduction, a norm or a clearing is
 * one call.
 */
public final class WholeParameters implements ParameterStore {
    private static final long ALIGNMENT = 16;

    private final Device device;
    private final LlamaConfig config;
    private final DType dtype;
    private final List<TensorSpec> specs;
    private final List<Tensor> taken = new ArrayList<>();
    private final Tensor allWeights;
    private final Tensor allMasters;
    private final Tensor allGradients;
    private final Tensor allFirstMoments;
    private final Tensor allSecondMoments;
    private final List<Tensor> weights;
    private final List<Tensor> masters;
    private final List<Tensor> gradients;
    private final List<Tensor> firstMoments;
    private final List<Tensor> secondMoments;
    private final ModelTensors model;
    private final Gradients sums;

    /** {@link #WholeParameters(Device, LlamaConfig, DType, DType)} with first moments in F32. */
    public WholeParameters(Device device, LlamaConfig config, DType dtype) {
        this(device, config, dtype, DType.F32);
    }

    /**
     * Zeroed weights and state.
     *
     * @param dtype of the weights that compute
     * @param firstMoment dtype of the optimizer's means of gradients
     * @throws OutOfMemoryError where the device has no room; nothing of it stays taken then
     */
    public WholeParameters(Device device, LlamaConfig config, DType dtype, DType firstMoment) {
        this.device = device;
        this.config = config;
        this.dtype = dtype;
        this.specs = LlamaTensors.of(config);
        long total = total(specs);
        try {
            this.allWeights = take(dtype, total);
            this.allGradients = take(DType.F32, total);
            this.allFirstMoments = take(firstMoment, total);
            this.allSecondMoments = take(DType.F32, total);
            this.allMasters = dtype == DType.F32 ? allWeights : take(DType.F32, total);
        } catch (OutOfMemoryError e) {
            close();
            throw e;
        }
        this.weights = cut(allWeights);
        this.masters = cut(allMasters);
        this.gradients = cut(allGradients);
        this.firstMoments = cut(allFirstMoments);
        this.secondMoments = cut(allSecondMoments);
        this.model = new ModelTensors(config, weights);
        this.sums =
                new Gradients(device, config, allGradients, new ModelTensors(config, gradients));
    }

    /** Bytes that a device needs for it. */
    public static long bytes(LlamaConfig config, DType dtype, DType firstMoment) {
        int masters = dtype == DType.F32 ? 0 : Float.BYTES;
        int each = dtype.bytes() + masters + firstMoment.bytes() + 2 * Float.BYTES;
        return total(LlamaTensors.of(config)) * each;
    }

    private static long total(List<TensorSpec> specs) {
        return specs.stream().mapToLong(WholeParameters::room).sum();
    }

    /** Elements that a tensor takes of a run. */
    private static long room(TensorSpec spec) {
        return Math.ceilDiv(Tensor.count(spec.shape()), ALIGNMENT) * ALIGNMENT;
    }

    private Tensor take(DType type, long total) {
        Tensor tensor = device.tensor(type, total);
        taken.add(tensor);
        return tensor;
    }

    private List<Tensor> cut(Tensor all) {
        List<Tensor> cut = new ArrayList<>();
        long at = 0;
        for (TensorSpec spec : specs) {
            cut.add(all.rows(at, at + Tensor.count(spec.shape())).view(spec.shape()));
            at += room(spec);
        }
        return cut;
    }

    /**
     * Takes over the weights and the optimizer's state of one rank of the ring, which sends them.
     *
     * @param step names the frames
     */
    public void broadcast(int root, Ring ring, long step) {
        Broadcast.from(root, ring, device, allWeights, step, 0);
        if (hasMasters()) {
            Broadcast.from(root, ring, device, allMasters, step, 1);
        }
        Broadcast.from(root, ring, device, allFirstMoments, step, 2);
        Broadcast.from(root, ring, device, allSecondMoments, step, 3);
    }

    @Override
    public LlamaConfig config() {
        return config;
    }

    @Override
    public DType dtype() {
        return dtype;
    }

    /** Names and shapes in the order of all indices here. */
    public List<TensorSpec> specs() {
        return specs;
    }

    @Override
    public ModelTensors.Layer acquire(int layer) {
        return model.layer(layer);
    }

    /** They stay where they are. */
    @Override
    public void release(int layer) {}

    @Override
    public ModelTensors tables() {
        return model;
    }

    /** Bytes of the weights that compute. */
    public long weightBytes() {
        return allWeights.bytes();
    }

    /** Bytes of what an optimizer keeps: moments, and masters where they are other memory. */
    public long optimizerBytes() {
        return (hasMasters() ? allMasters.bytes() : 0)
                + allFirstMoments.bytes()
                + allSecondMoments.bytes();
    }

    /** Bytes of all that it takes of its device. */
    public long bytes() {
        return weightBytes() + allGradients.bytes() + optimizerBytes();
    }

    public Gradients gradients() {
        return sums;
    }

    public Tensor gradient(int spec) {
        return gradients.get(spec);
    }

    /** All F32 weights that the optimizer updates as one tensor, with what lies between them 0. */
    public Tensor masters() {
        return allMasters;
    }

    /** The F32 weights that the optimizer updates. */
    public Tensor master(int spec) {
        return masters.get(spec);
    }

    public Tensor firstMoment(int spec) {
        return firstMoments.get(spec);
    }

    public Tensor secondMoment(int spec) {
        return secondMoments.get(spec);
    }

    /** The weights that compute, in the model's dtype. */
    public Tensor weight(int spec) {
        return weights.get(spec);
    }

    /** Whether masters are other memory than the weights that compute. */
    public boolean hasMasters() {
        return allMasters != allWeights;
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
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(master(i).bytes(), 64);
            random(i, seed, std, host);
            set(i, host);
        }
    }

    private void random(int i, long seed, double std, MemorySegment host) {
        double residual = std / Math.sqrt(2.0 * config.numLayers());
        TensorSpec spec = specs.get(i);
        boolean norm = spec.shape().length == 1;
        boolean back =
                spec.name().endsWith("o_proj.weight") || spec.name().endsWith("down_proj.weight");
        RandomGenerator random =
                RandomGeneratorFactory.of("L64X128MixRandom").create(seed * 1_000_003 + i);
        double scale = back ? residual : std;
        long size = Tensor.count(spec.shape());
        for (long j = 0; j < size; j++) {
            float value = norm ? 1 : (float) (scale * random.nextGaussian());
            host.setAtIndex(ValueLayout.JAVA_FLOAT, j, value);
        }
    }

    /**
     * Weights from files, whatever their dtype. A model may lack the vision tables, or the last
     * rows of its vocabulary: those are then random, N(0, std), a pure function of the seed.
     *
     * @throws CheckpointException where it lacks another tensor
     */
    public void load(ModelFiles files, long seed, double std) throws CheckpointException {
        boolean lacksVision = files.config().visionVocabSize() == 0;
        boolean isGrown = files.config().vocabSize() < config.vocabSize();
        for (int i = 0; i < specs.size(); i++) {
            TensorSpec spec = specs.get(i);
            if (lacksVision && LlamaTensors.isVision(spec.name())) {
                initialize(i, seed, std);
                continue;
            }
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment host = arena.allocate(master(i).bytes(), 64);
                long stored = host.byteSize();
                if (isGrown && LlamaTensors.isOfVocabulary(spec.name())) {
                    random(i, seed, std, host);
                    stored = files.config().vocabSize() * spec.shape()[1] * Float.BYTES;
                }
                files.read(spec, DType.F32, host.asSlice(0, stored));
                set(i, host);
            }
        }
    }

    /** Sets a master from F32 host memory, and the weight that computes with it. */
    public void set(int spec, MemorySegment host) {
        device.copyIn(host, master(spec));
        if (hasMasters()) {
            device.kernels().copy(master(spec), weight(spec));
        }
    }

    /** Gives all memory back to the device; nobody may read it any more. */
    @Override
    public void close() {
        taken.forEach(device::free);
        taken.clear();
    }
}
