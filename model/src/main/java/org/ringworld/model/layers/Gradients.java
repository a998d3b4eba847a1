package org.ringworld.model.layers;

import java.util.BitSet;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.BlockTensors;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.ring.AllReduce;
import org.ringworld.model.ring.Ring;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;

/**
 * The gradients of a model's parameters on one rank, F32: a step's micro-batches write them and add
 * to them, backward tells of each layer when its are complete, and then they are summed over the
 * ring.
 */
public final class Gradients {
    private final Device device;
    private final LlamaConfig config;
    private final Tensor all;
    private final ModelTensors tensors;
    private final BitSet complete = new BitSet();

    /**
     * @param all one run of memory in which all lie
     * @param tensors the same by what they are
     */
    Gradients(Device device, LlamaConfig config, Tensor all, ModelTensors tensors) {
        this.device = device;
        this.config = config;
        this.all = all;
        this.tensors = tensors;
    }

    /** All as one F32 tensor, with what lies between them 0. */
    public Tensor all() {
        return all;
    }

    ModelTensors.Layer layer(int layer) {
        return tensors.layer(layer);
    }

    Tensor embedding(Modality modality) {
        return tensors.embedding(modality);
    }

    Tensor finalNorm() {
        return tensors.finalNorm();
    }

    Tensor head(Modality modality) {
        return tensors.head(modality);
    }

    /**
     * Begins a step: those that are sums of rows, norms and embeddings, begin at 0; products
     * overwrite the others, unless there is no token to multiply.
     *
     * @param first the step's first micro-batch
     */
    void begin(BlockTensors first) {
        complete.clear();
        Kernels kernels = device.kernels();
        if (first.length() == 0) {
            kernels.fill(all, 0);
            return;
        }
        for (int layer = 0; layer < config.numLayers(); layer++) {
            kernels.fill(layer(layer).inputNorm(), 0);
            kernels.fill(layer(layer).postNorm(), 0);
        }
        kernels.fill(finalNorm(), 0);
        for (Modality modality : Modality.of(config)) {
            boolean tied = modality == Modality.TEXT && config.tieEmbeddings();
            if (!tied) {
                kernels.fill(embedding(modality), 0);
            }
            if (first.targetOrder().count(modality) == 0) {
                kernels.fill(head(modality), 0);
            }
        }
    }

    /** Nothing more is added to a layer's in this step: whoever shards them may pass them on. */
    void complete(int layer) {
        complete.set(layer);
    }

    /**
     * Replaces them by the sum of all ranks'.
     *
     * @param step names the frames
     * @throws IllegalStateException before all layers are complete
     */
    public void sum(Ring ring, long step) {
        if (complete.cardinality() < config.numLayers()) {
            throw new IllegalStateException(
                    "step %d: the gradients of layer %d are summed before they are complete"
                            .formatted(step, complete.nextClearBit(0)));
        }
        AllReduce.sum(ring, device, all, step);
    }
}
