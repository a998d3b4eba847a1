package org.ringworld.model.decode;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.CachedAttention;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.layers.DecoderLayer;
import org.ringworld.model.layers.ParameterStore;
import org.ringworld.model.layers.RotaryEmbedding;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * Text generation on one device with a cache of keys and values: what was read is never computed
 * again.
 */
public final class Generator implements AutoCloseable {
    /** Tokens of a prompt taken at a time. */
    private static final int PREFILL = 512;

    private final Device device;
    private final Kernels kernels;
    private final ParameterStore parameters;
    private final LlamaConfig config;
    private final Workspace scratch;
    private final List<DecoderLayer> layers;
    private final CachedAttention attention;

    /**
     * @param config whose rotary base may differ from the parameters'
     * @param capacity tokens that the cache holds: prompt and answer together
     */
    public Generator(Device device, ParameterStore parameters, LlamaConfig config, int capacity) {
        this.device = device;
        this.kernels = device.kernels();
        this.parameters = parameters;
        this.config = config;
        this.scratch = new Workspace(device);
        this.layers = DecoderLayer.of(device, parameters, scratch);
        this.attention = new CachedAttention(device, config, parameters.dtype(), capacity);
    }

    /** Tokens read so far. */
    public int length() {
        return attention.length();
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
        int capacity = attention.capacity();
        int length = attention.length();
        if (length + ids.length > capacity) {
            throw new IllegalArgumentException(
                    "%d tokens do not fit a cache of %d that holds %d"
                            .formatted(ids.length, capacity, length));
        }
        float[] logits = null;
        for (int from = 0; from < ids.length; from += PREFILL) {
            int to = Math.min(ids.length, from + PREFILL);
            Workspace.Mark mark = scratch.mark();
            logits = forward(Arrays.copyOfRange(ids, from, to), to == ids.length);
            scratch.release(mark);
        }
        return logits;
    }

    private float[] forward(int[] ids, boolean last) {
        int n = ids.length;
        Tensor tokens = scratch.take(DType.I32, n);
        try (Arena arena = Arena.ofConfined()) {
            device.copyIn(arena.allocateFrom(ValueLayout.JAVA_INT, ids), tokens);
        }
        RotaryEmbedding.Angles angles =
                RotaryEmbedding.angles(kernels, config, attention.advance(n), scratch);
        Tensor x = scratch.take(parameters.dtype(), n, config.hiddenSize());
        kernels.embedding(tokens, parameters.embedding(Modality.TEXT), x);
        for (DecoderLayer layer : layers) {
            layer.forward(x, angles, attention);
        }
        return last ? logits(x.rows(n - 1, n)) : null;
    }

    /** Of the last token, x [1,E]. */
    private float[] logits(Tensor x) {
        float eps = (float) config.rmsNormEps();
        kernels.rmsNorm(x, parameters.finalNorm(), eps, x, scratch.take(DType.F32, 1));
        Tensor logits = scratch.take(DType.F32, 1, config.vocabSize());
        kernels.matmul(Product.NT, x, parameters.head(Modality.TEXT), logits, false);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(logits.bytes(), 64);
            device.copyOut(logits, host);
            return host.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    @Override
    public void close() {
        attention.close();
        scratch.close();
    }
}
