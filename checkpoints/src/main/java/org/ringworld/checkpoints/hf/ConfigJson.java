package org.ringworld.checkpoints.hf;

import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Json;
import org.ringworld.runtime.DType;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Hugging Face's {@code config.json} of a LLaMA model, read and written. */
final class ConfigJson {
    private final Path file;
    private final JsonNode root;

    private ConfigJson(Path file, JsonNode root) {
        this.file = file;
        this.root = root;
    }

    static LlamaConfig read(Path file) throws CheckpointException {
        ConfigJson json = new ConfigJson(file, Json.readObject(file));
        try {
            json.refuseOtherModels();
            return json.config();
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(file + ": " + e.getMessage(), e);
        }
    }

    private void refuseOtherModels() throws CheckpointException {
        JsonNode architectures = root.path("architectures");
        for (JsonNode architecture : architectures) {
            if (!architecture.asString("").equals("LlamaForCausalLM")) {
                throw fault("architecture " + architecture + " is not LlamaForCausalLM");
            }
        }
        refuseUnless("model_type", "llama");
        refuseUnless("hidden_act", "silu", "swish");
        for (String bias : new String[] {"attention_bias", "mlp_bias"}) {
            JsonNode value = root.path(bias);
            if (given(value) && !(value.isBoolean() && !value.booleanValue())) {
                throw fault(bias + " = " + value + ": projections with a bias are not supported");
            }
        }
        if (given(root.path("quantization_config"))) {
            throw fault("quantization_config: quantized weights are not read; convert them first");
        }
        if (given(root.path("partial_rotary_factor")) && number("partial_rotary_factor", 1) != 1) {
            throw fault("partial_rotary_factor other than 1 is not supported");
        }
    }

    private void refuseUnless(String key, String... taken) throws CheckpointException {
        JsonNode value = root.path(key);
        if (given(value) && !List.of(taken).contains(value.asString(""))) {
            throw fault("%s = %s is not supported, only %s is".formatted(key, value, taken[0]));
        }
    }

    private LlamaConfig config() throws CheckpointException {
        int hidden = integer("hidden_size");
        int heads = integer("num_attention_heads");
        if (!given(root.path("head_dim")) && (heads < 1 || hidden % heads != 0)) {
            throw fault(
                    "hidden_size = %d is no multiple of num_attention_heads = %d and there is no head_dim"
                            .formatted(hidden, heads));
        }
        JsonNode rope = root.path("rope_parameters");
        boolean newForm = given(rope);
        if (newForm && !rope.isObject()) {
            throw fault("rope_parameters = " + rope + " is not an object");
        }
        JsonNode theta = newForm && given(rope.path("rope_theta")) ? rope : root;
        return new LlamaConfig(
                integer("vocab_size"),
                hidden,
                integer("intermediate_size"),
                integer("num_hidden_layers"),
                heads,
                integer("num_key_value_heads", heads),
                given(root.path("head_dim")) ? integer("head_dim") : hidden / heads,
                number("rms_norm_eps", 1e-6),
                number(theta, "rope_theta", 1e4),
                newForm
                        ? scaling(rope, "rope_parameters")
                        : scaling(root.path("rope_scaling"), "rope_scaling"),
                truth(root, "tie_word_embeddings", false),
                integer("max_position_embeddings", 2048),
                integer("vision_vocab_size", 0));
    }

    /** Of {@code rope_type} and the older {@code type} the first counts, as in Transformers. */
    private RopeScaling scaling(JsonNode rope, String key) throws CheckpointException {
        if (!given(rope) || rope.isEmpty() && rope.isObject()) {
            return new RopeScaling.None();
        }
        JsonNode type = given(rope.path("rope_type")) ? rope.path("rope_type") : rope.path("type");
        if (!type.isString() && !(key.equals("rope_parameters") && !given(type))) {
            throw fault(key + " = " + rope + " names no rope_type");
        }
        if (given(rope.path("partial_rotary_factor"))
                && number(rope, "partial_rotary_factor", 1) != 1) {
            throw fault("partial_rotary_factor other than 1 is not supported");
        }
        return switch (type.asString("default")) {
            case "default" -> new RopeScaling.None();
            case "linear" -> new RopeScaling.Linear(number(rope, "factor", Double.NaN));
            case "llama3" ->
                    new RopeScaling.Llama3(
                            number(rope, "factor", Double.NaN),
                            number(rope, "low_freq_factor", Double.NaN),
                            number(rope, "high_freq_factor", Double.NaN),
                            integer(rope, "original_max_position_embeddings"));
            case "yarn" -> yarn(rope);
            default ->
                    throw fault(
                            "rope type %s is not supported, only default, linear, llama3 and yarn are"
                                    .formatted(type));
        };
    }

