package org.ringworld.model.layers;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.Modality;
import org.ringworld.runtime.Tensor;

/** A tensor for each of a model's parameters, by what it is: its weights, or their gradients. */
public final class ModelTensors {
    private final LlamaConfig config;
    private final List<Tensor> all;
    private final List<Layer> layers = new ArrayList<>();
    private final Tensor finalNorm;
    private final Tensor textHead;

    /** The tensors of one layer, as LlamaTensors orders them. */
    public record Layer(
            Tensor inputNorm,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor o,
            Tensor postNorm,
            Tensor gate,
            Tensor up,
            Tensor down) {}

    /**
     * @param all as LlamaTensors orders them
     */
    ModelTensors(LlamaConfig config, List<Tensor> all) {
        this(config, all, null);
    }

    /**
     * @param tiedHead the text head of a model whose embeddings are tied, where it is to be read
     *     from elsewhere than the embedding; else null
     */
    ModelTensors(LlamaConfig config, List<Tensor> all, Tensor tiedHead) {
        this.config = config;
        this.all = all;
        int at = config.visionVocabSize() > 0 ? 2 : 1;
        for (int layer = 0; layer < config.numLayers(); layer++) {
            layers.add(
                    new Layer(
                            all.get(at++),
                            all.get(at++),
                            all.get(at++),
                            all.get(at++),
                            all.get(at++),
                            all.get(at++),
                            all.get(at++),
                            all.get(at++),
                            all.get(at++)));
        }
        this.finalNorm = all.get(at);
        Tensor tied = tiedHead == null ? all.getFirst() : tiedHead;
        this.textHead = config.tieEmbeddings() ? tied : all.get(at + 1);
    }

    public Layer layer(int layer) {
        return layers.get(layer);
    }

    /**
     * [V,E].
     *
     * @throws IllegalArgumentException where the model has no such table
     */
    public Tensor embedding(Modality modality) {
        requireTables(modality);
        return all.get(modality == Modality.TEXT ? 0 : 1);
    }

    /** [E]. */
    public Tensor finalNorm() {
        return finalNorm;
    }

    /**
     * [V,E]: for text the embedding itself where they are tied.
     *
     * @throws IllegalArgumentException where the model has no such table
     */
    public Tensor head(Modality modality) {
        requireTables(modality);
        return modality == Modality.VISION ? all.getLast() : textHead;
    }

    private void requireTables(Modality modality) {
        if (modality.vocabSize(config) == 0) {
            throw new IllegalArgumentException(
                    "there are vision codes in the data, but the model has no vision tables:"
                            + " its visionVocabSize is 0");
        }
    }
}
