package org.ringworld.model.layers;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.DecodeAttention;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.ring.AllGather;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Frame.Pass;
import org.ringworld.model.ring.Lease;
import org.ringworld.model.ring.Ring;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * The layers of a model for few tokens, which all ranks compute together (Helix, arXiv 2507.07120):
 * every matrix is cut by output rows, so that a rank reads its share of the weights alone and each
 * dot product is whole on one rank; what they made comes together on all before it is needed. No
 * sum depends on the ring's size.
 */
public final class SharedLayers {
    /** Rows of a matrix that stay together. */
    private static final long GRAIN = 16;

    private final Device device;
    private final Kernels kernels;
    private final ParameterStore parameters;
    private final LlamaConfig config;
    private final Ring ring;
    private final DType dtype;
    private final float eps;
    private final Workspace scratch;
    private final List<Lease> leases = new ArrayList<>();

    public SharedLayers(Device device, ParameterStore parameters, Ring ring, Workspace scratch) {
        this.device = device;
        this.kernels = device.kernels();
        this.parameters = parameters;
        this.config = parameters.config();
        this.ring = ring;
        this.dtype = parameters.dtype();
        this.eps = (float) config.rmsNormEps();
        this.scratch = scratch;
    }

    /** Where the rows of a matrix of {@code rows} begin that a rank computes. */
    private long first(long rows, int rank) {
        return rank == ring.size() ? rows : rows / GRAIN * rank / ring.size() * GRAIN;
    }

    private long share(long rows, int rank) {
        return first(rows, rank + 1) - first(rows, rank);
    }

    /**
     * All layers: x, values [B,E], the same on all ranks, becomes their output.
     *
     * @param attention that the tokens were begun with
     */
    public void forward(
            Tensor x, RotaryEmbedding.Angles angles, DecodeAttention attention, Frame frame) {
        for (int layer = 0; layer < config.numLayers(); layer++) {
            Workspace.Mark mark = scratch.mark();
            ModelTensors.Layer weights = parameters.acquire(layer);
            Frame of = frame.ofLayer(layer);
            attend(layer, weights, x, angles, attention, of);
            feedForward(weights, x, of);
            parameters.release(layer);
            leases.forEach(lease -> lease.awaitFree(ring, device));
            leases.clear();
            scratch.release(mark);
        }
    }

    private void attend(
            int layer,
            ModelTensors.Layer weights,
            Tensor x,
            RotaryEmbedding.Angles angles,
            DecodeAttention attention,
            Frame frame) {
        long tokens = x.dim(0);
        long dim = config.headDim();
        Tensor q = scratch.take(dtype, tokens, config.numHeads() * dim);
        Tensor k = scratch.take(dtype, tokens, config.numKvHeads() * dim);
        Tensor v = scratch.take(dtype, tokens, config.numKvHeads() * dim);
        Tensor normed = norm(x, weights.inputNorm());
        Tensor[] own = own(q, k, v);
        product(normed, weights.q(), own[0]);
        product(normed, weights.k(), own[1]);
        product(normed, weights.v(), own[2]);
        gather(frame.of(Pass.DECODE, 0, 0, 0), own, q, k, v);
        Tensor queries = q.view(tokens, config.numHeads(), dim);
        Tensor keys = k.view(tokens, config.numKvHeads(), dim);
        kernels.rotary(queries, angles.cos(), angles.sin(), queries);
        kernels.rotary(keys, angles.cos(), angles.sin(), keys);
        Tensor out = scratch.take(DType.F32, queries.shape());
        Tensor values = v.view(tokens, config.numKvHeads(), dim);
        leases.add(
                attention.forward(
                        layer, queries, keys, values, out, frame.of(Pass.DECODE, 0, 0, 1)));
        Tensor o = out;
        if (dtype != DType.F32) {
            o = scratch.take(dtype, out.shape());
            kernels.copy(out, o);
        }
        addProduct(o.view(tokens, config.numHeads() * dim), weights.o(), x, frame, 2);
    }

    private void feedForward(ModelTensors.Layer weights, Tensor x, Frame frame) {
        long tokens = x.dim(0);
        Tensor inner = scratch.take(dtype, tokens, weights.gate().dim(0));
        Tensor normed = norm(x, weights.postNorm());
        Tensor[] own = own(inner);
        if (own[0].size() > 0) {
            Tensor up = scratch.take(dtype, own[0].shape());
            product(normed, weights.gate(), own[0]);
            product(normed, weights.up(), up);
            kernels.swiGlu(own[0], up, own[0]);
        }
        gather(frame.of(Pass.DECODE, 0, 0, 3), own, inner);
        addProduct(inner, weights.down(), x, frame, 4);
    }

