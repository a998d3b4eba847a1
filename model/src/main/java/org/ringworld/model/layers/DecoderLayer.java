package org.ringworld.model.layers;

import java.util.List;
import java.util.stream.IntStream;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.Attention;
import org.ringworld.model.attention.KvBlock;
import org.ringworld.model.attention.RingAttention;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * A layer of a LLaMA, forward and backward written out by hand: h = x + o(attention(q, k, v of
 * norm(x))), y = h + SwiGLU(norm(h)). How queries reach keys is the {@link Attention}'s matter:
 * around a ring in training, evaluation and prefill, in a cache in decoding.
 *
 * <p>Letters: S local tokens, E hidden, H heads, G KV heads, D headDim, F feed-forward.
 */
public final class DecoderLayer {
    private final Device device;
    private final Kernels kernels;
    private final ParameterStore parameters;
    private final LlamaConfig config;
    private final DType dtype;
    private final float eps;
    private final Workspace scratch;
    private final int layer;

    private DecoderLayer(Device device, ParameterStore parameters, Workspace scratch, int layer) {
        this.layer = layer;
        this.device = device;
        this.kernels = device.kernels();
        this.parameters = parameters;
        this.config = parameters.config();
        this.dtype = parameters.dtype();
        this.eps = (float) config.rmsNormEps();
        this.scratch = scratch;
    }

    /**
     * The layers of a model in order.
     *
     * @param scratch for what is needed within a layer
     */
    public static List<DecoderLayer> of(
            Device device, ParameterStore parameters, Workspace scratch) {
        return IntStream.range(0, parameters.config().numLayers())
                .mapToObj(layer -> new DecoderLayer(device, parameters, scratch, layer))
                .toList();
    }

    /**
     * What is formed on the way from x to y, values [S,E]. Backward finds q, kv, h, gate and up
     * null where it is to compute them again; forward, gate and up where they are not wanted.
     *
     * @param q values [S,H,D], rotated
     * @param kv keys, rotated, and values
     * @param out attention's output, values [S,H,D]
     * @param max F32 [S,H], of attention's softmax
     * @param sum F32 [S,H], likewise
     * @param h values [S,E]
     * @param gate values [S,F]
     * @param up values [S,F]
     */
    record Activations(
            Tensor x,
            Tensor q,
            KvBlock kv,
            Tensor out,
            Tensor max,
            Tensor sum,
            Tensor h,
            Tensor gate,
            Tensor up,
            Tensor y) {
        Activations withoutWhatIsRecomputed() {
            return new Activations(x, null, null, out, max, sum, null, null, null, y);
        }
    }

    /** Forward alone: x, values [S,E], becomes the layer's output. */
    public void forward(Tensor x, RotaryEmbedding.Angles angles, Attention attention) {
        Workspace.Mark mark = scratch.mark();
        compute(inPlace(x, attention.own(layer, scratch)), angles, attention);
        scratch.release(mark);
    }

    /** The keys and values of x, values [S,E], alone. */
    public void keysAndValues(Tensor x, RotaryEmbedding.Angles angles, Attention attention) {
        Workspace.Mark mark = scratch.mark();
        ModelTensors.Layer weights = parameters.acquire(layer);
        try {
            keysAndValues(weights, normed(weights, x), angles, attention.own(layer, scratch));
        } finally {
            parameters.release(layer);
        }
        scratch.release(mark);
    }

    /** Forward of tokens x, values [S,E], whose keys and values are in their place already. */
    public void queries(Tensor x, RotaryEmbedding.Angles angles, Attention attention) {
        Workspace.Mark mark = scratch.mark();
        compute(inPlace(x, null), angles, attention);
        scratch.release(mark);
    }

    private Activations inPlace(Tensor x, KvBlock kv) {
        long length = x.dim(0);
        return new Activations(
                x,
                scratch.take(dtype, length, config.numHeads(), config.headDim()),
                kv,
                scratch.take(dtype, length, config.numHeads(), config.headDim()),
                scratch.take(DType.F32, length, config.numHeads()),
                scratch.take(DType.F32, length, config.numHeads()),
                x,
                null,
                null,
                x);
    }

