package org.ringworld.runtime.cpu;

import org.ringworld.runtime.DType;
import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.PageTable;
import org.ringworld.runtime.Shapes;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.attention.AttentionGradients;
import org.ringworld.runtime.cpu.attention.AttentionTile;
import org.ringworld.runtime.cpu.attention.KeyClasses;
import org.ringworld.runtime.cpu.attention.LibraryAttention;
import org.ringworld.runtime.cpu.attention.LibraryAttentionBackward;
import org.ringworld.runtime.cpu.attention.PagedCall;
import org.ringworld.runtime.cpu.attention.VectorAttention;
import org.ringworld.runtime.cpu.attention.VectorAttentionBackward;
import org.ringworld.runtime.cpu.attention.VectorAttentionMerge;
import org.ringworld.runtime.cpu.attention.VectorPagedAttention;
import org.ringworld.runtime.cpu.attention.VisibleTiles;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;
import org.ringworld.runtime.cpu.elementwise.VectorElementwise;
import org.ringworld.runtime.cpu.elementwise.VectorQuantize;
import org.ringworld.runtime.cpu.elementwise.VectorRows;
import org.ringworld.runtime.cpu.matmul.LibraryMatmul;
import org.ringworld.runtime.cpu.matmul.MatrixVector;
import org.ringworld.runtime.cpu.matmul.OneDnn;
import org.ringworld.runtime.cpu.matmul.PanelMatmul;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The kernels of a CPU device: vector loops on a team of threads, large products by oneDNN where it
 * loads. {@link PlainKernels} says what each computes.
 */
final class VectorKernels implements Kernels {
    private static final Logger LOG = LoggerFactory.getLogger(VectorKernels.class);
    private static final boolean BF16_PRODUCTS = HostCpu.bf16Products().orElse(false);

    static {
        LOG.debug(
                "{} bit vectors; F32 products by {}, BF16 by {}",
                vectorBits(),
                matmulLibrary(),
                OneDnn.loaded() != null && BF16_PRODUCTS ? matmulLibrary() : "widening to F32");
    }

    private final OneDnn library;
    private final Scratch scratch;
    private final VectorElementwise elementwise;
    private final VectorQuantize quantize;
    private final VectorRows rows;
    private final VectorAttention attention;
    private final VectorPagedAttention pagedAttention;
    private final VectorAttentionMerge attentionMerge;
    private final KeyClasses keyClasses;
    private final LibraryAttention libraryAttention;
    private final MatrixVector matrixVector;
    private boolean rowwise;
    private final PanelMatmul panelMatmul;
    private final LibraryMatmul libraryMatmul;

    /** Kernels on the threads of {@code team}; {@code library} may be null. */
    VectorKernels(WorkerTeam team, Scratch scratch, OneDnn library) {
        this.library = library;
        this.scratch = scratch;
        elementwise = new VectorElementwise(team, scratch);
        quantize = new VectorQuantize(team);
        rows = new VectorRows(team, scratch);
        attention = new VectorAttention(team, scratch);
        pagedAttention = new VectorPagedAttention(team, scratch);
        attentionMerge = new VectorAttentionMerge(team);
        keyClasses = new KeyClasses(team, scratch);
        libraryAttention = library == null ? null : new LibraryAttention(library, team, scratch);
        matrixVector = new MatrixVector(team, scratch);
        panelMatmul = new PanelMatmul(team, scratch);
        libraryMatmul = library == null ? null : new LibraryMatmul(library, team, scratch);
    }

    /** Gives back working memory and what oneDNN made ready for shapes. */
    void trim() {
        scratch.release();
        if (libraryMatmul != null) {
            libraryMatmul.forget();
        }
    }

    static int vectorBits() {
        return Lanes.F32.vectorBitSize();
    }

    /** What forms large products, with its version. */
    static String matmulLibrary() {
        return OneDnn.loaded() == null ? "Vector API" : "oneDNN " + OneDnn.loaded().version();
    }

    @Override
    public void matmul(Product product, Tensor a, Tensor b, Tensor c, boolean accumulate) {
        var shape = KernelShapes.matmul(product, a, b, c);
        if (shape.m() == 0 || shape.n() == 0) {
            return;
        }
        boolean library =
                libraryMatmul != null && shape.k() > 0 && (a.dtype() == DType.F32 || BF16_PRODUCTS);
        if (byMatrixVector(product, a, b, shape.m(), library)) {
            matrixVector.run(product, a, b, c, accumulate, shape);
        } else if (library) {
            libraryMatmul.run(product, a, b, c, accumulate, shape);
        } else {
            panelMatmul.run(product, a, b, c, accumulate, shape);
        }
    }

