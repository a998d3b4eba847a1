package org.ringworld.runtime.cuda;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.LongStream;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.PageTable;
import org.ringworld.runtime.ScaleGroups;
import org.ringworld.runtime.Shapes;
import org.ringworld.runtime.Tensor;

/** Every kernel of a card, each with the meaning that {@link Kernels} gives it. */
final class CudaKernels implements Kernels {
    /** Threads of a block of a kernel that goes over elements, and how many each takes at once. */
    private static final int BLOCK = 256;

    private static final int EACH = 8;

    /** Blocks that keep every card busy; each then goes on to further elements. */
    private static final long MOST_BLOCKS = 4096;

    private final CudaDevice device;
    private final CudaAttention attention;
    private final CudaMatmul matmul;

    CudaKernels(CudaDevice device) {
        this.device = device;
        attention = new CudaAttention(device);
        matmul = new CudaMatmul(device);
    }

    private void elementwise(String kernel, long elements, Object... arguments) {
        if (elements > 0) {
            long blocks = Math.ceilDiv(elements, (long) BLOCK * EACH);
            device.launch(
                    "elementwise." + kernel,
                    Grid.of(Math.min(blocks, MOST_BLOCKS)),
                    BLOCK,
                    0,
                    arguments);
        }
    }

    /** A block for each row of {@code dim} elements. */
    private void rows(String kernel, long rows, long dim, Object... arguments) {
        if (rows > 0) {
            device.launch(
                    "rows." + kernel,
                    Grid.of(rows),
                    threads(Math.ceilDiv(dim, EACH)),
                    0,
                    arguments);
        }
    }

    /** Threads for so much work: whole warps, 512 threads at most. */
    private static int threads(long work) {
        return Math.clamp(Math.ceilDiv(work, 32) * 32, 32, 512);
    }

    /**
     * Bytes that may be copied at once where all of {@code multiples} begin and end: 16, or an
     * element.
     */
    static int unit(int element, long... multiples) {
        return LongStream.of(multiples).allMatch(m -> m % 16 == 0) ? 16 : element;
    }

    private void quantized(String kernel, ScaleGroups groups, Object... tensors) {
        Object[] arguments = Arrays.copyOf(tensors, 6);
        arguments[3] = groups.rows();
        arguments[4] = groups.heads();
        arguments[5] = groups.run();
        long elements = (long) groups.rows() * groups.run();
        device.launch(
                "quantize." + kernel, Grid.of(groups.count()), threads(elements), 0, arguments);
    }

    private void rotate(Tensor x, Tensor cos, Tensor sin, Tensor y, int sign) {
        long pairs = x.size() / 2;
        if (pairs > 0) {
            device.launch(
                    "rotary.rotate_" + suffix(x) + "_" + suffix(y),
                    Grid.of(Math.min(Math.ceilDiv(pairs, (long) BLOCK * EACH), MOST_BLOCKS)),
                    BLOCK,
                    0,
                    x,
                    cos,
                    sin,
                    y,
                    (float) sign,
                    x.dim(0),
                    Math.toIntExact(x.dim(1)),
                    Math.toIntExact(x.dim(2) / 2));
        }
    }

    /** What a kernel's name ends in for a dtype: {@code bf16}. */
    static String suffix(Tensor t) {
        return t.dtype().name().toLowerCase(Locale.ROOT);
    }

    @Override
    public void matmul(Product product, Tensor a, Tensor b, Tensor c, boolean accumulate) {
        matmul.product(product, a, b, c, accumulate);
    }

    @Override
    public void rowwise(boolean on) {
        matmul.rowwise(on);
    }

    @Override
    public void fill(Tensor x, float value) {
        Shapes.values("fill", x);
        elementwise("fill_" + suffix(x), x.size(), x, value, x.size());
    }

    @Override
    public void copy(Tensor from, Tensor to) {
        KernelShapes.copy(from, to);
        if (from.size() == 0) {
            return;
        }
        if (to.dtype() == DType.I8) {
            quantized("copy_" + suffix(from) + "_i8", to.groups(), from, to, to.scales());
        } else if (from.dtype() == DType.I8) {
            quantized("copy_i8_" + suffix(to), from.groups(), from, from.scales(), to);
        } else if (from.dtype() == to.dtype()) {
            device.copy(from, to);
        } else {
            String kernel = "copy_" + suffix(from) + "_" + suffix(to);
            elementwise(kernel, from.size(), from, to, from.size());
        }
    }

