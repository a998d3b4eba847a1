package org.ringworld.checkpoints.lwm;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.StridedTensor;
import org.ringworld.checkpoints.hf.LlamaTensors;

/** What LWM's JAX code calls the weights of {@link LlamaTensors}, and how it lays them out. */
enum LwmNames {
    EMBEDDING(LlamaTensors.EMBED_TOKENS, "transformer/wte/embedding", Layout.SAME),
    VISION_EMBEDDING(LlamaTensors.VISION_EMBED_TOKENS, "transformer/vte/embedding", Layout.SAME),
    INPUT_NORM("input_layernorm", "attention_norm/kernel", Layout.SAME),
    QUERY("self_attn.q_proj", "attention/wq/kernel", Layout.ROTARY),
    KEY("self_attn.k_proj", "attention/wk/kernel", Layout.ROTARY),
    VALUE("self_attn.v_proj", "attention/wv/kernel", Layout.TRANSPOSED),
    OUTPUT("self_attn.o_proj", "attention/wo/kernel", Layout.TRANSPOSED),
    POST_NORM("post_attention_layernorm", "ffn_norm/kernel", Layout.SAME),
    GATE("mlp.gate_proj", "feed_forward/w1/kernel", Layout.TRANSPOSED),
    UP("mlp.up_proj", "feed_forward/w3/kernel", Layout.TRANSPOSED),
    DOWN("mlp.down_proj", "feed_forward/w2/kernel", Layout.TRANSPOSED),
    NORM(LlamaTensors.NORM, "transformer/ln_f/kernel", Layout.SAME),
    HEAD(LlamaTensors.LM_HEAD, "lm_head/kernel", Layout.TRANSPOSED),
    VISION_HEAD(LlamaTensors.VISION_HEAD, "vision_head/kernel", Layout.TRANSPOSED);

    /** Path of all layers, before a layer's number or {@link #STACKED}. */
    static final String LAYERS = "transformer/h/";

    /** In place of a layer's number: all layers on axis 0. */
    static final String STACKED = "scan_decoder";

    private static final Map<String, LwmNames> BY_PATH =
            Arrays.stream(values()).collect(Collectors.toMap(n -> n.path, n -> n));

    private final String name;
    private final String path;
    private final Layout layout;

    /** Of a matrix. */
    enum Layout {
        /** Ours. */
        SAME,
        /** [in, out]. */
        TRANSPOSED,
        /** [in, out], and the pair of a head's element 2i is 2i + 1, ours is i + headDim/2. */
        ROTARY;

        /** JAX's shape for ours. */
        long[] inJax(long[] shape) {
            return this == SAME ? shape : new long[] {shape[1], shape[0]};
        }

        /** JAX's matrix as a view of ours, which is [out, in] without gaps. */
        StridedTensor toJax(SourceType type, MemorySegment ours, long[] shape, long headDim) {
            long out = shape[0];
            long in = shape[1];
            if (this == TRANSPOSED) {
                return view(type, ours, new long[] {in, out}, new long[] {1, in});
            }
            long[] inHeadsPairsHalves = {in, out / headDim, headDim / 2, 2};
            long[] strides = {1, headDim * in, in, headDim / 2 * in};
            return view(type, ours, inHeadsPairsHalves, strides);
        }

        private static StridedTensor view(
                SourceType type, MemorySegment ours, long[] shape, long[] strides) {
            return new StridedTensor(type, List.of(ours), 0, shape, strides);
        }
    }

    LwmNames(String name, String path, Layout layout) {
        this.name = name;
        this.path = path;
        this.layout = layout;
    }

    /** Of a path as it is below {@link #LAYERS} and the number, or whole; null for another. */
    static LwmNames of(String path) {
        return BY_PATH.get(path);
    }

    boolean isOfLayer() {
        return !path.startsWith("transformer/") && this != HEAD && this != VISION_HEAD;
    }

    /** Our name; {@code layer} counts for a layer's weight alone. */
    String name(int layer) {
        return isOfLayer() ? LlamaTensors.layer(layer, name) : name;
    }

    /** LWM's path, its parts joined by slashes. */
    String path(String layer) {
        return isOfLayer() ? LAYERS + layer + "/" + path : path;
    }

    Layout layout() {
        return layout;
    }
}
