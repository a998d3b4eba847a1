package org.ringworld.checkpoints.hf;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.checkpoints.TensorSpec;

/**
 * The weights of a LLaMA model by Hugging Face's names, in one fixed order: embedding, layers from
 * first to last, final norm, output projection. Projections are [out, in], rows of q and k in HF's
 * rotary order (the pair of element i is i + headDim/2). LWM's vision tables have names of ours.
 */
public final class LlamaTensors {
    public static final String EMBED_TOKENS = "model.embed_tokens.weight";
    public static final String NORM = "model.norm.weight";
    public static final String LM_HEAD = "lm_head.weight";
    public static final String VISION_EMBED_TOKENS = "model.vision_embed_tokens.weight";
    public static final String VISION_HEAD = "vision_head.weight";

    private LlamaTensors() {}

    /** Parameters of a model. */
    public static long count(LlamaConfig config) {
        return of(config).stream().mapToLong(TensorSpec::count).sum();
    }

    /** All weights; no {@code lm_head.weight} where the embeddings are tied. */
    public static List<TensorSpec> of(LlamaConfig c) {
        long e = c.hiddenSize();
        long f = c.intermediateSize();
        long q = (long) c.numHeads() * c.headDim();
        long kv = (long) c.numKvHeads() * c.headDim();
        List<TensorSpec> specs = new ArrayList<>();
        specs.add(spec(EMBED_TOKENS, c.vocabSize(), e));
        if (c.visionVocabSize() > 0) {
            specs.add(spec(VISION_EMBED_TOKENS, c.visionVocabSize(), e));
        }
        for (int i = 0; i < c.numLayers(); i++) {
            specs.add(spec(layer(i, "input_layernorm"), e));
            specs.add(spec(layer(i, "self_attn.q_proj"), q, e));
            specs.add(spec(layer(i, "self_attn.k_proj"), kv, e));
            specs.add(spec(layer(i, "self_attn.v_proj"), kv, e));
            specs.add(spec(layer(i, "self_attn.o_proj"), e, q));
            specs.add(spec(layer(i, "post_attention_layernorm"), e));
            specs.add(spec(layer(i, "mlp.gate_proj"), f, e));
            specs.add(spec(layer(i, "mlp.up_proj"), f, e));
            specs.add(spec(layer(i, "mlp.down_proj"), e, f));
        }
        specs.add(spec(NORM, e));
        if (!c.tieEmbeddings()) {
            specs.add(spec(LM_HEAD, c.vocabSize(), e));
        }
        if (c.visionVocabSize() > 0) {
            specs.add(spec(VISION_HEAD, c.visionVocabSize(), e));
        }
        return List.copyOf(specs);
    }

    /** Whether a weight is one of LWM's two vision tables. */
    public static boolean isVision(String name) {
        return name.equals(VISION_EMBED_TOKENS) || name.equals(VISION_HEAD);
    }

    /** Whether a weight has a row for each of text's tokens. */
    public static boolean isOfVocabulary(String name) {
        return name.equals(EMBED_TOKENS) || name.equals(LM_HEAD);
    }

    /** Whether a weight is a table that ids choose rows of, as text's and vision's tokens do. */
    public static boolean isEmbedding(String name) {
        return name.equals(EMBED_TOKENS) || name.equals(VISION_EMBED_TOKENS);
    }

    /** The name of one weight of a layer: {@code model.layers.<i>.<part>.weight}. */
    public static String layer(int i, String part) {
        return "model.layers." + i + "." + part + ".weight";
    }

    private static TensorSpec spec(String name, long... shape) {
        return new TensorSpec(name, shape);
    }
}
