package org.ringworld.runtime;

import static org.ringworld.runtime.Shapes.dtype;
import static org.ringworld.runtime.Shapes.require;
import static org.ringworld.runtime.Shapes.sameSize;
import static org.ringworld.runtime.Shapes.values;

import java.util.Objects;
import org.ringworld.runtime.Kernels.Product;

/** The doors of the kernels: what each one requires of its tensors, for every CPU variant. */
public final class KernelShapes {
    private KernelShapes() {}

    /** Sizes of a product c[M,N], summed over K. */
    public record Matmul(long m, long n, long k) {}

    /** Sizes of attention: S queries, T keys, H heads, G KV heads, D headDim. */
    public record Attention(long s, long t, int h, int g, int d) {
        /** Query heads that read one KV head. */
        public int group() {
            return h / g;
        }
    }

    public static Matmul matmul(Product product, Tensor a, Tensor b, Tensor c) {
        String kernel = "matmul " + product;
        values(kernel, a, c);
        valuesOrI8(kernel, b);
        require(a.rank() == 2 && b.rank() == 2, kernel, a, b);
        require(a.dtype() == b.dtype() || product == Product.NT, kernel, a, b);
        require(c.dtype() == DType.F32 || c.dtype() == a.dtype(), kernel, a, c);
        long m = product == Product.TN ? a.dim(1) : a.dim(0);
        long k = product == Product.TN ? a.dim(0) : a.dim(1);
        long n = product == Product.NT ? b.dim(0) : b.dim(1);
        require(k == (product == Product.NT ? b.dim(1) : b.dim(0)), kernel, a, b);
        require(c.rank() == 2 && c.dim(0) == m && c.dim(1) == n, kernel, a, c);
        return new Matmul(m, n, k);
    }

    private static void valuesOrI8(String kernel, Tensor t) {
        if (t.dtype() != DType.I8) {
            values(kernel, t);
        }
    }

    public static void sameValues(String kernel, Tensor a, Tensor b) {
        values(kernel, a, b);
        require(a.dtype() == b.dtype(), kernel, a, b);
        sameSize(kernel, a, b);
    }

    /** Values or I8 to values or I8, not both I8. */
    public static void copy(Tensor from, Tensor to) {
        values("copy", from.dtype() == DType.I8 ? to : from);
        valuesOrI8("copy", to);
        sameSize("copy", from, to);
    }

    public static void pairOfValues(String kernel, Tensor a, Tensor b) {
        values(kernel, a, b);
        sameSize(kernel, a, b);
    }

    public static void sumOfSquares(Tensor x, Tensor result) {
        dtype("sumOfSquares", DType.F32, x, result);
        require(result.size() == 1, "sumOfSquares", x, result);
    }

    public static void copyColumns(Tensor from, long fromColumn, Tensor to, long toColumn, long n) {
        values("copyColumns", from, to);
        require(
                from.dtype() == to.dtype()
                        && from.rank() == 2
                        && to.rank() == 2
                        && from.dim(0) == to.dim(0),
                "copyColumns",
                from,
                to);
        Objects.checkFromIndexSize(fromColumn, n, from.dim(1));
        Objects.checkFromIndexSize(toColumn, n, to.dim(1));
    }

    public static void embedding(Tensor ids, Tensor table, Tensor y) {
        dtype("embedding", DType.I32, ids);
        values("embedding", table, y);
        require(table.rank() == 2 && ids.size() == Shapes.rows(y), "embedding", ids, y);
        require(table.dtype() == y.dtype() && table.dim(1) == y.dim(-1), "embedding", table, y);
    }

    public static void embeddingBackward(Tensor ids, Tensor dy, Tensor dTable) {
        dtype("embeddingBackward", DType.I32, ids);
        dtype("embeddingBackward", DType.F32, dTable);
        values("embeddingBackward", dy);
        require(ids.size() == Shapes.rows(dy), "embeddingBackward", ids, dy);
        require(dTable.rank() == 2 && dTable.dim(1) == dy.dim(-1), "embeddingBackward", dy, dTable);
    }

    /** An id that the table does not have would read or write foreign memory. */
    public static int row(String kernel, int id, long rows) {
        if (id < 0 || id >= rows) {
            throw new IndexOutOfBoundsException(
                    "%s: id %d of a table of %d rows".formatted(kernel, id, rows));
        }
        return id;
    }

