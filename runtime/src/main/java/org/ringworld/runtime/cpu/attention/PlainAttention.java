package org.ringworld.runtime.cpu.attention;

import static org.ringworld.runtime.cpu.elementwise.Elements.add;
import static org.ringworld.runtime.cpu.elementwise.Elements.get;
import static org.ringworld.runtime.cpu.elementwise.Elements.getInt;
import static org.ringworld.runtime.cpu.elementwise.Elements.set;

import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.Tensor;

/** Attention to one block of keys, one query row at a time, in F64. */
public final class PlainAttention {
    private static final double LN_2 = Math.log(2);

    private PlainAttention() {}

    public static void forward(
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
        int d = shape.d();
        double[] scores = new double[(int) shape.t()];
        double[] result = new double[d];
        for (long row = 0; row < shape.s() * shape.h(); row++) {
            long s = row / shape.h();
            long kvHead = row % shape.h() / shape.group();
            double greatest = get(max, row);
            for (int t = 0; t < shape.t(); t++) {
                scores[t] = Double.NEGATIVE_INFINITY;
                if (sees(qPositions, qSegments, s, kPositions, kSegments, t)) {
                    scores[t] = score(scale, q, row, k, t * (long) shape.g() + kvHead, d);
                    greatest = Math.max(greatest, scores[t]);
                }
            }
            if (greatest == Double.NEGATIVE_INFINITY) {
                continue; // has seen nothing yet
            }
            greatest = (float) greatest; // what is stored is what the sum is relative to
            double total = get(sum, row) * exp2(get(max, row) - greatest);
            for (int i = 0; i < d; i++) {
                result[i] = total * get(out, row * d + i);
            }
            for (int t = 0; t < shape.t(); t++) {
                double p = exp2(scores[t] - greatest);
                total += p;
                for (int i = 0; p != 0 && i < d; i++) {
                    result[i] += p * get(v, (t * (long) shape.g() + kvHead) * d + i);
                }
            }
            for (int i = 0; i < d; i++) {
                set(out, row * d + i, result[i] / total);
            }
            set(max, row, greatest);
            set(sum, row, total);
        }
    }

    /** One row of queries at a time, over all pages of its sequence. */
    public static void paged(PagedCall call) {
        for (int b = 0; b < call.table().sequences(); b++) {
            for (long s = call.query(b); s < call.query(b + 1); s++) {
                for (int head = 0; head < call.shape().h(); head++) {
                    pagedRow(call, b, s, head);
                }
            }
        }
    }

    private static void pagedRow(PagedCall call, int b, long s, int head) {
        KernelShapes.Paged shape = call.shape();
        int d = shape.d();
        long row = s * shape.h() + head;
        double greatest = Double.NEGATIVE_INFINITY;
        double total = 0;
        double[] result = new double[d];
        for (int i = call.border(b); i < call.border(b + 1); i++) {
            long page = call.page(i);
            Tensor pool = call.tensorOf(page);
            long first = 2 * call.rowOf(page) * shape.t();
            for (int t = 0; t < shape.t(); t++) {
                if (getInt(call.kPositions(), page * shape.t() + t) > call.qPosition(s)) {
                    continue;
                }
                long key = (first + t) * shape.g() + head / shape.group();
                long value = key + (long) shape.t() * shape.g();
                double score = score(call.scale(), call.q(), row, pool, key, d);
                double fade = score > greatest ? exp2(greatest - score) : 1;
                greatest = Math.max(greatest, score);
                double p = exp2(score - greatest);
                total = total * fade + p;
                for (int j = 0; j < d; j++) {
                    result[j] = result[j] * fade + p * get(pool, value * d + j);
                }
            }
        }
        double stored = (float) greatest; // what is stored is what the sum is relative to
        for (int j = 0; j < d; j++) {
            set(call.out(), row * d + j, total == 0 ? 0 : result[j] / total);
        }
        set(call.max(), row, stored);
        set(call.sum(), row, total == 0 ? 0 : total * exp2(greatest - stored));
    }

    /** Σ of both relative to the greater maximum; the means weighted by their sums. */
    public static void merge(
            Tensor otherOut, Tensor otherMax, Tensor otherSum, Tensor out, Tensor max, Tensor sum) {
        long d = out.dim(-1);
        for (long row = 0; row < max.size(); row++) {
            if (get(otherSum, row) == 0) {
                continue; // two empty ones have no maximum to be relative to
            }
            double greatest = Math.max(get(otherMax, row), get(max, row));
            double other = get(otherSum, row) * exp2(get(otherMax, row) - greatest);
            double own = get(sum, row) * exp2(get(max, row) - greatest);
            for (long i = row * d; i < (row + 1) * d; i++) {
                set(out, i, (other * get(otherOut, i) + own * get(out, i)) / (other + own));
            }
            set(max, row, greatest);
            set(sum, row, other + own);
        }
    }

    /**
     * With p = exp(scale q·k − max) / sum: dv += p dOut; dp = dOut·v; ds = scale p (dp − delta); dq
     * += ds k; dk += ds q.
     */
    public static void backward(
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
        int d = shape.d();
        for (long row = 0; row < shape.s() * shape.h(); row++) {
            long s = row / shape.h();
            for (int t = 0; t < shape.t(); t++) {
                if (!sees(qPositions, qSegments, s, kPositions, kSegments, t)) {
                    continue;
                }
                long key = t * (long) shape.g() + row % shape.h() / shape.group();
                double score = score(scale, q, row, k, key, d);
                double p = exp2(score - get(max, row)) / get(sum, row);
                double ds = scale * p * (dot(dOut, row, v, key, d) - get(delta, row));
                for (int i = 0; i < d; i++) {
                    add(dv, key * d + i, p * get(dOut, row * d + i));
                    add(dq, row * d + i, ds * get(k, key * d + i));
                    add(dk, key * d + i, ds * get(q, row * d + i));
                }
            }
        }
    }

    private static boolean sees(
            Tensor qPositions,
            Tensor qSegments,
            long s,
            Tensor kPositions,
            Tensor kSegments,
            int t) {
        int segment = getInt(qSegments, s);
        return segment >= 0
                && segment == getInt(kSegments, t)
                && getInt(kPositions, t) <= getInt(qPositions, s);
    }

    /** In units of ln 2. */
    private static double score(float scale, Tensor q, long row, Tensor k, long key, int d) {
        return scale / LN_2 * dot(q, row, k, key, d);
    }

    private static double exp2(double x) {
        return Math.exp(x * LN_2);
    }

    private static double dot(Tensor a, long rowOfA, Tensor b, long rowOfB, int d) {
        double sum = 0;
        for (int i = 0; i < d; i++) {
            sum += (double) get(a, rowOfA * d + i) * get(b, rowOfB * d + i);
        }
        return sum;
    }
}