    @Override
    public void copyColumns(Tensor from, long fromColumn, Tensor to, long toColumn, long n) {
        KernelShapes.copyColumns(from, fromColumn, to, toColumn, n);
        long rows = from.dim(0);
        if (rows == 0 || n == 0) {
            return;
        }
        int element = from.dtype().bytes();
        long source = from.address() + fromColumn * element;
        long target = to.address() + toColumn * element;
        int unit =
                unit(
                        element,
                        source,
                        target,
                        from.dim(1) * element,
                        to.dim(1) * element,
                        n * element);
        long units = n * element / unit;
        device.launch(
                "elementwise.copyColumns_" + unit,
                Grid.of(Math.min(Math.ceilDiv(units, BLOCK), MOST_BLOCKS), Math.min(rows, 65535)),
                BLOCK,
                0,
                source,
                from.dim(1) * element / unit,
                target,
                to.dim(1) * element / unit,
                units,
                rows);
    }

    @Override
    public void add(Tensor x, Tensor into) {
        KernelShapes.pairOfValues("add", x, into);
        elementwise("add_" + suffix(x) + "_" + suffix(into), x.size(), x, into, x.size());
    }

    @Override
    public void sumOfSquares(Tensor x, Tensor result) {
        KernelShapes.sumOfSquares(x, result);
        int blocks = Math.clamp(Math.ceilDiv(x.size(), (long) BLOCK * EACH), 1, 1024);
        long partial = device.scratch(8L * blocks).address();
        device.launch(
                "elementwise.sumOfSquares_begin", Grid.of(blocks), BLOCK, 0, x, partial, x.size());
        device.launch(
                "elementwise.sumOfSquares_end", Grid.of(1), BLOCK, 0, partial, result, blocks);
    }

    @Override
    public void embedding(Tensor ids, Tensor table, Tensor y) {
        KernelShapes.embedding(ids, table, y);
        long row = table.dim(1) * table.dtype().bytes();
        if (ids.size() == 0 || row == 0) {
            return;
        }
        int unit = unit(table.dtype().bytes(), table.address(), y.address(), row);
        device.launch(
                "embedding.embedding_" + unit,
                Grid.of(ids.size()),
                threads(row / unit),
                0,
                ids,
                table,
                y,
                Math.toIntExact(table.dim(0)),
                row / unit,
                device.faultWord());
    }

    @Override
    public void embeddingBackward(Tensor ids, Tensor dy, Tensor dTable) {
        KernelShapes.embeddingBackward(ids, dy, dTable);
        int n = Math.toIntExact(ids.size());
        int rows = Math.toIntExact(dTable.dim(0));
        long dim = dTable.dim(1);
        if (n == 0 || dim == 0) {
            return;
        }
        MemorySegment first = device.scratch(4L * rows);
        device.fillInts(first, Integer.MAX_VALUE);
        device.launch(
                "embedding.firstOfId",
                Grid.of(Math.ceilDiv(n, BLOCK)),
                BLOCK,
                0,
                ids,
                first.address(),
                n,
                rows,
                device.faultWord());
        device.launch(
                "embedding.embeddingBackward_" + suffix(dy),
                Grid.of(n, Math.ceilDiv(dim, 4L * BLOCK)),
                BLOCK,
                0,
                ids,
                dy,
                dTable,
                first.address(),
                n,
                rows,
                dim);
    }