    @Override
    public void rowwise(boolean on) {
        rowwise = on;
    }

    /** From two rows on the library is the faster one where all is BF16. */
    private boolean byMatrixVector(
            Product product, Tensor a, Tensor b, long rows, boolean library) {
        if (rowwise && product == Product.NT) {
            return true;
        }
        boolean half = a.dtype() == DType.BF16 && b.dtype() == DType.BF16;
        int most = library && half && product == Product.NT ? 1 : MatrixVector.ROWS;
        return rows <= most && product != Product.TN;
    }

    @Override
    public void fill(Tensor x, float value) {
        Shapes.values("fill", x);
        elementwise.fill(x, value);
    }

    @Override
    public void copy(Tensor from, Tensor to) {
        KernelShapes.copy(from, to);
        if (to.dtype() == DType.I8) {
            quantize.quantize(from, to);
        } else if (from.dtype() == DType.I8) {
            quantize.dequantize(from, to);
        } else {
            elementwise.copy(from, to);
        }
    }

    @Override
    public void copyColumns(Tensor from, long fromColumn, Tensor to, long toColumn, long n) {
        KernelShapes.copyColumns(from, fromColumn, to, toColumn, n);
        rows.copyColumns(from, fromColumn, to, toColumn, n);
    }

    @Override
    public void add(Tensor x, Tensor into) {
        KernelShapes.pairOfValues("add", x, into);
        elementwise.add(x, into);
    }

    @Override
    public void sumOfSquares(Tensor x, Tensor result) {
        KernelShapes.sumOfSquares(x, result);
        elementwise.sumOfSquares(x, result);
    }

    @Override
    public void embedding(Tensor ids, Tensor table, Tensor y) {
        KernelShapes.embedding(ids, table, y);
        rows.embedding(ids, table, y);
    }

    @Override
    public void embeddingBackward(Tensor ids, Tensor dy, Tensor dTable) {
        KernelShapes.embeddingBackward(ids, dy, dTable);
        rows.embeddingBackward(ids, dy, dTable);
    }

