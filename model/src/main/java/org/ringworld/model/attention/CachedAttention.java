package org.ringworld.model.attention;

import java.util.stream.IntStream;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * Attention to one sequence whose keys and values stay on the device: what was read is never
 * computed again. The cached prefix and the new tokens are one block of keys.
 */
public final class CachedAttention implements Attention, AutoCloseable {
    private final Kernels kernels;
    private final Workspace cache;
    private final Tensor[] keys;
    private final Tensor[] values;
    private final Tensor positions;
    private final Tensor segments;
    private final float scale;
    private int from;
    private int length;

    /**
     * @param capacity tokens that the cache holds
     */
    public CachedAttention(Device device, LlamaConfig config, DType dtype, int capacity) {
        this.kernels = device.kernels();
        this.cache = new Workspace(device);
        this.keys = new Tensor[config.numLayers()];
        this.values = new Tensor[config.numLayers()];
        for (int i = 0; i < config.numLayers(); i++) {
            keys[i] = cache.take(dtype, capacity, config.numKvHeads(), config.headDim());
            values[i] = cache.take(dtype, capacity, config.numKvHeads(), config.headDim());
        }
        this.positions = cache.take(DType.I32, capacity);
        this.segments = cache.take(DType.I32, capacity);
        this.scale = (float) (1 / Math.sqrt(config.headDim()));
        BlockTensors.copy(device, IntStream.range(0, capacity).toArray(), positions);
        BlockTensors.copy(device, new int[capacity], segments);
    }

    public int capacity() {
        return Math.toIntExact(positions.size());
    }

    /** Tokens in the cache, those being read among them. */
    public int length() {
        return length;
    }

    /** The next n tokens are to be read: all layers put their keys and values behind the others. */
    public Tensor advance(int n) {
        from = length;
        length += n;
        return positions.rows(from, length);
    }

    @Override
    public KvBlock own(int layer, Workspace workspace) {
        return KvBlock.of(keys[layer].rows(from, length), values[layer].rows(from, length));
    }

    @Override
    public void forward(int layer, Tensor q, KvBlock own, Tensor out, Tensor max, Tensor sum) {
        kernels.fill(out, 0);
        kernels.fill(max, Float.NEGATIVE_INFINITY);
        kernels.fill(sum, 0);
        kernels.attention(
                q,
                positions.rows(from, length),
                segments.rows(from, length),
                keys[layer].rows(0, length),
                values[layer].rows(0, length),
                positions.rows(0, length),
                segments.rows(0, length),
                scale,
                out,
                max,
                sum);
    }

    @Override
    public void awaitFree() {
        // Nobody else reads the cache.
    }

    @Override
    public void close() {
        cache.close();
    }
}
