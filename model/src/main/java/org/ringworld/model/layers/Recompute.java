package org.ringworld.model.layers;

import java.util.Locale;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.runtime.DType;

/**
 * What backward finds kept and what it computes again. Layer inputs, attention's output and its
 * softmax's maximum and sum are always kept, so that no hop of the ring is taken twice for them.
 */
public enum Recompute {
    /** q, k, v, the residual after attention, gate and up are computed again. */
    ALL,
    /** They are kept. */
    NONE;

    /**
     * The choice of a job: {@code all}, {@code none}, or {@code auto}: keep everything if that
     * takes no more than half of the memory, the rest being for what is computed meanwhile.
     *
     * @param tokens local tokens of a micro-batch
     * @param memory bytes of the device that the parameters leave
     */
    public static Recompute of(
            String name, LlamaConfig config, DType dtype, long tokens, long memory) {
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "all" -> ALL;
            case "none" -> NONE;
            case "auto" -> bytesKept(NONE, config, dtype, tokens) <= memory / 2 ? NONE : ALL;
            default ->
                    throw new IllegalArgumentException(
                            "recompute = " + name + " is not one of auto, all, none");
        };
    }

    /** Bytes kept for backward by all layers for {@code tokens} local tokens. */
    public static long bytesKept(
            Recompute recompute, LlamaConfig config, DType dtype, long tokens) {
        long attention = (long) config.numHeads() * config.headDim();
        long keyValues = 2L * config.numKvHeads() * config.headDim();
        long always = config.hiddenSize() + attention;
        long more = config.hiddenSize() + attention + keyValues + 2L * config.intermediateSize();
        long values = recompute == ALL ? always : always + more;
        return config.numLayers()
                * tokens
                * (values * dtype.bytes() + 2L * config.numHeads() * Float.BYTES);
    }
}
