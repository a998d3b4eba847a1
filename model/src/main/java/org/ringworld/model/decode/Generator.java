package org.ringworld.model.decode;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.layers.ParameterStore;
import org.ringworld.model.layers.RotaryEmbedding;
import org.ringworld.model.layers.SwiGlu;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * Text generation on one device with a cache of keys and values: what was read is never computed
 * again. The cached prefix is to attention one more block of keys.
 */
public final class Generator implements AutoCloseable {
    /** Tokens of a prompt taken at a time. */
    private static final int PREFILL = 512;

    private final Device device;
    private final Kernels kernels;
    private final ParameterStore parameters;
    private final LlamaConfig config;
    private final Workspace cache;
    private final Workspace scratch;
    private final Tensor[] keys;
    private final Tensor[] values;
    private final Tensor positions;
    private final Tensor segments;
    private final int capacity;
    private int length;

    /**
     * @param config whose rotary base may differ from the parameters'
     * @param capacity tokens that the cache holds: prompt and answer together
     */
    public Generator(Device device, ParameterStore parameters, LlamaConfig config, int capacity) {
        this.device = device;
        this.kernels = device.kernels();
        this.parameters = parameters;
        this.config = config;
        this.capacity = capacity;
        this.cache = new Workspace(device);
        this.scratch = new Workspace(device);
        this.keys = new Tensor[config.numLayers()];
        this.values = new Tensor[config.numLayers()];
        for (int i = 0; i < config.numLayers(); i++) {
            keys[i] =
                    cache.take(parameters.dtype(), capacity, config.numKvHeads(), config.headDim());
            values[i] =
                    cache.take(parameters.dtype(), capacity, config.numKvHeads(), config.headDim());
        }
        this.positions = cache.take(DType.I32, capacity);
        this.segments = cache.take(DType.I32, capacity);
        copyIn(IntStream.range(0, capacity).toArray(), positions);
        copyIn(new int[capacity], segments);
    }

    /** Tokens read so far. */
    public int length() {
        return length;
    }

    /**
     * Reads tokens.
     *
     * @return the logits after the last of them [V]
     * @throws IllegalArgumentException when they do not fit the cache, or there are none
     */
    public float[] read(int[] ids) {
        if (ids.length == 0) {
            throw new IllegalArgumentException("there is nothing to read: the prompt is empty");
        }
        if (length + ids.length > capacity) {
            throw new IllegalArgumentException(
                    "%d tokens do not fit a cache of %d that holds %d"
                            .formatted(ids.length, capacity, length));
        }
        float[] logits = null;
        for (int from = 0; from < ids.length; from += PREFILL) {
            int to = Math.min(ids.length, from + PREFILL);
            Workspace.Mark mark = scratch.mark();
            logits = forward(java.util.Arrays.copyOfRange(ids, from, to), to == ids.length);
            length += to - from;
            scratch.release(mark);
        }
        return logits;
    }

    private float[] forward(int[] ids, boolean last) {
        DType dtype = parameters.dtype();
        int n = ids.length;
        Tensor tokens = scratch.take(DType.I32, n);
        copyIn(ids, tokens);
        Tensor own = positions.rows(length, length + n);
        Tensor cos = scratch.take(DType.F32, n, config.headDim() / 2);
        Tensor sin = scratch.take(DType.F32, n, config.headDim() / 2);
        double[] inverse = RotaryEmbedding.inverseFrequencies(config);
        kernels.rotaryAngles(own, inverse, config.ropeScaling().attentionScale(), cos, sin);
        Tensor x = scratch.take(dtype, n, config.hiddenSize());
        Tensor normed = scratch.take(dtype, n, config.hiddenSize());
        Tensor rstd = scratch.take(DType.F32, n);
        float eps = (float) config.rmsNormEps();
        kernels.embedding(tokens, parameters.embedding(Modality.TEXT), x);
        for (int i = 0; i < config.numLayers(); i++) {
            Workspace.Mark mark = scratch.mark();
            ParameterStore.Layer weights = parameters.layer(i);
            kernels.rmsNorm(x, weights.inputNorm(), eps, normed, rstd);
            attention(i, weights, normed, cos, sin, x);
            kernels.rmsNorm(x, weights.postNorm(), eps, normed, rstd);
            SwiGlu.forward(kernels, weights, normed, null, null, x, scratch);
            scratch.release(mark);
        }
        return last ? logits(x.rows(n - 1, n), normed.rows(n - 1, n), rstd.rows(n - 1, n)) : null;
    }

    /** x += o(attention of the new tokens to everything read). */
    private void attention(
            int layer,
            ParameterStore.Layer weights,
            Tensor normed,
            Tensor cos,
            Tensor sin,
            Tensor x) {
        long n = normed.dim(0);
        long to = length + n;
        DType dtype = parameters.dtype();
        Tensor q = scratch.take(dtype, n, config.numHeads(), config.headDim());
        Tensor k = keys[layer].rows(length, to);
        Tensor v = values[layer].rows(length, to);
        kernels.matmul(Product.NT, normed, weights.q(), flat(q), false);
        kernels.matmul(Product.NT, normed, weights.k(), flat(k), false);
        kernels.matmul(Product.NT, normed, weights.v(), flat(v), false);
        kernels.rotary(q, cos, sin, q);
        kernels.rotary(k, cos, sin, k);
        Tensor out = scratch.take(DType.F32, q.shape());
        Tensor max = scratch.take(DType.F32, n, config.numHeads());
        Tensor sum = scratch.take(DType.F32, n, config.numHeads());
        kernels.fill(out, 0);
        kernels.fill(max, Float.NEGATIVE_INFINITY);
        kernels.fill(sum, 0);
        kernels.attention(
                q,
                positions.rows(length, to),
                segments.rows(length, to),
                keys[layer].rows(0, to),
                values[layer].rows(0, to),
                positions.rows(0, to),
                segments.rows(0, to),
                (float) (1 / Math.sqrt(config.headDim())),
                out,
                max,
                sum);
        Tensor rounded = out;
        if (dtype != DType.F32) {
            rounded = scratch.take(dtype, q.shape());
            kernels.copy(out, rounded);
        }
        kernels.matmul(Product.NT, flat(rounded), weights.o(), x, true);
    }

    private float[] logits(Tensor x, Tensor normed, Tensor rstd) {
        kernels.rmsNorm(x, parameters.finalNorm(), (float) config.rmsNormEps(), normed, rstd);
        Tensor logits = scratch.take(DType.F32, 1, config.vocabSize());
        kernels.matmul(Product.NT, normed, parameters.head(Modality.TEXT), logits, false);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(logits.bytes(), 64);
            device.copyOut(logits, host);
            return host.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    private static Tensor flat(Tensor t) {
        return t.view(t.dim(0), t.dim(1) * t.dim(2));
    }

    private void copyIn(int[] host, Tensor to) {
        try (Arena arena = Arena.ofConfined()) {
            device.copyIn(arena.allocateFrom(ValueLayout.JAVA_INT, host), to);
        }
    }

    @Override
    public void close() {
        cache.close();
        scratch.close();
    }
}
