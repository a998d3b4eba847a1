package org.ringworld.runtime.cpu;

import static org.ringworld.runtime.cpu.elementwise.Elements.get;
import static org.ringworld.runtime.cpu.elementwise.Elements.getInt;
import static org.ringworld.runtime.cpu.elementwise.Elements.set;
import static org.ringworld.runtime.cpu.elementwise.Elements.setByte;
import static org.ringworld.runtime.cpu.elementwise.Elements.setInt;

import org.ringworld.runtime.DType;
import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.PageTable;
import org.ringworld.runtime.ScaleGroups;
import org.ringworld.runtime.Shapes;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.attention.PagedCall;
import org.ringworld.runtime.cpu.attention.PlainAttention;
import org.ringworld.runtime.cpu.elementwise.Elements;

/**
 * Every kernel as one plain loop, one thread, sums in F64: the oracle that the fast kernels are
 * compared to, and what runs where the Vector API is missing.
 */
public final class PlainKernels implements Kernels {
    @Override
    public void matmul(Product product, Tensor a, Tensor b, Tensor c, boolean accumulate) {
        var shape = KernelShapes.matmul(product, a, b, c);
        long m = shape.m();
        long n = shape.n();
        long k = shape.k();
        for (long i = 0; i < m; i++) {
            for (long j = 0; j < n; j++) {
                double sum = 0;
                for (long p = 0; p < k; p++) {
                    float left = get(a, product == Product.TN ? p * m + i : i * k + p);
                    float right = get(b, product == Product.NT ? j * k + p : p * n + j);
                    sum += (double) left * right;
                }
                set(c, i * n + j, accumulate ? get(c, i * n + j) + sum : sum);
            }
        }
    }

    /** It is that already. */
    @Override
    public void rowwise(boolean on) {}

    @Override
    public void fill(Tensor x, float value) {
        Shapes.values("fill", x);
        for (long i = 0; i < x.size(); i++) {
            set(x, i, value);
        }
    }

    @Override
    public void copy(Tensor from, Tensor to) {
        KernelShapes.copy(from, to);
        if (to.dtype() == DType.I8) {
            quantize(from, to);
            return;
        }
        for (long i = 0; i < from.size(); i++) {
            set(to, i, get(from, i));
        }
    }

    private static void quantize(Tensor from, Tensor to) {
        ScaleGroups groups = to.groups();
        float[] greatest = new float[Math.toIntExact(groups.count())];
        for (long i = 0; i < from.size(); i++) {
            int group = (int) groups.of(i);
            greatest[group] = Math.max(greatest[group], Math.abs(get(from, i)));
        }
        for (int group = 0; group < greatest.length; group++) {
            set(to.scales(), group, greatest[group] / 127);
        }
        for (long i = 0; i < from.size(); i++) {
            float scale = get(to.scales(), groups.of(i));
            double rounded = scale == 0 ? 0 : Math.rint(get(from, i) / scale);
            setByte(to, i, Math.clamp(rounded, -127, 127));
        }
    }

    @Override
    public void copyColumns(Tensor from, long fromColumn, Tensor to, long toColumn, long n) {
        KernelShapes.copyColumns(from, fromColumn, to, toColumn, n);
        for (long s = 0; s < from.dim(0); s++) {
            for (long i = 0; i < n; i++) {
                set(to, s * to.dim(1) + toColumn + i, get(from, s * from.dim(1) + fromColumn + i));
            }
        }
    }

    @Override
    public void add(Tensor x, Tensor into) {
        KernelShapes.pairOfValues("add", x, into);
        for (long i = 0; i < x.size(); i++) {
            Elements.add(into, i, get(x, i));
        }
    }

    @Override
    public void sumOfSquares(Tensor x, Tensor result) {
        KernelShapes.sumOfSquares(x, result);
        double sum = 0;
        for (long i = 0; i < x.size(); i++) {
            sum += (double) get(x, i) * get(x, i);
        }
        set(result, 0, sum);
    }