    /** Forward for training. What is returned, x too, is of {@code kept}. */
    Activations forward(
            Tensor x,
            RotaryEmbedding.Angles angles,
            Attention attention,
            Recompute recompute,
            Workspace kept) {
        Workspace.Mark mark = scratch.mark();
        boolean all = recompute == Recompute.NONE;
        Workspace inner = all ? kept : scratch;
        long length = x.dim(0);
        Activations a =
                new Activations(
                        x,
                        inner.take(dtype, length, config.numHeads(), config.headDim()),
                        attention.own(layer, inner),
                        kept.take(dtype, length, config.numHeads(), config.headDim()),
                        kept.take(DType.F32, length, config.numHeads()),
                        kept.take(DType.F32, length, config.numHeads()),
                        inner.take(dtype, x.shape()),
                        all ? kept.take(dtype, length, config.intermediateSize()) : null,
                        all ? kept.take(dtype, length, config.intermediateSize()) : null,
                        kept.take(dtype, x.shape()));
        compute(a, angles, attention);
        scratch.release(mark);
        return all ? a : a.withoutWhatIsRecomputed();
    }

    /** Fills the activations, from x on; y may be h and h may be x. */
    private void compute(Activations a, RotaryEmbedding.Angles angles, Attention attention) {
        ModelTensors.Layer weights = parameters.acquire(layer);
        try {
            attend(a, angles, attention, weights);
            residual(a.x, a.out, weights, a.h);
            Tensor normed = scratch.take(dtype, a.x.shape());
            Tensor rstd = scratch.take(DType.F32, a.x.dim(0));
            kernels.rmsNorm(a.h, weights.postNorm(), eps, normed, rstd);
            if (a.y != a.h) {
                kernels.copy(a.h, a.y);
            }
            SwiGlu.forward(device, weights, normed, a.gate, a.up, a.y, scratch);
        } finally {
            parameters.release(layer);
        }
        attention.awaitFree();
    }

    private void attend(
            Activations a,
            RotaryEmbedding.Angles angles,
            Attention attention,
            ModelTensors.Layer weights) {
        queriesKeysValues(weights, a.x, angles, a.q, a.kv);
        Tensor out = dtype == DType.F32 ? a.out : scratch.take(DType.F32, a.q.shape());
        attention.forward(layer, a.q, a.kv, out, a.max, a.sum);
        if (out != a.out) {
            kernels.copy(out, a.out);
        }
    }

    /** h = x + o(attention's output). */
    private void residual(Tensor x, Tensor out, ModelTensors.Layer weights, Tensor h) {
        if (h != x) {
            kernels.copy(x, h);
        }
        kernels.matmul(Product.NT, flat(out), weights.o(), h, true);
    }

    /** Norm, projections and rotation; keys and values go into their tiles, if there are any. */
    private void queriesKeysValues(
            ModelTensors.Layer weights,
            Tensor x,
            RotaryEmbedding.Angles angles,
            Tensor q,
            KvBlock kv) {
        Workspace.Mark mark = scratch.mark();
        Tensor normed = normed(weights, x);
        kernels.matmul(Product.NT, normed, weights.q(), flat(q), false);
        kernels.rotary(q, angles.cos(), angles.sin(), q);
        if (kv != null) {
            keysAndValues(weights, normed, angles, kv);
        }
        scratch.release(mark);
    }

    private Tensor normed(ModelTensors.Layer weights, Tensor x) {
        Tensor normed = scratch.take(dtype, x.shape());
        kernels.rmsNorm(x, weights.inputNorm(), eps, normed, scratch.take(DType.F32, x.dim(0)));
        return normed;
    }

    private void keysAndValues(
            ModelTensors.Layer weights, Tensor normed, RotaryEmbedding.Angles angles, KvBlock kv) {
        long length = normed.dim(0);
        Tensor k = scratch.take(dtype, length, config.numKvHeads(), config.headDim());
        Tensor v = scratch.take(dtype, length, config.numKvHeads(), config.headDim());
        kernels.matmul(Product.NT, normed, weights.k(), flat(k), false);
        kernels.matmul(Product.NT, normed, weights.v(), flat(v), false);
        for (int t = 0; t < kv.size(); t++) {
            int from = kv.borders()[t];
            int to = kv.borders()[t + 1];
            RotaryEmbedding.Angles rows = angles.rows(from, to);
            kernels.rotary(k.rows(from, to), rows.cos(), rows.sin(), kv.keys()[t]);
            kernels.copy(v.rows(from, to), kv.values()[t]);
        }
    }

