package org.ringworld.model.layers;

import org.ringworld.model.attention.BlockTensors;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.attention.ModalityOrder;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/** Where a token enters: a row of its modality's table. */
final class TokenEmbedding {
    private TokenEmbedding() {}

    /** x [S,E] = the rows of the block's ids. */
    static void forward(
            Kernels kernels,
            ParameterStore parameters,
            BlockTensors block,
            Tensor x,
            Workspace scratch) {
        Workspace.Mark mark = scratch.mark();
        ModalityOrder order = block.idOrder();
        Tensor sorted = order.room(x, scratch);
        for (Modality modality : Modality.values()) {
            if (order.count(modality) > 0) {
                kernels.embedding(
                        order.run(modality, block.ids()),
                        parameters.embedding(modality),
                        order.run(modality, sorted));
            }
        }
        order.restore(kernels, sorted, x);
        scratch.release(mark);
    }

    /** Adds dx [S,E] to the gradients of the tables. */
    static void backward(
            Kernels kernels,
            Gradients gradients,
            BlockTensors block,
            Tensor dx,
            Workspace scratch) {
        Workspace.Mark mark = scratch.mark();
        ModalityOrder order = block.idOrder();
        Tensor sorted = order.sort(kernels, dx, scratch);
        for (Modality modality : Modality.values()) {
            if (order.count(modality) > 0) {
                kernels.embeddingBackward(
                        order.run(modality, block.ids()),
                        order.run(modality, sorted),
                        gradients.embedding(modality));
            }
        }
        scratch.release(mark);
    }
}
