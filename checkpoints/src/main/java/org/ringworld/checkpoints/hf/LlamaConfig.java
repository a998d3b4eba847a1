package org.ringworld.checkpoints.hf;

import java.nio.file.Path;
import java.util.Locale;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.runtime.DType;

/**
 * Sizes and constants of a LLaMA model, as in Hugging Face's {@code config.json}. Projections have
 * no bias and the activation is SiLU; a file that says otherwise is refused.
 *
 * @param intermediateSize width of the feed-forward (SwiGLU)
 * @param numKvHeads a divisor of numHeads; query head h reads KV head h / (numHeads / numKvHeads)
 * @param headDim even; numHeads × headDim need not be hiddenSize
 * @param tieEmbeddings whether the output projection is the input embedding
 * @param visionVocabSize rows of LWM's two vision tables (codes and end marks); 0: it has none
 */
public record LlamaConfig(
        int vocabSize,
        int hiddenSize,
        int intermediateSize,
        int numLayers,
        int numHeads,
        int numKvHeads,
        int headDim,
        double rmsNormEps,
        double ropeTheta,
        RopeScaling ropeScaling,
        boolean tieEmbeddings,
        int maxPositionEmbeddings,
        int visionVocabSize) {

    // Far more layers than any model has; keeps a hostile file from asking for billions of names.
    private static final int MOST_LAYERS = 65_536;

    /**
     * @throws IllegalArgumentException naming the size that cannot be and why
     */
    public LlamaConfig {
        requirePositive("vocabSize", vocabSize);
        requirePositive("hiddenSize", hiddenSize);
        requirePositive("intermediateSize", intermediateSize);
        requirePositive("numLayers", numLayers);
        requirePositive("numHeads", numHeads);
        requirePositive("numKvHeads", numKvHeads);
        requirePositive("headDim", headDim);
        requirePositive("maxPositionEmbeddings", maxPositionEmbeddings);
        require(visionVocabSize >= 0, "visionVocabSize = " + visionVocabSize + " is negative");
        require(numLayers <= MOST_LAYERS, "numLayers = " + numLayers + " is over " + MOST_LAYERS);
        require(
                numHeads % numKvHeads == 0,
                "numHeads = %d is no multiple of numKvHeads = %d".formatted(numHeads, numKvHeads));
        require(headDim % 2 == 0, "headDim = " + headDim + " is odd: rotary pairs need it even");
        require(
                (long) numHeads * headDim <= Integer.MAX_VALUE,
                "numHeads × headDim = %d × %d is too large".formatted(numHeads, headDim));
        require(
                rmsNormEps >= 0 && rmsNormEps < 1,
                "rmsNormEps = " + rmsNormEps + " is not a small number ≥ 0");
        require(
                ropeTheta > 0 && ropeTheta < Double.POSITIVE_INFINITY,
                "ropeTheta = " + ropeTheta + " is not a positive number");
        require(ropeScaling != null, "ropeScaling is missing: RopeScaling.None says there is none");
    }

    private static void requirePositive(String name, int value) {
        require(value > 0, name + " = " + value + " is not a positive number");
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }

    /**
     * One of LWM's standard sizes: debug, 200m, 1b, 3b, 7b, 13b, 30b, 65b.
     *
     * @throws IllegalArgumentException for another name, listing these
     */
    public static LlamaConfig preset(String name) {
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "debug" -> preset(256, 256, 2, 2, 1e-6, 2048);
            case "200m" -> preset(1024, 2048, 14, 8, 1e-6, 2048);
            case "1b" -> preset(2048, 5504, 22, 16, 1e-6, 2048);
            case "3b" -> preset(3200, 8640, 26, 32, 1e-6, 2048);
            case "7b" -> preset(4096, 11008, 32, 32, 1e-6, 4096);
            case "13b" -> preset(5120, 13824, 40, 40, 1e-6, 2048);
            case "30b" -> preset(6656, 17920, 60, 52, 1e-6, 2048);
            case "65b" -> preset(8192, 22016, 80, 64, 1e-5, 2048);
            default ->
                    throw new IllegalArgumentException(
                            "model.preset = "
                                    + name
                                    + " is not one of debug, 200m, 1b, 3b, 7b, 13b, 30b, 65b");
        };
    }

    private static LlamaConfig preset(
            int hidden, int intermediate, int layers, int heads, double eps, int maxPosition) {
        return new LlamaConfig(
                32_000,
                hidden,
                intermediate,
                layers,
                heads,
                heads,
                hidden / heads,
                eps,
                1e4,
                new RopeScaling.None(),
                false,
                maxPosition,
                0);
    }

    /**
     * Reads {@code config.json} as Transformers 4 or 5 writes it.
     *
     * @throws CheckpointException naming the file and the key: missing, of the wrong type, or a
     *     rope type, activation, bias or architecture that is not LLaMA's
     */
    public static LlamaConfig fromJson(Path configJson) throws CheckpointException {
        return ConfigJson.read(configJson);
    }

    /** This config as {@code config.json}, in the form that Transformers 4 and 5 both read. */
    public String toJson(DType dtype) {
        return ConfigJson.write(this, dtype);
    }

    public LlamaConfig withRopeTheta(double theta) {
        return with(vocabSize, theta, maxPositionEmbeddings, visionVocabSize);
    }

    public LlamaConfig withMaxPositionEmbeddings(int positions) {
        return with(vocabSize, ropeTheta, positions, visionVocabSize);
    }

    public LlamaConfig withVocabSize(int size) {
        return with(size, ropeTheta, maxPositionEmbeddings, visionVocabSize);
    }

    public LlamaConfig withVisionVocabSize(int size) {
        return with(vocabSize, ropeTheta, maxPositionEmbeddings, size);
    }

    private LlamaConfig with(int vocab, double theta, int positions, int visionVocab) {
        return new LlamaConfig(
                vocab,
                hiddenSize,
                intermediateSize,
                numLayers,
                numHeads,
                numKvHeads,
                headDim,
                rmsNormEps,
                theta,
                ropeScaling,
                tieEmbeddings,
                positions,
                visionVocab);
    }
}
