package org.ringworld.checkpoints.hf;

import java.nio.file.Path;
import java.util.Map;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.WeightFile;

/** The sizes of a model that has no {@code config.json}, from the shapes of its weights. */
public final class SizesOfTensors {
    private final Path model;
    private final Map<String, WeightFile> fileOf;

    private SizesOfTensors(Path model, Map<String, WeightFile> fileOf) {
        this.model = model;
        this.fileOf = fileOf;
    }

    public static LlamaConfig config(
            Path model, Map<String, WeightFile> fileOf, ModelFiles.Constants constants)
            throws CheckpointException {
        if (constants.numHeads() < 1) {
            throw new CheckpointException(
                    model
                            + ": there is no config.json beside the weights: put it there or give"
                            + " model.numHeads (and model.ropeTheta, model.rmsNormEps)");
        }
        SizesOfTensors sizes = new SizesOfTensors(model, fileOf);
        int query = sizes.rows(LlamaTensors.layer(0, "self_attn.q_proj"));
        int key = sizes.rows(LlamaTensors.layer(0, "self_attn.k_proj"));
        int headDim = query / constants.numHeads();
        if (query % constants.numHeads() != 0 || headDim == 0 || key % headDim != 0) {
            throw new CheckpointException(
                    "%s: q_proj with %d rows and k_proj with %d do not fit model.numHeads = %d"
                            .formatted(model, query, key, constants.numHeads()));
        }
        int layers = 0;
        while (fileOf.containsKey(LlamaTensors.layer(layers, "self_attn.q_proj"))) {
            layers++;
        }
        try {
            return new LlamaConfig(
                    sizes.rows(LlamaTensors.EMBED_TOKENS),
                    sizes.rows(LlamaTensors.NORM),
                    sizes.rows(LlamaTensors.layer(0, "mlp.gate_proj")),
                    layers,
                    constants.numHeads(),
                    key / headDim,
                    headDim,
                    constants.rmsNormEps(),
                    constants.ropeTheta(),
                    new RopeScaling.None(),
                    !fileOf.containsKey(LlamaTensors.LM_HEAD),
                    2048,
                    fileOf.containsKey(LlamaTensors.VISION_EMBED_TOKENS)
                            ? sizes.rows(LlamaTensors.VISION_EMBED_TOKENS)
                            : 0);
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(model + ": " + e.getMessage(), e);
        }
    }

    private int rows(String name) throws CheckpointException {
        WeightFile file = fileOf.get(name);
        long[] shape = file == null ? new long[0] : file.tensor(name).shape();
        if (shape.length == 0 || shape[0] != (int) shape[0]) {
            throw new CheckpointException(
                    model + ": the model's sizes do not follow from tensor '" + name + "'");
        }
        return (int) shape[0];
    }
}