    /** As Transformers: what is not given follows from the contexts or is the paper's. */
    private RopeScaling yarn(JsonNode rope) throws CheckpointException {
        int context = integer("max_position_embeddings", 2048);
        int original =
                given(rope.path("original_max_position_embeddings"))
                        ? integer(rope, "original_max_position_embeddings")
                        : context;
        double factor = number(rope, "factor", (double) context / original);
        double mscale = number(rope, "mscale", 0);
        double mscaleAll = number(rope, "mscale_all_dim", 0);
        double attention =
                mscale != 0 && mscaleAll != 0
                        ? RopeScaling.Yarn.magnitude(factor, mscale)
                                / RopeScaling.Yarn.magnitude(factor, mscaleAll)
                        : RopeScaling.Yarn.magnitude(factor, 1);
        return new RopeScaling.Yarn(
                factor,
                original,
                number(rope, "beta_fast", 32),
                number(rope, "beta_slow", 1),
                number(rope, "attention_factor", attention),
                truth(rope, "truncate", true));
    }

    private static boolean given(JsonNode node) {
        return !node.isMissingNode() && !node.isNull();
    }

    private int integer(String key) throws CheckpointException {
        return integer(root, key);
    }

    private int integer(String key, int otherwise) throws CheckpointException {
        return given(root.path(key)) ? integer(root, key) : otherwise;
    }

    private int integer(JsonNode node, String key) throws CheckpointException {
        JsonNode value = node.path(key);
        if (!given(value)) {
            throw fault(key + " is missing");
        }
        if (!value.isIntegralNumber() || !value.canConvertToInt()) {
            throw fault(key + " = " + Json.shortened(value) + " is not an integer of 32 bits");
        }
        return value.intValue();
    }

    private double number(String key, double otherwise) throws CheckpointException {
        return number(root, key, otherwise);
    }

    private double number(JsonNode node, String key, double otherwise) throws CheckpointException {
        JsonNode value = node.path(key);
        if (!given(value)) {
            if (Double.isNaN(otherwise)) {
                throw fault(key + " is missing");
            }
            return otherwise;
        }
        if (!value.isNumber()) {
            throw fault(key + " = " + Json.shortened(value) + " is not a number");
        }
        return Double.parseDouble(value.toString());
    }

    private boolean truth(JsonNode node, String key, boolean otherwise) throws CheckpointException {
        JsonNode value = node.path(key);
        if (given(value) && !value.isBoolean()) {
            throw fault(key + " = " + Json.shortened(value) + " is neither true nor false");
        }
        return given(value) ? value.booleanValue() : otherwise;
    }

    private CheckpointException fault(String message) {
        return new CheckpointException(file + ": " + message);
    }

    static String write(LlamaConfig c, DType dtype) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.putArray("architectures").add("LlamaForCausalLM");
        json.put("model_type", "llama");
        json.put("hidden_act", "silu");
        json.put("attention_bias", false);
        json.put("mlp_bias", false);
        json.put("vocab_size", c.vocabSize());
        json.put("hidden_size", c.hiddenSize());
        json.put("intermediate_size", c.intermediateSize());
        json.put("num_hidden_layers", c.numLayers());
        json.put("num_attention_heads", c.numHeads());
        json.put("num_key_value_heads", c.numKvHeads());
        json.put("head_dim", c.headDim());
        json.put("max_position_embeddings", c.maxPositionEmbeddings());
        json.put("rms_norm_eps", c.rmsNormEps());
        json.put("rope_theta", c.ropeTheta());
        json.set("rope_scaling", scalingJson(c.ropeScaling()));
        json.put("tie_word_embeddings", c.tieEmbeddings());
        if (c.visionVocabSize() > 0) {
            json.put("vision_vocab_size", c.visionVocabSize());
        }
        // HF's defaults are 1 and 2; which ids they really are, the tokenizer's files say.
        json.putNull("bos_token_id");
        json.putNull("eos_token_id");
        json.put(
                "torch_dtype",
                switch (dtype) {
                    case F32 -> "float32";
                    case BF16 -> "bfloat16";
                    case I32, I8 ->
                            throw new IllegalArgumentException("weights cannot be " + dtype);
                });
        return Json.pretty(json);
    }

    private static JsonNode scalingJson(RopeScaling scaling) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        return switch (scaling) {
            case RopeScaling.None none -> JsonNodeFactory.instance.nullNode();
            case RopeScaling.Linear(double factor) ->
                    json.put("rope_type", "linear").put("factor", factor);
            case RopeScaling.Llama3(double factor, double low, double high, int original) ->
                    json.put("rope_type", "llama3")
                            .put("factor", factor)
                            .put("low_freq_factor", low)
                            .put("high_freq_factor", high)
                            .put("original_max_position_embeddings", original);
            case RopeScaling.Yarn yarn ->
                    json.put("rope_type", "yarn")
                            .put("factor", yarn.factor())
                            .put(
                                    "original_max_position_embeddings",
                                    yarn.originalMaxPositionEmbeddings())
                            .put("beta_fast", yarn.betaFast())
                            .put("beta_slow", yarn.betaSlow())
                            .put("attention_factor", yarn.attentionFactor())
                            .put("truncate", yarn.truncate());
        };
    }
}
