package org.ringworld.checkpoints.gguf;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.StridedTensor;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.files.AtomicFiles;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;
import org.ringworld.runtime.DType;

/**
 * Writes a model as llama.cpp's architecture {@code llama}, under the names that its own converter
 * gives: rows of q and k with the two elements of a rotary pair side by side, vectors in F32.
 */
public final class LlamaGguf {
    private static final String ROPE_FREQS = "rope_freqs.weight";

    /** What ours of a layer are called. */
    private static final Map<String, String> OF_LAYER = new LinkedHashMap<>();

    static {
        OF_LAYER.put("input_layernorm", "attn_norm");
        OF_LAYER.put("self_attn.q_proj", "attn_q");
        OF_LAYER.put("self_attn.k_proj", "attn_k");
        OF_LAYER.put("self_attn.v_proj", "attn_v");
        OF_LAYER.put("self_attn.o_proj", "attn_output");
        OF_LAYER.put("post_attention_layernorm", "ffn_norm");
        OF_LAYER.put("mlp.gate_proj", "ffn_gate");
        OF_LAYER.put("mlp.up_proj", "ffn_up");
        OF_LAYER.put("mlp.down_proj", "ffn_down");
    }

    private final ModelFiles model;
    private final LlamaConfig config;
    private final Map<String, String> names = new LinkedHashMap<>();

    private LlamaGguf(ModelFiles model) {
        this.model = model;
        this.config = model.config();
        names.put(LlamaTensors.EMBED_TOKENS, "token_embd.weight");
        names.put(LlamaTensors.NORM, "output_norm.weight");
        // A file without an output matrix has it tied.
        names.put(LlamaTensors.LM_HEAD, "output.weight");
        for (int i = 0; i < config.numLayers(); i++) {
            for (Map.Entry<String, String> part : OF_LAYER.entrySet()) {
                String name = "blk." + i + "." + part.getValue() + ".weight";
                names.put(LlamaTensors.layer(i, part.getKey()), name);
            }
        }
    }

    /**
     * Writes a model, one tensor in memory at a time.
     *
     * @param type of the matrices
     * @param vocabulary the keys of the tokenizer
     * @param written told the bytes that were written, some at a time
     * @throws CheckpointException naming all that the format cannot say, or where something cannot
     *     be written
     */
    public static void write(
            Path file,
            ModelFiles model,
            GgufType type,
            GgufMetadata vocabulary,
            LongConsumer written)
            throws CheckpointException {
        refuseWhatCannotBeSaid(model);
        try {
            Files.createDirectories(file.toAbsolutePath().getParent());
            AtomicFiles.deleteLeftovers(file);
        } catch (IOException e) {
            throw SafeTensorsWriter.cannotWrite(file, e);
        }
        LlamaGguf gguf = new LlamaGguf(model);
        String name = file.getFileName().toString().replaceFirst("\\.gguf$", "");
        gguf.write(file, type, gguf.metadata(name, type).with(vocabulary), written);
    }

    /** Bytes of all tensors of a file. */
    public static long bytes(LlamaConfig config, GgufType type) {
        return LlamaTensors.of(config).stream()
                .mapToLong(spec -> type.of(spec.shape()).bytes(spec.count()))
                .sum();
    }

    private static void refuseWhatCannotBeSaid(ModelFiles model) throws CheckpointException {
        LlamaConfig c = model.config();
        List<String> faults = new ArrayList<>();
        if (c.visionVocabSize() > 0) {
            faults.add("LWM's vision tables of %d codes".formatted(c.visionVocabSize()));
        }
        if (c.ropeScaling() instanceof RopeScaling.Yarn yarn) {
            // llama.cpp reads neither from a file of this architecture.
            if (yarn.betaFast() != 32 || yarn.betaSlow() != 1) {
                faults.add(
                        "YaRN with beta_fast %s and beta_slow %s, where llama.cpp has 32 and 1"
                                .formatted(yarn.betaFast(), yarn.betaSlow()));
            }
            if (!yarn.truncate()) {
                faults.add("YaRN without truncate");
            }
        }
        if (!faults.isEmpty()) {
            throw new CheckpointException(
                    "%s: GGUF for llama.cpp cannot say: %s"
                            .formatted(model.directory(), String.join("; ", faults)));
        }
    }

