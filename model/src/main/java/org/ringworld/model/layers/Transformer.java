package org.ringworld.model.layers;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.BlockTensors;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.attention.RankBatch;
import org.ringworld.model.attention.RingAttention;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Ring;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * The LWM transformer (a LLaMA) on one rank of a ring, forward and backward written out by hand:
 * embed, then layers { RMSNorm → q, k, v → rotary → ring attention → SwiGLU }, norm, head.
 *
 * <p>Letters: S local tokens, E hidden, H heads, G KV heads, D headDim.
 */
public final class Transformer implements AutoCloseable {
    private final Device device;
    private final Kernels kernels;
    private final ParameterStore parameters;
    private final LlamaConfig config;
    private final DType dtype;
    private final float eps;
    private final Workspace kept;
    private final Workspace scratch;
    private final Workspace.Mark nothingKept;
    private final Workspace.Mark nothingHeld;
    private final List<DecoderLayer> layers;

    public Transformer(Device device, ParameterStore parameters) {
        this.device = device;
        this.kernels = device.kernels();
        this.parameters = parameters;
        this.config = parameters.config();
        this.dtype = parameters.dtype();
        this.eps = (float) config.rmsNormEps();
        this.kept = new Workspace(device);
        this.scratch = new Workspace(device);
        this.nothingKept = kept.mark();
        this.nothingHeld = scratch.mark();
        this.layers = DecoderLayer.of(device, parameters, scratch);
    }

    /** Takes the logits of a rank's tokens as they are made. */
    public interface LogitSink {
        /**
         * @param head the text head alone, or both where the batch says what are vision codes
         * @param block F32 [rows,V], undefined afterwards
         * @param from its first row in the rank's block
         */
        void take(Modality head, Tensor block, long from);
    }

    /** What one pass through the layers has in hand. */
    private record Context(
            BlockTensors block, RingAttention attention, RotaryEmbedding.Angles angles) {}

    /**
     * Forward and backward of a micro-batch.
     *
     * @param gradients of the parameters
     * @param add whether to add to them; else they are written, which spares a step clearing and
     *     reading them
     * @param last whether it is the step's last micro-batch, after which they are complete
     * @param config the stage's, whose rotary base may differ from the parameters'
     * @param gradScale 1 / Σ w over the whole global step
     */
    public TokenLosses forwardBackward(
            LlamaConfig config,
            RankBatch batch,
            Ring ring,
            Frame frame,
            float gradScale,
            Recompute recompute,
            Gradients gradients,
            boolean add,
            boolean last,
            LogitSink logits) {
        release();
        Context context = context(config, batch, ring, frame);
        if (!add) {
            gradients.begin(context.block);
        }
        List<DecoderLayer.Activations> activations = new ArrayList<>();
        Tensor x = embed(context);
        for (DecoderLayer layer : layers) {
            activations.add(layer.forward(x, context.angles, context.attention, recompute, kept));
            x = activations.getLast().y();
        }
        Tensor normed = kept.take(dtype, x.dim(0), x.dim(1));
        Tensor rstd = kept.take(DType.F32, x.dim(0));
        kernels.rmsNorm(x, parameters.finalNorm(), eps, normed, rstd);
        Tensor dNormed = kept.take(dtype, x.dim(0), x.dim(1));
        CrossEntropy.PerToken losses =
                CrossEntropy.lossAndGradient(
                        device,
                        parameters,
                        context.block,
                        normed,
                        gradScale,
                        gradients,
                        add,
                        dNormed,
                        logits,
                        kept,
                        scratch);
        Tensor dx = normed; // what was normed is needed no more
        kernels.fill(dx, 0);
        kernels.rmsNormBackward(
                dNormed, x, parameters.finalNorm(), rstd, dx, gradients.finalNorm());
        for (int i = layers.size() - 1; i >= 0; i--) {
            layers.get(i)
                    .backward(
                            activations.get(i),
                            context.angles,
                            context.attention,
                            gradients.layer(i),
                            add,
                            dx);
            if (last) {
                gradients.complete(i);
            }
        }
        TokenEmbedding.backward(kernels, gradients, context.block, dx, scratch);
        TokenLosses result =
                TokenLosses.copyOut(
                        device, context.block.targetOrder(), losses.ce(), losses.hits());
        return result;
    }

    /** Forward alone: losses, and logits block by block where they are asked for. */
    public TokenLosses forward(
            LlamaConfig config, RankBatch batch, Ring ring, Frame frame, LogitSink logits) {
        release();
        Context context = context(config, batch, ring, frame);
        Tensor x = embed(context);
        for (DecoderLayer layer : layers) {
            layer.forward(x, context.angles, context.attention);
        }
        Tensor rstd = kept.take(DType.F32, x.dim(0));
        kernels.rmsNorm(x, parameters.finalNorm(), eps, x, rstd);
        CrossEntropy.PerToken losses =
                CrossEntropy.lossAndGradient(
                        device,
                        parameters,
                        context.block,
                        x,
                        0,
                        null,
                        true,
                        null,
                        logits,
                        kept,
                        scratch);
        TokenLosses result =
                TokenLosses.copyOut(
                        device, context.block.targetOrder(), losses.ce(), losses.hits());
        return result;
    }

    /** Takes back all memory, also what a micro-batch held that a broken ring cut off. */
    private void release() {
        kept.release(nothingKept);
        scratch.release(nothingHeld);
    }

    /** Bytes kept for backward, at most so far. */
    public long bytesKept() {
        return kept.bytes();
    }

    /** Bytes of the workspace within a layer. */
    public long bytesOfWorkspace() {
        return scratch.bytes();
    }

    private Context context(LlamaConfig config, RankBatch batch, Ring ring, Frame frame) {
        BlockTensors block = BlockTensors.copyIn(batch, device, kept);
        return new Context(
                block,
                new RingAttention(device, ring, batch.plan(), block, frame, config, dtype),
                RotaryEmbedding.angles(kernels, config, block.positions(), kept));
    }

    private Tensor embed(Context context) {
        Tensor x = kept.take(dtype, context.block.length(), config.hiddenSize());
        TokenEmbedding.forward(kernels, parameters, context.block, x, scratch);
        return x;
    }

    @Override
    public void close() {
        kept.close();
        scratch.close();
    }
}
