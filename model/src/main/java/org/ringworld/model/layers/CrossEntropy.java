package org.ringworld.model.layers;

import org.ringworld.model.attention.BlockTensors;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.attention.ModalityOrder;
import org.ringworld.model.layers.Transformer.LogitSink;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * The heads: logits and softmax cross-entropy, a block of tokens at a time. The gradient is formed
 * in the same pass, so logits exist once and never for the whole sequence (LWM, §3.1). A target is
 * scored by its own modality's head and by no other; tokens without one go the way of text.
 */
final class CrossEntropy {
    private CrossEntropy() {}

    /** Results on the device, in the order of the targets: ce, F32 [S], and hits, I32 [S]. */
    record PerToken(Tensor ce, Tensor hits) {}

    /** The tokens of one modality; dx is null when no gradient is wanted. */
    private record Run(
            Modality modality,
            Tensor x,
            Tensor targets,
            Tensor weights,
            Tensor ce,
            Tensor hits,
            Tensor dx) {}

    /**
     * @param x values [S,E] after the final norm
     * @param gradScale what each weighted gradient is multiplied by: 1 / Σ w of the whole step
     * @param gradients null when no gradient is wanted
     * @param add whether the heads' gradients are added to, else written
     * @param dx values [S,E], written, or null when no gradient is wanted
     * @param logits is given the logits of all tokens, or null
     */
    static PerToken lossAndGradient(
            Device device,
            ParameterStore parameters,
            BlockTensors block,
            Tensor x,
            float gradScale,
            Gradients gradients,
            boolean add,
            Tensor dx,
            LogitSink logits,
            Workspace kept,
            Workspace scratch) {
        Kernels kernels = device.kernels();
        Tensor ce = kept.take(DType.F32, x.dim(0));
        Tensor hits = kept.take(DType.I32, x.dim(0));
        boolean bothHeads = logits != null && block.tellsVision();
        if (bothHeads) {
            everyLogit(device, parameters, x, logits, scratch);
        }
        Workspace.Mark mark = scratch.mark();
        ModalityOrder order = block.targetOrder();
        Tensor sorted = order.sort(kernels, x, scratch);
        Tensor dSorted = dx == null ? null : order.room(dx, scratch);
        for (Modality modality : Modality.values()) {
            if (order.count(modality) > 0) {
                Run run =
                        new Run(
                                modality,
                                order.run(modality, sorted),
                                order.run(modality, block.targets()),
                                order.run(modality, block.weights()),
                                order.run(modality, ce),
                                order.run(modality, hits),
                                dx == null ? null : order.run(modality, dSorted));
                LogitSink onTheWay = bothHeads ? null : logits;
                score(device, parameters, run, gradScale, gradients, add, onTheWay, scratch);
            }
        }
        if (dx != null) {
            order.restore(kernels, dSorted, dx);
        }
        scratch.release(mark);
        return new PerToken(ce, hits);
    }

    private static void score(
            Device device,
            ParameterStore parameters,
            Run run,
            float gradScale,
            Gradients gradients,
            boolean add,
            LogitSink logits,
            Workspace scratch) {
        Kernels kernels = device.kernels();
        Tensor head = parameters.head(run.modality);
        long vocab = head.dim(0);
        int rows = device.blocks().tokensOfLogits(vocab);
        for (long from = 0; from < run.x.dim(0); from += rows) {
            long to = Math.min(run.x.dim(0), from + rows);
            Workspace.Mark mark = scratch.mark();
            Tensor x = run.x.rows(from, to);
            Tensor z = scratch.take(DType.F32, to - from, vocab);
            kernels.matmul(Product.NT, x, head, z, false);
            if (logits != null) {
                logits.take(run.modality, z, from);
            }
            Tensor dz = null;
            if (run.dx != null) {
                dz = x.dtype() == DType.F32 ? z : scratch.take(x.dtype(), to - from, vocab);
            }
            kernels.crossEntropy(
                    z,
                    run.targets.rows(from, to),
                    run.weights.rows(from, to),
                    gradScale,
                    run.ce.rows(from, to),
                    run.hits.rows(from, to),
                    dz);
            if (run.dx != null) {
                kernels.matmul(Product.NN, dz, head, run.dx.rows(from, to), false);
                boolean more = add || from > 0;
                Tensor dHead = gradients.head(run.modality);
                kernels.matmul(Product.TN, dz, x, dHead, more);
            }
            scratch.release(mark);
        }
    }

    /** Both heads on every token, for people who compare: training never takes this way. */
    private static void everyLogit(
            Device device,
            ParameterStore parameters,
            Tensor x,
            LogitSink logits,
            Workspace scratch) {
        Kernels kernels = device.kernels();
        for (Modality modality : parameters.modalities()) {
            Tensor head = parameters.head(modality);
            int rows = device.blocks().tokensOfLogits(head.dim(0));
            for (long from = 0; from < x.dim(0); from += rows) {
                long to = Math.min(x.dim(0), from + rows);
                Workspace.Mark mark = scratch.mark();
                Tensor z = scratch.take(DType.F32, to - from, head.dim(0));
                kernels.matmul(Product.NT, x.rows(from, to), head, z, false);
                logits.take(modality, z, from);
                scratch.release(mark);
            }
        }
    }
}