    @Override
    public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor y, Tensor rstd) {
        KernelShapes.rmsNorm(x, weight, y, rstd);
        rows.rmsNorm(x, weight, eps, y, rstd);
    }

    @Override
    public void rmsNormBackward(
            Tensor dy, Tensor x, Tensor weight, Tensor rstd, Tensor dx, Tensor dWeight) {
        KernelShapes.rmsNormBackward(dy, x, weight, rstd, dx, dWeight);
        rows.rmsNormBackward(dy, x, weight, rstd, dx, dWeight);
    }

    @Override
    public void rotaryAngles(
            Tensor positions, double[] inverseFrequencies, double scale, Tensor cos, Tensor sin) {
        KernelShapes.rotaryAngles(positions, inverseFrequencies, cos, sin);
        rows.rotaryAngles(positions, inverseFrequencies, scale, cos, sin);
    }

    @Override
    public void rotary(Tensor x, Tensor cos, Tensor sin, Tensor y) {
        KernelShapes.rotary("rotary", x, cos, sin, y);
        KernelShapes.sameValues("rotary", x, y);
        rows.rotary(x, cos, sin, y, 1);
    }

    @Override
    public void rotaryBackward(Tensor dy, Tensor cos, Tensor sin, Tensor dx) {
        KernelShapes.rotary("rotaryBackward", dy, cos, sin, dx);
        rows.rotary(dy, cos, sin, dx, -1);
    }

    @Override
    public void swiGlu(Tensor gate, Tensor up, Tensor y) {
        KernelShapes.sameValues("swiGlu", gate, up);
        KernelShapes.sameValues("swiGlu", gate, y);
        elementwise.swiGlu(gate, up, y);
    }

    @Override
    public void swiGluBackward(Tensor dy, Tensor gate, Tensor up, Tensor dGate, Tensor dUp) {
        KernelShapes.sameValues("swiGluBackward", dy, gate);
        KernelShapes.sameValues("swiGluBackward", dy, up);
        KernelShapes.sameValues("swiGluBackward", dy, dGate);
        KernelShapes.sameValues("swiGluBackward", dy, dUp);
        elementwise.swiGluBackward(dy, gate, up, dGate, dUp);
    }

    @Override
    public void attention(
            Tensor q,
            Tensor qPositions,
            Tensor qSegments,
            Tensor k,
            Tensor v,
            Tensor kPositions,
            Tensor kSegments,
            float scale,
            Tensor out,
            Tensor max,
            Tensor sum) {
        var shape =
                KernelShapes.attention(
                        "attention",
                        q,
                        qPositions,
                        qSegments,
                        k,
                        v,
                        kPositions,
                        kSegments,
                        out,
                        max,
                        sum);
        Shapes.dtype("attention", DType.F32, out);
        if (byLibrary(shape, q, scale)) {
            libraryAttention.run(
                    shape,
                    q,
                    new VisibleTiles(qPositions, qSegments, kPositions, kSegments),
                    k,
                    v,
                    scale,
                    out,
                    max,
                    sum);
            return;
        }
        attention.run(
                shape,
                q,
                qPositions,
                qSegments,
                k,
                v.view(k.shape()),
                kPositions,
                kSegments,
                scale,
                out.view(q.shape()),
                max,
                sum);
    }

    @Override
    public void pagedAttention(
            Tensor q,
            Tensor qPositions,
            Tensor pool,
            Tensor open,
            Tensor kPositions,
            PageTable table,
            float scale,
            Tensor out,
            Tensor max,
            Tensor sum) {
        pagedAttention.run(
                PagedCall.of(q, qPositions, pool, open, kPositions, table, scale, out, max, sum));
    }

    @Override
    public void attentionMerge(
            Tensor otherOut, Tensor otherMax, Tensor otherSum, Tensor out, Tensor max, Tensor sum) {
        KernelShapes.attentionMerge(otherOut, otherMax, otherSum, out, max, sum);
        attentionMerge.run(otherOut, otherMax, otherSum, out, max, sum);
    }

    @Override
    public void attentionDelta(Tensor dOut, Tensor out, Tensor delta) {
        KernelShapes.attentionDelta(dOut, out, delta);
        rows.attentionDelta(dOut, out, delta);
    }

    @Override
    public void attentionBackward(
            Tensor q,
            Tensor qPositions,
            Tensor qSegments,
            Tensor k,
            Tensor v,
            Tensor kPositions,
            Tensor kSegments,
            float scale,
            Tensor dOut,
            Tensor max,
            Tensor sum,
            Tensor delta,
            Tensor dq,
            Tensor dk,
            Tensor dv) {
        var shape =
                KernelShapes.attention(
                        "attentionBackward",
                        q,
                        qPositions,
                        qSegments,
                        k,
                        v,
                        kPositions,
                        kSegments,
                        dOut,
                        max,
                        sum);
        KernelShapes.attentionGradients(q, k, sum, delta, dq, dk, dv);
        AttentionGradients call =
                new AttentionGradients(
                        shape,
                        q,
                        qPositions,
                        qSegments,
                        k,
                        v.view(k.shape()),
                        kPositions,
                        kSegments,
                        scale,
                        dOut.view(q.shape()),
                        max,
                        sum,
                        delta,
                        dq,
                        dk,
                        dv);
        keyClasses.run(
                call,
                byLibrary(shape, q, scale) && dOut.dtype() == DType.BF16
                        ? new LibraryAttentionBackward(library, scratch, call)
                        : new VectorAttentionBackward(scratch, call));
    }

    /**
     * BF16 where there are instructions for it, and more queries than when tokens are generated.
     */
    private boolean byLibrary(KernelShapes.Attention shape, Tensor q, float scale) {
        return library != null
                && BF16_PRODUCTS
                && q.dtype() == DType.BF16
                && shape.s() > AttentionTile.FEW
                && scale > 0;
    }

    @Override
    public void crossEntropy(
            Tensor logits,
            Tensor targets,
            Tensor weights,
            float gradScale,
            Tensor ce,
            Tensor hits,
            Tensor dLogits) {
        KernelShapes.crossEntropy(logits, targets, weights, ce, hits, dLogits);
        rows.crossEntropy(logits, targets, weights, gradScale, ce, hits, dLogits);
    }

    @Override
    public void adamW(
            Tensor param, Tensor grad, Tensor m, Tensor v, Tensor shadow, AdamWStep step) {
        KernelShapes.adamW(param, grad, m, v, shadow);
        elementwise.adamW(param, grad, m, v, shadow, step);
    }
}
