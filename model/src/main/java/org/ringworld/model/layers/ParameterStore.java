package org.ringworld.model.layers;

import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.Modality;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Tensor;

/**
 * Where a model's weights come from while it computes on one device: a layer at a time, so that
 * they may lie there whole ({@link WholeParameters}), in a file ({@link MappedParameters}) or on
 * other ranks, and the model does not know.
 *
 * <p>Tables (embeddings, the last norm, heads) are there as long as the store; a layer's weights
 * from {@link #acquire} to {@link #release}, each pair on the device's own thread.
 */
public interface ParameterStore extends AutoCloseable {
    LlamaConfig config();

    /** That the model computes in; matrices may be kept in another, I8 too. */
    DType dtype();

    /** The weights of a layer; nobody writes them until they are released. */
    ModelTensors.Layer acquire(int layer);

    /**
     * Nothing more is queued that reads a layer's weights: once the device has done what was queued
     * before, their memory may hold another's.
     */
    void release(int layer);

    /** Embeddings, the last norm and heads; of layers there is {@link #acquire} alone. */
    ModelTensors tables();

    /** {@link ModelTensors#embedding}. */
    default Tensor embedding(Modality modality) {
        return tables().embedding(modality);
    }

    /** {@link ModelTensors#finalNorm}. */
    default Tensor finalNorm() {
        return tables().finalNorm();
    }

    /** {@link ModelTensors#head}. */
    default Tensor head(Modality modality) {
        return tables().head(modality);
    }

    /** The modalities that the model has tables for. */
    default List<Modality> modalities() {
        return Modality.of(config());
    }

    /** Gives all memory back to the device; nobody may read it any more. */
    @Override
    void close();
}