    private GgufMetadata metadata(String name, GgufType type) {
        GgufMetadata out = new GgufMetadata();
        out.putText("general.architecture", "llama");
        out.putText("general.name", name);
        out.putCount("general.file_type", type.fileType());
        if (type == GgufType.Q8_0) {
            out.putCount("general.quantization_version", 2);
        }
        out.putCount("llama.vocab_size", config.vocabSize());
        out.putCount("llama.context_length", config.maxPositionEmbeddings());
        out.putCount("llama.embedding_length", config.hiddenSize());
        out.putCount("llama.block_count", config.numLayers());
        out.putCount("llama.feed_forward_length", config.intermediateSize());
        out.putCount("llama.attention.head_count", config.numHeads());
        out.putCount("llama.attention.head_count_kv", config.numKvHeads());
        out.putCount("llama.attention.key_length", config.headDim());
        out.putCount("llama.attention.value_length", config.headDim());
        out.putNumber("llama.attention.layer_norm_rms_epsilon", config.rmsNormEps());
        out.putCount("llama.rope.dimension_count", config.headDim());
        out.putNumber("llama.rope.freq_base", config.ropeTheta());
        putScaling(out);
        return out;
    }

    private void putScaling(GgufMetadata out) {
        String key = "llama.rope.scaling.";
        switch (config.ropeScaling()) {
            // Llama 3's divisors are a tensor.
            case RopeScaling.None _, RopeScaling.Llama3 _ -> out.putText(key + "type", "none");
            case RopeScaling.Linear(double factor) -> {
                out.putText(key + "type", "linear");
                out.putNumber(key + "factor", factor);
            }
            case RopeScaling.Yarn yarn -> {
                out.putText(key + "type", "yarn");
                out.putNumber(key + "factor", yarn.factor());
                int original = yarn.originalMaxPositionEmbeddings();
                out.putCount(key + "original_context_length", original);
                // llama.cpp scales by the paper's own besides.
                double paper = Math.max(1, 1 + 0.1 * Math.log(yarn.factor()));
                out.putNumber(key + "attn_factor", yarn.attentionFactor() / paper);
            }
        }
    }

    private void write(Path file, GgufType type, GgufMetadata metadata, LongConsumer written)
            throws CheckpointException {
        List<TensorSpec> specs = LlamaTensors.of(config);
        List<TensorSpec> tensors = new ArrayList<>();
        specs.forEach(spec -> tensors.add(new TensorSpec(names.get(spec.name()), spec.shape())));
        float[] divisors = ropeDivisors();
        if (divisors.length > 0) {
            tensors.add(new TensorSpec(ROPE_FREQS, new long[] {divisors.length}));
        }
        try (GgufWriter out = GgufWriter.create(file, type, metadata, tensors, written)) {
            for (TensorSpec spec : specs) {
                try (Arena arena = Arena.ofConfined()) {
                    out.write(names.get(spec.name()), read(spec, arena));
                }
            }
            if (divisors.length > 0) {
                out.write(ROPE_FREQS, MemorySegment.ofArray(divisors));
            }
            out.finish();
        }
    }

    /** A tensor in F32, in GGUF's order of rows. */
    private MemorySegment read(TensorSpec spec, Arena arena) throws CheckpointException {
        long bytes = spec.count() * Float.BYTES;
        MemorySegment ours = arena.allocate(bytes, Float.BYTES);
        model.read(spec, DType.F32, ours);
        String name = spec.name();
        if (!name.endsWith("self_attn.q_proj.weight")
                && !name.endsWith("self_attn.k_proj.weight")) {
            return ours;
        }
        // Ours has the pair of row i in row i + headDim/2 of a head, GGUF's is the next row.
        long half = config.headDim() / 2;
        long in = spec.shape()[1];
        long[] headsPairsHalvesIn = {spec.shape()[0] / config.headDim(), half, 2, in};
        long[] strides = {config.headDim() * in, in, half * in, 1};
        MemorySegment theirs = arena.allocate(bytes, Float.BYTES);
        new StridedTensor(SourceType.F32, List.of(ours), 0, headsPairsHalvesIn, strides)
                .read(DType.F32, theirs);
        return theirs;
    }

    /** By what Llama 3.1's scaling divides the frequency of each pair; none for another one's. */
    private float[] ropeDivisors() {
        if (!(config.ropeScaling() instanceof RopeScaling.Llama3 llama3)) {
            return new float[0];
        }
        float[] divisors = new float[config.headDim() / 2];
        for (int i = 0; i < divisors.length; i++) {
            double frequency = Math.pow(config.ropeTheta(), -2.0 * i / config.headDim());
            double turns = llama3.originalMaxPositionEmbeddings() * frequency / (2 * Math.PI);
            double kept =
                    (turns - llama3.lowFreqFactor())
                            / (llama3.highFreqFactor() - llama3.lowFreqFactor());
            kept = Math.clamp(kept, 0, 1);
            divisors[i] = (float) (1 / (kept + (1 - kept) / llama3.factor()));
        }
        return divisors;
    }
}