    /** x [B,E] += a · weightᵀ, summed before it is rounded, as on one device. */
    private void addProduct(Tensor a, Tensor weight, Tensor x, Frame frame, int tile) {
        Tensor[] own = own(x);
        Tensor sum = own[0];
        if (sum.size() > 0) {
            kernels.copyColumns(x, first(x.dim(1), ring.rank()), sum, 0, sum.dim(1));
            kernels.matmul(Product.NT, a, rows(weight), sum, true);
        }
        gather(frame.of(Pass.DECODE, 0, 0, tile), own, x);
    }

    private Tensor norm(Tensor x, Tensor weight) {
        Tensor normed = scratch.take(dtype, x.shape());
        kernels.rmsNorm(x, weight, eps, normed, scratch.take(DType.F32, x.dim(0)));
        return normed;
    }

    /** The rows of a matrix that this rank computes. */
    private Tensor rows(Tensor weight) {
        long n = weight.dim(0);
        return weight.rows(first(n, ring.rank()), first(n, ring.rank() + 1));
    }

    /**
     * Logits of some tokens.
     *
     * @param x values [B,E], the same on all ranks
     * @param of whose vocabulary is asked
     * @return F32 [B,V] on rank 0, of the scratch memory; null on others
     */
    public Tensor logits(Tensor x, Modality of, Frame frame) {
        Tensor normed = norm(x, parameters.finalNorm());
        Tensor head = parameters.head(of);
        long tokens = x.dim(0);
        Tensor whole = scratch.take(DType.F32, tokens, head.dim(0));
        Tensor[] own = own(whole);
        product(normed, head, own[0]);
        Frame name = frame.of(Pass.DECODE, 0, ring.rank(), 5);
        if (ring.rank() > 0) {
            if (own[0].size() > 0) {
                Lease lease = new Lease();
                ring.send(0, name, own[1], device.record(), lease);
                lease.awaitFree(ring, device);
            }
            return null;
        }
        place(own, 0, whole);
        for (int rank = 1; rank < ring.size(); rank++) {
            long size = size(rank, whole);
            if (size > 0) {
                Ring.Transfer coming = ring.receive(rank, name.from(rank), DType.F32, size);
                place(columns(coming.await(device), rank, whole), rank, whole);
                coming.lease().release(device.record());
            }
        }
        return whole;
    }

    /** Elements that a rank computes of some tensors [B,N]. */
    private long size(int rank, Tensor... whole) {
        long size = 0;
        for (Tensor one : whole) {
            size += one.dim(0) * share(one.dim(1), rank);
        }
        return size;
    }

    /** This rank's columns of some tensors, in memory from which they are sent. */
    private Tensor[] own(Tensor... whole) {
        long size = size(ring.rank(), whole);
        return columns(scratch.take(whole[0].dtype(), size), ring.rank(), whole);
    }

    /** A rank's columns of some tensors [B,N], one after the other in one run of memory. */
    private Tensor[] columns(Tensor flat, int rank, Tensor... whole) {
        Tensor[] columns = new Tensor[whole.length + 1];
        long at = 0;
        for (int i = 0; i < whole.length; i++) {
            long n = share(whole[i].dim(1), rank);
            long end = at + whole[i].dim(0) * n;
            columns[i] = flat.rows(at, end).view(whole[i].dim(0), n);
            at = end;
        }
        columns[whole.length] = flat;
        return columns;
    }

    private void product(Tensor x, Tensor weight, Tensor columns) {
        if (columns.size() > 0) {
            kernels.matmul(Product.NT, x, rows(weight), columns, false);
        }
    }

    /** All ranks' columns come together in some tensors. */
    private void gather(Frame frame, Tensor[] own, Tensor... whole) {
        long[] sizes = new long[ring.size()];
        for (int rank = 0; rank < sizes.length; rank++) {
            sizes[rank] = size(rank, whole);
        }
        Tensor flat = own[whole.length];
        leases.add(
                AllGather.run(
                        ring,
                        device,
                        frame,
                        flat.dtype(),
                        flat.size() == 0 ? null : flat,
                        sizes,
                        (rank, part) -> place(columns(part, rank, whole), rank, whole)));
    }

    private void place(Tensor[] columns, int rank, Tensor... whole) {
        for (int i = 0; i < whole.length; i++) {
            if (columns[i].size() > 0) {
                long to = first(whole[i].dim(1), rank);
                kernels.copyColumns(columns[i], 0, whole[i], to, columns[i].dim(1));
            }
        }
    }
}