    /**
     * Writes the gradients of the layer's parameters, or adds to them.
     *
     * @param gradients of its parameters
     * @param dx the gradient of y on entry, of x on return; values [S,E]
     */
    void backward(
            Activations a,
            RotaryEmbedding.Angles angles,
            RingAttention attention,
            ModelTensors.Layer gradients,
            boolean add,
            Tensor dx) {
        ModelTensors.Layer weights = parameters.acquire(layer);
        Workspace.Mark mark = scratch.mark();
        try {
            feedForwardBackward(a, weights, gradients, add, dx);
            attentionBackward(a, angles, attention, weights, gradients, add, dx);
        } finally {
            parameters.release(layer);
        }
        scratch.release(mark);
    }

    private void feedForwardBackward(
            Activations a,
            ModelTensors.Layer weights,
            ModelTensors.Layer gradients,
            boolean add,
            Tensor dx) {
        Workspace.Mark mark = scratch.mark();
        Tensor h = a.h;
        if (h == null) {
            h = scratch.take(dtype, dx.shape());
            residual(a.x, a.out, weights, h);
        }
        Tensor normed = scratch.take(dtype, dx.shape());
        Tensor rstd = scratch.take(DType.F32, dx.dim(0));
        kernels.rmsNorm(h, weights.postNorm(), eps, normed, rstd);
        Tensor dNormed = scratch.take(dtype, dx.shape());
        SwiGlu.backward(
                device, weights, gradients, dx, normed, a.gate, a.up, add, dNormed, scratch);
        kernels.rmsNormBackward(dNormed, h, weights.postNorm(), rstd, dx, gradients.postNorm());
        scratch.release(mark);
    }

    private void attentionBackward(
            Activations a,
            RotaryEmbedding.Angles angles,
            RingAttention attention,
            ModelTensors.Layer weights,
            ModelTensors.Layer gradients,
            boolean add,
            Tensor dx) {
        long length = dx.dim(0);
        Tensor q = a.q;
        KvBlock kv = a.kv;
        if (q == null) {
            q = scratch.take(dtype, length, config.numHeads(), config.headDim());
            kv = attention.own(layer, scratch);
            queriesKeysValues(weights, a.x, angles, q, kv);
        }
        Tensor dOut = scratch.take(dtype, q.shape());
        kernels.matmul(Product.NN, dx, weights.o(), flat(dOut), false);
        kernels.matmul(Product.TN, dx, flat(a.out), gradients.o(), add);
        Tensor delta = scratch.take(DType.F32, length, config.numHeads());
        kernels.attentionDelta(dOut, a.out, delta);
        Tensor dq = scratch.take(DType.F32, q.shape());
        KvBlock dkv = attention.ownGradients(scratch);
        attention.backward(layer, q, kv, dOut, a.max, a.sum, delta, dq, dkv, scratch);
        projectionsBackward(a.x, angles, weights, gradients, dq, dkv, add, dx);
        attention.awaitFree();
    }

    /** Back through rotation, q, k, v and the input norm; adds to dx. */
    private void projectionsBackward(
            Tensor x,
            RotaryEmbedding.Angles angles,
            ModelTensors.Layer weights,
            ModelTensors.Layer gradients,
            Tensor dqRotated,
            KvBlock dkv,
            boolean add,
            Tensor dx) {
        long length = x.dim(0);
        Tensor dq = scratch.take(dtype, dqRotated.shape());
        kernels.rotaryBackward(dqRotated, angles.cos(), angles.sin(), dq);
        Tensor dk = scratch.take(dtype, length, config.numKvHeads(), config.headDim());
        Tensor dv = scratch.take(dtype, length, config.numKvHeads(), config.headDim());
        for (int t = 0; t < dkv.size(); t++) {
            int from = dkv.borders()[t];
            int to = dkv.borders()[t + 1];
            RotaryEmbedding.Angles rows = angles.rows(from, to);
            kernels.rotaryBackward(dkv.keys()[t], rows.cos(), rows.sin(), dk.rows(from, to));
            kernels.copy(dkv.values()[t], dv.rows(from, to));
        }
        Tensor normed = scratch.take(dtype, x.shape());
        Tensor rstd = scratch.take(DType.F32, length);
        kernels.rmsNorm(x, weights.inputNorm(), eps, normed, rstd);
        kernels.matmul(Product.TN, flat(dq), normed, gradients.q(), add);
        kernels.matmul(Product.TN, flat(dk), normed, gradients.k(), add);
        kernels.matmul(Product.TN, flat(dv), normed, gradients.v(), add);
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
}