    public static void rmsNorm(Tensor x, Tensor weight, Tensor y, Tensor rstd) {
        sameValues("rmsNorm", x, y);
        values("rmsNorm", weight);
        dtype("rmsNorm", DType.F32, rstd);
        require(weight.dtype() == x.dtype() && weight.size() == x.dim(-1), "rmsNorm", x, weight);
        require(rstd.size() == Shapes.rows(x), "rmsNorm", x, rstd);
    }

    public static void rmsNormBackward(
            Tensor dy, Tensor x, Tensor weight, Tensor rstd, Tensor dx, Tensor dWeight) {
        String kernel = "rmsNormBackward";
        sameValues(kernel, dy, x);
        sameValues(kernel, x, dx);
        values(kernel, weight);
        dtype(kernel, DType.F32, rstd, dWeight);
        require(weight.dtype() == x.dtype() && weight.size() == x.dim(-1), kernel, x, weight);
        require(rstd.size() == Shapes.rows(x), kernel, x, rstd);
        sameSize(kernel, weight, dWeight);
    }

    public static void rotaryAngles(
            Tensor positions, double[] frequencies, Tensor cos, Tensor sin) {
        dtype("rotaryAngles", DType.I32, positions);
        dtype("rotaryAngles", DType.F32, cos, sin);
        require(
                cos.size() == positions.size() * frequencies.length,
                "rotaryAngles",
                positions,
                cos);
        sameSize("rotaryAngles", cos, sin);
    }

    /** x [S,heads,D] against cos [S,D/2]; x and y may differ in dtype only in backward. */
    public static void rotary(String kernel, Tensor x, Tensor cos, Tensor sin, Tensor y) {
        pairOfValues(kernel, x, y);
        dtype(kernel, DType.F32, cos, sin);
        sameSize(kernel, cos, sin);
        require(x.rank() == 3 && cos.rank() == 2, kernel, x, cos);
        require(x.dim(0) == cos.dim(0) && x.dim(2) == 2 * cos.dim(1), kernel, x, cos);
    }

    public static Attention attention(
            String kernel,
            Tensor q,
            Tensor qPositions,
            Tensor qSegments,
            Tensor k,
            Tensor v,
            Tensor kPositions,
            Tensor kSegments,
            Tensor out,
            Tensor max,
            Tensor sum) {
        values(kernel, q, k, v);
        dtype(kernel, DType.I32, qPositions, qSegments, kPositions, kSegments);
        dtype(kernel, DType.F32, max, sum);
        require(q.rank() == 3 && k.rank() == 3 && q.dim(2) == k.dim(2), kernel, q, k);
        require(q.dtype() == k.dtype(), kernel, q, k);
        require(k.dim(1) > 0 && q.dim(1) % k.dim(1) == 0, kernel, q, k);
        require(k.dtype() == v.dtype() && k.size() == v.size(), kernel, k, v);
        require(qPositions.size() == q.dim(0), kernel, q, qPositions);
        require(qSegments.size() == q.dim(0), kernel, q, qSegments);
        require(kPositions.size() == k.dim(0), kernel, k, kPositions);
        require(kSegments.size() == k.dim(0), kernel, k, kSegments);
        values(kernel, out);
        sameSize(kernel, q, out);
        require(max.size() == q.dim(0) * q.dim(1), kernel, q, max);
        sameSize(kernel, max, sum);
        return new Attention(q.dim(0), k.dim(0), (int) q.dim(1), (int) k.dim(1), (int) q.dim(2));
    }

    /** Sizes of attention to pages: P of a pool, T places each, H heads, G KV heads, D headDim. */
    public record Paged(long p, int t, int h, int g, int d) {
        /** Query heads that read one KV head. */
        public int group() {
            return h / g;
        }

        /** Elements of a page. */
        public long page() {
            return 2L * t * g * d;
        }
    }

    /** Elements of a page of a pool [P,2,T,G,D]. */
    private static long page(Tensor pool) {
        return pool.dim(1) * pool.dim(2) * pool.dim(3) * pool.dim(4);
    }

    /** A page has a multiple of so many places: a whole vector of any processor. */
    public static final int PAGE_GRAIN = 16;