    @Override
    public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor y, Tensor rstd) {
        KernelShapes.rmsNorm(x, weight, y, rstd);
        rows("rmsNorm_" + suffix(x), Shapes.rows(x), x.dim(-1), x, weight, eps, y, rstd, x.dim(-1));
    }

    @Override
    public void rmsNormBackward(
            Tensor dy, Tensor x, Tensor weight, Tensor rstd, Tensor dx, Tensor dWeight) {
        KernelShapes.rmsNormBackward(dy, x, weight, rstd, dx, dWeight);
        long dim = x.dim(-1);
        long rows = Shapes.rows(x);
        if (rows == 0 || dim == 0) {
            return;
        }
        long chunk = Math.max(32, Math.ceilDiv(rows, 256));
        long chunks = Math.ceilDiv(rows, chunk);
        long partial = device.scratch(4 * chunks * dim).address();
        long blocks = Math.ceilDiv(dim, 128);
        device.launch(
                "rows.weightGradient_" + suffix(x),
                Grid.of(blocks, chunks),
                128,
                0,
                dy,
                x,
                rstd,
                partial,
                rows,
                chunk,
                dim);
        device.launch(
                "rows.weightGradient_end", Grid.of(blocks), 128, 0, partial, dWeight, chunks, dim);
        rows("rmsNormBackward_" + suffix(x), rows, dim, dy, x, weight, rstd, dx, dim);
    }

    @Override
    public void rotaryAngles(
            Tensor positions, double[] inverseFrequencies, double scale, Tensor cos, Tensor sin) {
        KernelShapes.rotaryAngles(positions, inverseFrequencies, cos, sin);
        MemorySegment frequencies = device.scratch(8L * inverseFrequencies.length);
        device.copyIn(MemorySegment.ofArray(inverseFrequencies), frequencies);
        if (cos.size() > 0) {
            device.launch(
                    "rotary.rotaryAngles",
                    Grid.of(Math.min(Math.ceilDiv(cos.size(), BLOCK), MOST_BLOCKS)),
                    BLOCK,
                    0,
                    positions,
                    frequencies.address(),
                    scale,
                    cos,
                    sin,
                    cos.size(),
                    inverseFrequencies.length);
        }
    }

    @Override
    public void rotary(Tensor x, Tensor cos, Tensor sin, Tensor y) {
        KernelShapes.rotary("rotary", x, cos, sin, y);
        KernelShapes.sameValues("rotary", x, y);
        rotate(x, cos, sin, y, 1);
    }

    @Override
    public void rotaryBackward(Tensor dy, Tensor cos, Tensor sin, Tensor dx) {
        KernelShapes.rotary("rotaryBackward", dy, cos, sin, dx);
        rotate(dy, cos, sin, dx, -1);
    }

    @Override
    public void swiGlu(Tensor gate, Tensor up, Tensor y) {
        KernelShapes.sameValues("swiGlu", gate, up);
        KernelShapes.sameValues("swiGlu", gate, y);
        elementwise("swiGlu_" + suffix(y), y.size(), gate, up, y, y.size());
    }

    @Override
    public void swiGluBackward(Tensor dy, Tensor gate, Tensor up, Tensor dGate, Tensor dUp) {
        for (Tensor t : new Tensor[] {gate, up, dGate, dUp}) {
            KernelShapes.sameValues("swiGluBackward", dy, t);
        }
        String kernel = "swiGluBackward_" + suffix(dy);
        elementwise(kernel, dy.size(), dy, gate, up, dGate, dUp, dy.size());
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
        attention.attention(
                q, qPositions, qSegments, k, v, kPositions, kSegments, scale, out, max, sum);
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
        attention.pagedAttention(
                q, qPositions, pool, open, kPositions, table, scale, out, max, sum);
    }

    @Override
    public void attentionMerge(
            Tensor otherOut, Tensor otherMax, Tensor otherSum, Tensor out, Tensor max, Tensor sum) {
        attention.attentionMerge(otherOut, otherMax, otherSum, out, max, sum);
    }

    @Override
    public void attentionDelta(Tensor dOut, Tensor out, Tensor delta) {
        attention.attentionDelta(dOut, out, delta);
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
        attention.attentionBackward(
                q,
                qPositions,
                qSegments,
                k,
                v,
                kPositions,
                kSegments,
                scale,
                dOut,
                max,
                sum,
                delta,
                dq,
                dk,
                dv);
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
        rows(
                "crossEntropy_" + suffix(dLogits == null ? logits : dLogits),
                targets.size(),
                logits.dim(-1),
                logits,
                targets,
                weights,
                gradScale,
                ce,
                hits,
                dLogits,
                logits.dim(-1),
                device.faultWord());
    }

    @Override
    public void adamW(
            Tensor param, Tensor grad, Tensor m, Tensor v, Tensor shadow, AdamWStep step) {
        KernelShapes.adamW(param, grad, m, v, shadow);
        elementwise(
                "adamW_" + suffix(m),
                param.size(),
                param,
                grad,
                m,
                v,
                shadow,
                step.gradScale(),
                step.beta1(),
                (float) (1.0 - step.beta1()),
                step.beta2(),
                (float) (1.0 - step.beta2()),
                (float) (1 - Math.pow(step.beta1(), step.step())),
                (float) (1 - Math.pow(step.beta2(), step.step())),
                step.eps(),
                step.learningRate(),
                (float) ((double) step.learningRate() * step.weightDecay()),
                param.size());
    }

    /** Gives back what is kept from call to call. */
    void trim() {
        matmul.trim();
    }

    void close() {
        matmul.close();
    }
}