    @Override
    public void embedding(Tensor ids, Tensor table, Tensor y) {
        KernelShapes.embedding(ids, table, y);
        long e = table.dim(1);
        for (long s = 0; s < ids.size(); s++) {
            long row = KernelShapes.row("embedding", getInt(ids, s), table.dim(0));
            for (long i = 0; i < e; i++) {
                set(y, s * e + i, get(table, row * e + i));
            }
        }
    }

    @Override
    public void embeddingBackward(Tensor ids, Tensor dy, Tensor dTable) {
        KernelShapes.embeddingBackward(ids, dy, dTable);
        long e = dTable.dim(1);
        for (long s = 0; s < ids.size(); s++) {
            long row = KernelShapes.row("embeddingBackward", getInt(ids, s), dTable.dim(0));
            for (long i = 0; i < e; i++) {
                Elements.add(dTable, row * e + i, get(dy, s * e + i));
            }
        }
    }

    @Override
    public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor y, Tensor rstd) {
        KernelShapes.rmsNorm(x, weight, y, rstd);
        long e = x.dim(-1);
        for (long s = 0; s < Shapes.rows(x); s++) {
            double sum = 0;
            for (long i = 0; i < e; i++) {
                sum += (double) get(x, s * e + i) * get(x, s * e + i);
            }
            double r = 1 / Math.sqrt(sum / e + eps);
            set(rstd, s, r);
            for (long i = 0; i < e; i++) {
                set(y, s * e + i, get(x, s * e + i) * r * get(weight, i));
            }
        }
    }

    @Override
    public void rmsNormBackward(
            Tensor dy, Tensor x, Tensor weight, Tensor rstd, Tensor dx, Tensor dWeight) {
        KernelShapes.rmsNormBackward(dy, x, weight, rstd, dx, dWeight);
        long e = x.dim(-1);
        double[] dw = new double[(int) e];
        for (long s = 0; s < Shapes.rows(x); s++) {
            double r = get(rstd, s);
            double dot = 0;
            for (long i = 0; i < e; i++) {
                dot += (double) get(dy, s * e + i) * get(weight, (int) i) * get(x, s * e + i) * r;
                dw[(int) i] += get(dy, s * e + i) * get(x, s * e + i) * r;
            }
            for (long i = 0; i < e; i++) {
                double normed = get(x, s * e + i) * r;
                double dNormed = (double) get(dy, s * e + i) * get(weight, i);
                Elements.add(dx, s * e + i, r * (dNormed - normed * dot / e));
            }
        }
        for (int i = 0; i < e; i++) {
            Elements.add(dWeight, i, dw[i]);
        }
    }

    @Override
    public void rotaryAngles(
            Tensor positions, double[] inverseFrequencies, double scale, Tensor cos, Tensor sin) {
        KernelShapes.rotaryAngles(positions, inverseFrequencies, cos, sin);
        int half = inverseFrequencies.length;
        for (long s = 0; s < positions.size(); s++) {
            for (int i = 0; i < half; i++) {
                double angle = getInt(positions, s) * inverseFrequencies[i];
                set(cos, s * half + i, scale * Math.cos(angle));
                set(sin, s * half + i, scale * Math.sin(angle));
            }
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

    private static void rotate(Tensor x, Tensor cos, Tensor sin, Tensor y, int sign) {
        long heads = x.dim(1);
        long half = x.dim(2) / 2;
        for (long row = 0; row < x.dim(0) * heads; row++) {
            for (long i = 0; i < half; i++) {
                double c = get(cos, row / heads * half + i);
                double s = sign * get(sin, row / heads * half + i);
                long at = row * 2 * half + i;
                double first = get(x, at);
                double second = get(x, at + half);
                set(y, at, first * c - second * s);
                set(y, at + half, second * c + first * s);
            }
        }
    }

    @Override
    public void swiGlu(Tensor gate, Tensor up, Tensor y) {
        KernelShapes.sameValues("swiGlu", gate, up);
        KernelShapes.sameValues("swiGlu", gate, y);
        for (long i = 0; i < gate.size(); i++) {
            double g = get(gate, i);
            set(y, i, g / (1 + Math.exp(-g)) * get(up, i));
        }
    }

    @Override
    public void swiGluBackward(Tensor dy, Tensor gate, Tensor up, Tensor dGate, Tensor dUp) {
        for (Tensor t : new Tensor[] {gate, up, dGate, dUp}) {
            KernelShapes.sameValues("swiGluBackward", dy, t);
        }
        for (long i = 0; i < gate.size(); i++) {
            double g = get(gate, i);
            double u = get(up, i);
            double d = get(dy, i);
            double sigmoid = 1 / (1 + Math.exp(-g));
            set(dGate, i, d * u * sigmoid * (1 + g * (1 - sigmoid)));
            set(dUp, i, d * g * sigmoid);
        }
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
        PlainAttention.forward(
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
        PlainAttention.paged(
                PagedCall.of(q, qPositions, pool, open, kPositions, table, scale, out, max, sum));
    }

    @Override
    public void attentionMerge(
            Tensor otherOut, Tensor otherMax, Tensor otherSum, Tensor out, Tensor max, Tensor sum) {
        KernelShapes.attentionMerge(otherOut, otherMax, otherSum, out, max, sum);
        PlainAttention.merge(otherOut, otherMax, otherSum, out, max, sum);
    }

    @Override
    public void attentionDelta(Tensor dOut, Tensor out, Tensor delta) {
        KernelShapes.attentionDelta(dOut, out, delta);
        long d = out.dim(-1);
        for (long row = 0; row < delta.size(); row++) {
            double sum = 0;
            for (long i = row * d; i < row * d + d; i++) {
                sum += (double) get(dOut, i) * get(out, i);
            }
            set(delta, row, sum);
        }
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
        KernelShapes.attentionGradients(q, k, sum, delta, dq, dk, dv);
        PlainAttention.backward(
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
        long v = logits.dim(-1);
        for (long s = 0; s < targets.size(); s++) {
            int target = getInt(targets, s);
            if (target >= 0) {
                KernelShapes.row("crossEntropy", target, v);
            }
            double weight = target < 0 ? 0 : (double) get(weights, s) * gradScale;
            double max = Double.NEGATIVE_INFINITY;
            long best = 0;
            for (long i = 0; i < v; i++) {
                if (get(logits, s * v + i) > max) {
                    max = get(logits, s * v + i);
                    best = i;
                }
            }
            double sum = 0;
            for (long i = 0; i < v; i++) {
                sum += Math.exp(get(logits, s * v + i) - max);
            }
            double lse = max + Math.log(sum);
            set(ce, s, target < 0 ? 0 : lse - get(logits, s * v + target));
            setInt(hits, s, best == target ? 1 : 0);
            for (long i = 0; dLogits != null && i < v; i++) {
                double p = Math.exp(get(logits, s * v + i) - lse);
                set(dLogits, s * v + i, weight == 0 ? 0 : weight * (p - (i == target ? 1 : 0)));
            }
        }
    }

    @Override
    public void adamW(Tensor param, Tensor grad, Tensor m, Tensor v, Tensor shadow, AdamWStep s) {
        KernelShapes.adamW(param, grad, m, v, shadow);
        double correction1 = 1 - Math.pow(s.beta1(), s.step());
        double correction2 = 1 - Math.pow(s.beta2(), s.step());
        for (long i = 0; i < param.size(); i++) {
            double g = (double) get(grad, i) * s.gradScale();
            float mean = (float) (s.beta1() * get(m, i) + (1.0 - s.beta1()) * g);
            set(m, i, mean);
            set(v, i, s.beta2() * get(v, i) + (1.0 - s.beta2()) * g * g);
            double step = mean / correction1 / (Math.sqrt(get(v, i) / correction2) + s.eps());
            double decayed = get(param, i) * (1.0 - (double) s.learningRate() * s.weightDecay());
            set(param, i, decayed - s.learningRate() * step);
            if (shadow != null) {
                set(shadow, i, get(param, i));
            }
        }
    }
}
