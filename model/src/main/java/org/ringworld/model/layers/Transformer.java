package org.ringworld.model.layers;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.BlockTensors;
import org.ringworld.model.attention.KvBlock;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.attention.RingAttention;
import org.ringworld.model.attention.RingPlan;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Lease;
import org.ringworld.model.ring.Ring;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.Product;
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
            BlockTensors block,
            RingPlan plan,
            Ring ring,
            RingAttention attention,
            Tensor cos,
            Tensor sin,
            Frame frame,
            boolean add) {}

    /** Of one layer for backward; q, kv, h, gate and up are null where they are computed again. */
    private record Kept(
            Tensor x,
            Tensor out,
            Tensor max,
            Tensor sum,
            Tensor q,
            KvBlock kv,
            Tensor h,
            Tensor gate,
            Tensor up) {}

    /**
     * Forward and backward of a micro-batch.
     *
     * @param add whether to add to the gradients of the parameters; else they are written, which
     *     spares a step clearing and reading them
     * @param config the stage's, whose rotary base may differ from the parameters'
     * @param gradScale 1 / Σ w over the whole global step
     */
    public TokenLosses forwardBackward(
            LlamaConfig config,
            MicroBatch batch,
            Ring ring,
            Frame frame,
            float gradScale,
            Recompute recompute,
            boolean add,
            LogitSink logits) {
        release();
        Context context = context(config, batch, ring, frame, add);
        if (!add) {
            clearSums(context.block);
        }
        List<Kept> layers = new ArrayList<>();
        Tensor x = embed(context);
        for (int layer = 0; layer < config.numLayers(); layer++) {
            x = layerForward(context, layer, x, recompute, layers);
        }
        Tensor normed = kept.take(dtype, x.dim(0), x.dim(1));
        Tensor rstd = kept.take(DType.F32, x.dim(0));
        kernels.rmsNorm(x, parameters.finalNorm(), eps, normed, rstd);
        Tensor dNormed = kept.take(dtype, x.dim(0), x.dim(1));
        CrossEntropy.PerToken losses =
                CrossEntropy.lossAndGradient(
                        kernels,
                        parameters,
                        context.block,
                        normed,
                        gradScale,
                        add,
                        dNormed,
                        logits,
                        kept,
                        scratch);
        Tensor dx = normed; // what was normed is needed no more
        kernels.fill(dx, 0);
        kernels.rmsNormBackward(
                dNormed, x, parameters.finalNorm(), rstd, dx, parameters.finalNormGradient());
        for (int layer = config.numLayers() - 1; layer >= 0; layer--) {
            layerBackward(context, layer, layers.get(layer), dx);
        }
        TokenEmbedding.backward(kernels, parameters, context.block, dx, scratch);
        TokenLosses result =
                TokenLosses.copyOut(
                        device, context.block.targetOrder(), losses.ce(), losses.hits());
        return result;
    }

    /** Forward alone: losses, and logits block by block where they are asked for. */
    public TokenLosses forward(
            LlamaConfig config, MicroBatch batch, Ring ring, Frame frame, LogitSink logits) {
        release();
        Context context = context(config, batch, ring, frame, true);
        Tensor x = embed(context);
        for (int layer = 0; layer < config.numLayers(); layer++) {
            layerForward(context, layer, x, null, null);
        }
        Tensor rstd = kept.take(DType.F32, x.dim(0));
        kernels.rmsNorm(x, parameters.finalNorm(), eps, x, rstd);
        CrossEntropy.PerToken losses =
                CrossEntropy.lossAndGradient(
                        kernels,
                        parameters,
                        context.block,
                        x,
                        0,
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

    /**
     * The gradients that are sums of rows, norms and embeddings, begin at 0; products overwrite the
     * others, unless there is no token to multiply.
     */
    private void clearSums(BlockTensors block) {
        if (block.length() == 0) {
            kernels.fill(parameters.gradients(), 0);
            return;
        }
        for (int layer = 0; layer < config.numLayers(); layer++) {
            kernels.fill(parameters.layerGradients(layer).inputNorm(), 0);
            kernels.fill(parameters.layerGradients(layer).postNorm(), 0);
        }
        kernels.fill(parameters.finalNormGradient(), 0);
        for (Modality modality : parameters.modalities()) {
            boolean tied = modality == Modality.TEXT && config.tieEmbeddings();
            if (!tied) {
                kernels.fill(parameters.embeddingGradient(modality), 0);
            }
            if (block.targetOrder().count(modality) == 0) {
                kernels.fill(parameters.headGradient(modality), 0);
            }
        }
    }

    private Context context(
            LlamaConfig config, MicroBatch batch, Ring ring, Frame frame, boolean add) {
        BlockTensors block = BlockTensors.copyIn(batch, ring.rank(), device, kept);
        Tensor cos = kept.take(DType.F32, block.length(), config.headDim() / 2);
        Tensor sin = kept.take(DType.F32, block.length(), config.headDim() / 2);
        double[] inverse = RotaryEmbedding.inverseFrequencies(config);
        double scale = config.ropeScaling().attentionScale();
        kernels.rotaryAngles(block.positions(), inverse, scale, cos, sin);
        RingAttention attention =
                new RingAttention(device, ring, batch.plan(), block, config.headDim());
        return new Context(block, batch.plan(), ring, attention, cos, sin, frame, add);
    }

    private Tensor embed(Context context) {
        Tensor x = kept.take(dtype, context.block.length(), config.hiddenSize());
        TokenEmbedding.forward(kernels, parameters, context.block, x, scratch);
        return x;
    }

    /**
     * Training (layers given): keeps what backward needs, returns the next layer's input. Else in
     * place.
     */
    private Tensor layerForward(
            Context context, int layer, Tensor x, Recompute recompute, List<Kept> layers) {
        boolean training = layers != null;
        boolean keep = training && recompute == Recompute.NONE;
        ParameterStore.Layer weights = parameters.layer(layer);
        long length = x.dim(0);
        Workspace.Mark mark = scratch.mark();
        Workspace inner = keep ? kept : scratch;

        Tensor q = inner.take(dtype, length, config.numHeads(), config.headDim());
        KvBlock kv =
                KvBlock.take(inner, dtype, context.plan, config.numKvHeads(), config.headDim());
        queriesKeysValues(context, weights, x, q, kv);
        Lease lease = new Lease();
        Tensor out = (training ? kept : scratch).take(dtype, q.shape());
        Tensor max = (training ? kept : scratch).take(DType.F32, length, config.numHeads());
        Tensor sum = (training ? kept : scratch).take(DType.F32, length, config.numHeads());
        Tensor sums = dtype == DType.F32 ? out : scratch.take(DType.F32, q.shape());
        Frame frame = context.frame.ofLayer(layer);
        context.attention.forward(frame, q, kv, lease, sums, max, sum);
        if (sums != out) {
            kernels.copy(sums, out);
        }

        Tensor h =
                keep ? kept.take(dtype, x.shape()) : training ? scratch.take(dtype, x.shape()) : x;
        residual(x, out, weights, h);
        Tensor gate = keep ? kept.take(dtype, length, config.intermediateSize()) : null;
        Tensor up = keep ? kept.take(dtype, length, config.intermediateSize()) : null;
        Tensor normed = scratch.take(dtype, x.shape());
        kernels.rmsNorm(h, weights.postNorm(), eps, normed, scratch.take(DType.F32, length));
        Tensor next = h;
        if (training) {
            next = kept.take(dtype, x.shape());
            kernels.copy(h, next);
            layers.add(
                    new Kept(
                            x,
                            out,
                            max,
                            sum,
                            keep ? q : null,
                            keep ? kv : null,
                            keep ? h : null,
                            gate,
                            up));
        }
        SwiGlu.forward(kernels, weights, normed, gate, up, next, scratch);
        lease.awaitFree(context.ring, device);
        scratch.release(mark);
        return next;
    }

    /** h = x + o(attention's output). */
    private void residual(Tensor x, Tensor out, ParameterStore.Layer weights, Tensor h) {
        if (h != x) {
            kernels.copy(x, h);
        }
        kernels.matmul(Product.NT, flat(out), weights.o(), h, true);
    }

    /** Norm, projections and rotation; keys and values go into their tiles. */
    private void queriesKeysValues(
            Context context, ParameterStore.Layer weights, Tensor x, Tensor q, KvBlock kv) {
        Workspace.Mark mark = scratch.mark();
        long length = x.dim(0);
        Tensor normed = scratch.take(dtype, x.shape());
        kernels.rmsNorm(x, weights.inputNorm(), eps, normed, scratch.take(DType.F32, length));
        kernels.matmul(Product.NT, normed, weights.q(), flat(q), false);
        kernels.rotary(q, context.cos, context.sin, q);
        Tensor k = scratch.take(dtype, length, config.numKvHeads(), config.headDim());
        Tensor v = scratch.take(dtype, length, config.numKvHeads(), config.headDim());
        kernels.matmul(Product.NT, normed, weights.k(), flat(k), false);
        kernels.matmul(Product.NT, normed, weights.v(), flat(v), false);
        for (int t = 0; t < context.plan.tiles(); t++) {
            int from = context.plan.borders()[t];
            int to = context.plan.borders()[t + 1];
            kernels.rotary(
                    k.rows(from, to),
                    context.cos.rows(from, to),
                    context.sin.rows(from, to),
                    kv.keys()[t]);
            kernels.copy(v.rows(from, to), kv.values()[t]);
        }
        scratch.release(mark);
    }

    /** dx: the gradient of the layer's output on entry, of its input on return. */
    private void layerBackward(Context context, int layer, Kept kept, Tensor dx) {
        ParameterStore.Layer weights = parameters.layer(layer);
        ParameterStore.Layer gradients = parameters.layerGradients(layer);
        Workspace.Mark mark = scratch.mark();
        feedForwardBackward(context, kept, weights, gradients, dx);
        attentionBackward(context, layer, kept, weights, gradients, dx);
        scratch.release(mark);
    }

    private void feedForwardBackward(
            Context context,
            Kept kept,
            ParameterStore.Layer weights,
            ParameterStore.Layer gradients,
            Tensor dx) {
        Workspace.Mark mark = scratch.mark();
        Tensor h = kept.h;
        if (h == null) {
            h = scratch.take(dtype, dx.shape());
            residual(kept.x, kept.out, weights, h);
        }
        Tensor normed = scratch.take(dtype, dx.shape());
        Tensor rstd = scratch.take(DType.F32, dx.dim(0));
        kernels.rmsNorm(h, weights.postNorm(), eps, normed, rstd);
        Tensor dNormed = scratch.take(dtype, dx.shape());
        SwiGlu.backward(
                kernels,
                weights,
                gradients,
                dx,
                normed,
                kept.gate,
                kept.up,
                context.add,
                dNormed,
                scratch);
        kernels.rmsNormBackward(dNormed, h, weights.postNorm(), rstd, dx, gradients.postNorm());
        scratch.release(mark);
    }

    private void attentionBackward(
            Context context,
            int layer,
            Kept kept,
            ParameterStore.Layer weights,
            ParameterStore.Layer gradients,
            Tensor dx) {
        long length = dx.dim(0);
        Tensor q = kept.q;
        KvBlock kv = kept.kv;
        if (q == null) {
            q = scratch.take(dtype, length, config.numHeads(), config.headDim());
            kv = KvBlock.take(scratch, dtype, context.plan, config.numKvHeads(), config.headDim());
            queriesKeysValues(context, weights, kept.x, q, kv);
        }
        Tensor dOut = scratch.take(dtype, q.shape());
        kernels.matmul(Product.NN, dx, weights.o(), flat(dOut), false);
        kernels.matmul(Product.TN, dx, flat(kept.out), gradients.o(), context.add);
        Tensor delta = scratch.take(DType.F32, length, config.numHeads());
        kernels.attentionDelta(dOut, kept.out, delta);
        Tensor dq = scratch.take(DType.F32, q.shape());
        KvBlock dkv =
                KvBlock.take(
                        scratch, DType.F32, context.plan, config.numKvHeads(), config.headDim());
        Lease lease = new Lease();
        Frame frame = context.frame.ofLayer(layer);
        context.attention.backward(
                frame, q, kv, lease, dOut, kept.max, kept.sum, delta, dq, dkv, scratch);
        projectionsBackward(context, kept.x, weights, gradients, dq, dkv, dx);
        lease.awaitFree(context.ring, device);
    }

    /** Back through rotation, q, k, v and the input norm; adds to dx. */
    private void projectionsBackward(
            Context context,
            Tensor x,
            ParameterStore.Layer weights,
            ParameterStore.Layer gradients,
            Tensor dqRotated,
            KvBlock dkv,
            Tensor dx) {
        long length = x.dim(0);
        Tensor dq = scratch.take(dtype, dqRotated.shape());
        kernels.rotaryBackward(dqRotated, context.cos, context.sin, dq);
        Tensor dk = scratch.take(dtype, length, config.numKvHeads(), config.headDim());
        Tensor dv = scratch.take(dtype, length, config.numKvHeads(), config.headDim());
        for (int t = 0; t < context.plan.tiles(); t++) {
            int from = context.plan.borders()[t];
            int to = context.plan.borders()[t + 1];
            kernels.rotaryBackward(
                    dkv.keys()[t],
                    context.cos.rows(from, to),
                    context.sin.rows(from, to),
                    dk.rows(from, to));
            kernels.copy(dkv.values()[t], dv.rows(from, to));
        }
        Tensor normed = scratch.take(dtype, x.shape());
        Tensor rstd = scratch.take(DType.F32, length);
        kernels.rmsNorm(x, weights.inputNorm(), eps, normed, rstd);
        kernels.matmul(Product.TN, flat(dq), normed, gradients.q(), context.add);
        kernels.matmul(Product.TN, flat(dk), normed, gradients.k(), context.add);
        kernels.matmul(Product.TN, flat(dv), normed, gradients.v(), context.add);
        Tensor dNormed = scratch.take(dtype, x.shape());
        kernels.matmul(Product.NN, flat(dq), weights.q(), dNormed, false);
        kernels.matmul(Product.NN, flat(dk), weights.k(), dNormed, true);
        kernels.matmul(Product.NN, flat(dv), weights.v(), dNormed, true);
        kernels.rmsNormBackward(dNormed, x, weights.inputNorm(), rstd, dx, gradients.inputNorm());
    }

    /** [S,heads,D] as [S,heads·D]. */
    private static Tensor flat(Tensor t) {
        return t.view(t.dim(0), t.dim(1) * t.dim(2));
    }

    /** Bytes of activations and temporaries taken so far. */
    public long workspaceBytes() {
        return kept.bytes() + scratch.bytes();
    }

    @Override
    public void close() {
        kept.close();
        scratch.close();
    }
}