    public static Paged pagedAttention(
            Tensor q,
            Tensor qPositions,
            Tensor pool,
            Tensor open,
            Tensor kPositions,
            PageTable table,
            Tensor out,
            Tensor max,
            Tensor sum) {
        String kernel = "pagedAttention";
        values(kernel, q, open);
        valuesOrI8(kernel, pool);
        dtype(kernel, DType.I32, qPositions, kPositions);
        dtype(kernel, DType.I32, table.queries(), table.borders(), table.pages());
        dtype(kernel, DType.F32, out, max, sum);
        require(q.rank() == 3 && pool.rank() == 5 && q.dim(2) == pool.dim(4), kernel, q, pool);
        require(pool.dim(3) > 0 && q.dim(1) % pool.dim(3) == 0, kernel, q, pool);
        require(pool.dim(1) == 2 && pool.dim(2) % PAGE_GRAIN == 0, kernel, q, pool);
        require(qPositions.size() == q.dim(0), kernel, q, qPositions);
        require(open.rank() == 5 && page(open) == page(pool), kernel, pool, open);
        require(open.dim(2) == pool.dim(2) && open.dim(3) == pool.dim(3), kernel, pool, open);
        long pages = pool.dim(0) + open.dim(0);
        require(kPositions.size() == pages * pool.dim(2), kernel, pool, kPositions);
        sameSize(kernel, table.queries(), table.borders());
        require(table.queries().size() > 0, kernel, table.queries(), table.borders());
        sameSize(kernel, q, out);
        require(max.size() == q.dim(0) * q.dim(1), kernel, q, max);
        sameSize(kernel, max, sum);
        return new Paged(
                pool.dim(0),
                Math.toIntExact(pool.dim(2)),
                (int) q.dim(1),
                (int) pool.dim(3),
                (int) q.dim(2));
    }

    public static void attentionMerge(
            Tensor otherOut, Tensor otherMax, Tensor otherSum, Tensor out, Tensor max, Tensor sum) {
        String kernel = "attentionMerge";
        dtype(kernel, DType.F32, otherOut, otherMax, otherSum, out, max, sum);
        sameSize(kernel, otherOut, out);
        require(otherOut.dim(-1) == out.dim(-1), kernel, otherOut, out);
        require(Shapes.rows(out) == max.size(), kernel, out, max);
        sameSize(kernel, otherMax, max);
        sameSize(kernel, otherSum, sum);
        sameSize(kernel, max, sum);
    }

    public static void attentionDelta(Tensor dOut, Tensor out, Tensor delta) {
        pairOfValues("attentionDelta", dOut, out);
        dtype("attentionDelta", DType.F32, delta);
        require(Shapes.rows(out) == delta.size(), "attentionDelta", out, delta);
        require(out.dim(-1) == dOut.dim(-1), "attentionDelta", out, dOut);
    }

    public static void attentionGradients(
            Tensor q, Tensor k, Tensor sum, Tensor delta, Tensor dq, Tensor dk, Tensor dv) {
        String kernel = "attentionBackward";
        dtype(kernel, DType.F32, delta, dq, dk, dv);
        sameSize(kernel, sum, delta);
        sameSize(kernel, q, dq);
        sameSize(kernel, k, dk);
        sameSize(kernel, k, dv);
    }

    public static void crossEntropy(
            Tensor logits, Tensor targets, Tensor weights, Tensor ce, Tensor hits, Tensor dLogits) {
        String kernel = "crossEntropy";
        dtype(kernel, DType.F32, logits, weights, ce);
        dtype(kernel, DType.I32, targets, hits);
        require(targets.size() == Shapes.rows(logits), kernel, logits, targets);
        sameSize(kernel, targets, weights);
        sameSize(kernel, targets, ce);
        sameSize(kernel, targets, hits);
        if (dLogits != null) {
            pairOfValues(kernel, logits, dLogits);
        }
    }

    public static void adamW(Tensor param, Tensor grad, Tensor m, Tensor v, Tensor shadow) {
        dtype("adamW", DType.F32, param, grad, v);
        pairOfValues("adamW", param, m);
        sameSize("adamW", param, grad);
        sameSize("adamW", param, v);
        if (shadow != null) {
            dtype("adamW", DType.BF16, shadow);
            sameSize("adamW", param, shadow);
        }
    }
}
