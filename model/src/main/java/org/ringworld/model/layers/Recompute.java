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

    /** What a job asks for. */
    public enum Choice {
        /** NONE if that takes no more than half of the memory; the rest is for computing. */
        AUTO,
        ALL,
        NONE;

        /**
         * What it comes to on a device.
         *
         * @param tokens local tokens of a micro-batch
         * @param memory bytes of the device that the parameters leave
         */
        public Recompute on(LlamaConfig config, DType dtype, long tokens, long memory) {
            return switch (this) {
                case ALL -> Recompute.ALL;
                case NONE -> Recompute.NONE;
                case AUTO ->
                        bytesKept(Recompute.NONE, config, dtype, tokens) <= memory / 2
                                ? Recompute.NONE
                                : Recompute.ALL;
            };
        }

        /** As a job file writes it. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
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
