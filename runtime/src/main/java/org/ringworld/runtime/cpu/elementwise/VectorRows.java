package org.ringworld.runtime.cpu.elementwise;

import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.get;
import static org.ringworld.runtime.cpu.device.Lanes.getInt;
import static org.ringworld.runtime.cpu.device.Lanes.load;
import static org.ringworld.runtime.cpu.device.Lanes.set;
import static org.ringworld.runtime.cpu.device.Lanes.store;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.Shapes;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;

/** Kernels that work along the last axis, some rows a thread. */
public final class VectorRows {
    /** Elements worth waking another thread for. */
    private static final long LEAST = 16 * 1024;

    private final WorkerTeam team;
    private final Scratch scratch;

    public VectorRows(WorkerTeam team, Scratch scratch) {
        this.team = team;
        this.scratch = scratch;
    }

    /** What is done for one row, with room for copies of {@code stride} bytes each. */
    private interface Row {
        void run(long row, long copies, long stride);
    }

    private void rows(long rows, int dim, int copies, Row body) {
        int items = (int) Math.min(rows, team.items(rows * dim, LEAST));
        long stride = 4L * Lanes.pad(dim);
        team.run(
                items,
                (item, worker) -> {
                    long room = scratch.of(worker, copies * stride);
                    for (long r = rows * item / items; r < rows * (item + 1) / items; r++) {
                        body.run(r, room, stride);
                    }
                });
    }

    public void copyColumns(Tensor from, long fromColumn, Tensor to, long toColumn, long n) {
        int bytes = from.dtype().bytes();
        rows(
                from.dim(0),
                Math.toIntExact(n),
                0,
                (s, _, _) ->
                        MemorySegment.copy(
                                Lanes.MEMORY,
                                from.address() + (s * from.dim(1) + fromColumn) * bytes,
                                Lanes.MEMORY,
                                to.address() + (s * to.dim(1) + toColumn) * bytes,
                                n * bytes));
    }

    public void embedding(Tensor ids, Tensor table, Tensor y) {
        long bytes = table.dim(1) * table.dtype().bytes();
        rows(
                ids.size(),
                (int) table.dim(1),
                0,
                (s, _, _) -> {
                    int id = getInt(ids.address() + 4 * s);
                    long row = KernelShapes.row("embedding", id, table.dim(0));
                    MemorySegment.copy(
                            Lanes.MEMORY,
                            table.address() + row * bytes,
                            Lanes.MEMORY,
                            y.address() + s * bytes,
                            bytes);
                });
    }

    /**
     * Each thread adds all rows, but only its own columns: no two meet, and the order is that of s.
     */
    public void embeddingBackward(Tensor ids, Tensor dy, Tensor dTable) {
        int dim = (int) dTable.dim(1);
        for (long s = 0; s < ids.size(); s++) {
            KernelShapes.row("embeddingBackward", getInt(ids.address() + 4 * s), dTable.dim(0));
        }
        int slices = Math.clamp(dim / 64, 1, team.items(ids.size() * dim, LEAST));
        team.run(
                slices,
                (item, worker) -> {
                    long copy = scratch.of(worker, 8L * Lanes.pad(dim));
                    long copyInto = copy + 4L * Lanes.pad(dim);
                    int from = dim * item / slices;
                    int n = dim * (item + 1) / slices - from;
                    for (long s = 0; s < ids.size(); s++) {
                        long at = (long) getInt(ids.address() + 4 * s) * dim + from;
                        long x = Staging.in(dy, s * dim + from, n, copy);
                        long into = Staging.in(dTable, at, n, copyInto);
                        add(x, n, into);
                        Staging.done(dTable, at, n, copyInto);
                    }
                });
    }

    /** Apart from the rows' loop, which is entered once a step and would be compiled too late. */
    private static void add(long x, int n, long into) {
        for (int i = 0; i < n; i += COUNT) {
            store(load(into + 4L * i).add(load(x + 4L * i)), into + 4L * i);
        }
    }

    public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor y, Tensor rstd) {
        int dim = (int) x.dim(-1);
        long rows = Shapes.rows(x);
        int pieces = (int) Math.min(rows, team.items(rows * dim, LEAST));
        long stride = 4L * Lanes.pad(dim);
        team.run(
                pieces,
                (piece, worker) -> {
                    long copies = scratch.of(worker, 3 * stride);
                    long w = Staging.in(weight, 0, dim, copies + stride);
                    for (long s = rows * piece / pieces; s < rows * (piece + 1) / pieces; s++) {
                        long in = Staging.in(x, s * dim, dim, copies);
                        long out = Staging.out(y, s * dim, dim, copies + 2 * stride);
                        float r = (float) (1 / Math.sqrt((double) dot(in, in, dim) / dim + eps));
                        set(rstd.address() + 4 * s, r);
                        for (int i = 0; i < dim; i += COUNT) {
                            store(load(in + 4L * i).mul(r).mul(load(w + 4L * i)), out + 4L * i);
                        }
                        Staging.done(y, s * dim, dim, copies + 2 * stride);
                    }
                });
    }

    /** dWeight is summed for each piece of rows by itself, then piece by piece. */
    public void rmsNormBackward(
            Tensor dy, Tensor x, Tensor weight, Tensor rstd, Tensor dx, Tensor dWeight) {
        int dim = (int) x.dim(-1);
        long rows = Shapes.rows(x);
        int pieces = (int) Math.min(rows, team.items(rows * dim, LEAST));
        long stride = 4L * Lanes.pad(dim);
        long partials = scratch.shared(pieces * stride);
        team.run(
                pieces,
                (piece, worker) -> {
                    long dw = partials + piece * stride;
                    Lanes.MEMORY.asSlice(dw, stride).fill((byte) 0);
                    long copies = scratch.of(worker, 4 * stride);
                    long w = Staging.in(weight, 0, dim, copies + 2 * stride);
                    for (long s = rows * piece / pieces; s < rows * (piece + 1) / pieces; s++) {
                        long d = Staging.in(dy, s * dim, dim, copies);
                        long in = Staging.in(x, s * dim, dim, copies + stride);
                        long out = Staging.in(dx, s * dim, dim, copies + 3 * stride);
                        rmsNormBackward(d, in, w, get(rstd.address() + 4 * s), out, dw, dim);
                        Staging.done(dx, s * dim, dim, copies + 3 * stride);
                    }
                });
        for (int piece = 0; piece < pieces; piece++) {
            long dw = partials + piece * stride;
            for (int i = 0; i < dim; i++) {
                long at = dWeight.address() + 4L * i;
                set(at, get(at) + get(dw + 4L * i));
            }
        }
    }

    private static void rmsNormBackward(
            long dy, long x, long weight, float r, long dx, long dWeight, int dim) {
        FloatVector sum = Lanes.zero();
        for (int i = 0; i < dim; i += COUNT) {
            sum = load(dy + 4L * i).mul(load(weight + 4L * i)).fma(load(x + 4L * i), sum);
        }
        float mean = Lanes.sum(sum) * r / dim;
        for (int i = 0; i < dim; i += COUNT) {
            FloatVector normed = load(x + 4L * i).mul(r);
            FloatVector d = load(dy + 4L * i);
            FloatVector change = d.mul(load(weight + 4L * i)).sub(normed.mul(mean));
            store(load(dx + 4L * i).add(change.mul(r)), dx + 4L * i);
            store(d.fma(normed, load(dWeight + 4L * i)), dWeight + 4L * i);
        }
    }

    private static float dot(long a, long b, int n) {
        FloatVector even = Lanes.zero();
        FloatVector odd = Lanes.zero();
        int i = 0;
        for (; i < n - COUNT; i += 2 * COUNT) {
            even = load(a + 4L * i).fma(load(b + 4L * i), even);
            odd = load(a + 4L * (i + COUNT)).fma(load(b + 4L * (i + COUNT)), odd);
        }
        for (; i < n; i += COUNT) {
            even = load(a + 4L * i).fma(load(b + 4L * i), even);
        }
        return Lanes.sum(even.add(odd));
    }

    public void attentionDelta(Tensor dOut, Tensor out, Tensor delta) {
        int dim = (int) out.dim(-1);
        rows(
                delta.size(),
                dim,
                2,
                (row, copies, stride) -> {
                    long a = Staging.in(dOut, row * dim, dim, copies);
                    long b = Staging.in(out, row * dim, dim, copies + stride);
                    set(delta.address() + 4 * row, dot(a, b, dim));
                });
    }

    public void rotaryAngles(
            Tensor positions, double[] inverseFrequencies, double scale, Tensor cos, Tensor sin) {
        int half = inverseFrequencies.length;
        // A sine costs as much as dozens of elements elsewhere.
        int items = team.items(positions.size() * half, LEAST / 32);
        team.run(
                items,
                (item, _) -> {
                    long end = positions.size() * (item + 1) / items;
                    for (long s = positions.size() * item / items; s < end; s++) {
                        double position = getInt(positions.address() + 4 * s);
                        for (int i = 0; i < half; i++) {
                            double angle = position * inverseFrequencies[i];
                            long at = 4 * (s * half + i);
                            set(cos.address() + at, (float) (scale * Math.cos(angle)));
                            set(sin.address() + at, (float) (scale * Math.sin(angle)));
                        }
                    }
                });
    }

    /** Rotates by the angle (sign 1) or back (sign −1); all heads of a position are one row. */
    public void rotary(Tensor x, Tensor cos, Tensor sin, Tensor y, int sign) {
        int heads = (int) x.dim(1);
        int half = (int) x.dim(2) / 2;
        int dim = heads * 2 * half;
        rows(
                x.dim(0),
                dim,
                2,
                (s, copies, stride) -> {
                    long in = Staging.in(x, s * dim, dim, copies);
                    long out = Staging.out(y, s * dim, dim, copies + stride);
                    long c = cos.address() + 4 * s * half;
                    long n = sin.address() + 4 * s * half;
                    for (int h = 0; h < heads; h++) {
                        rotate(in + 8L * h * half, c, n, out + 8L * h * half, half, sign);
                    }
                    Staging.done(y, s * dim, dim, copies + stride);
                });
    }

    private static void rotate(long x, long cos, long sin, long y, int half, int sign) {
        int i = 0;
        for (; i < half - half % COUNT; i += COUNT) {
            FloatVector c = load(cos + 4L * i);
            FloatVector s = load(sin + 4L * i).mul((float) sign);
            FloatVector first = load(x + 4L * i);
            FloatVector second = load(x + 4L * (half + i));
            store(first.mul(c).sub(second.mul(s)), y + 4L * i);
            store(second.mul(c).add(first.mul(s)), y + 4L * (half + i));
        }
        for (; i < half; i++) {
            float c = get(cos + 4L * i);
            float s = get(sin + 4L * i) * sign;
            float first = get(x + 4L * i);
            float second = get(x + 4L * (half + i));
            set(y + 4L * i, first * c - second * s);
            set(y + 4L * (half + i), second * c + first * s);
        }
    }

    public void crossEntropy(
            Tensor logits,
            Tensor targets,
            Tensor weights,
            float gradScale,
            Tensor ce,
            Tensor hits,
            Tensor dLogits) {
        int vocab = (int) logits.dim(-1);
        rows(
                targets.size(),
                vocab,
                2,
                (s, copies, stride) -> {
                    int target = getInt(targets.address() + 4 * s);
                    float weight = target < 0 ? 0 : get(weights.address() + 4 * s) * gradScale;
                    if (target >= 0) {
                        KernelShapes.row("crossEntropy", target, vocab);
                    }
                    boolean gradient = dLogits != null && weight != 0;
                    float loss = 0;
                    int hit = 0;
                    if (target >= 0) {
                        long x =
                                Staging.in(
                                        logits, s * vocab, vocab, copies, Float.NEGATIVE_INFINITY);
                        float max = max(x, vocab);
                        float logit = get(x + 4L * target);
                        hit = logit == max && first(x, max) == target ? 1 : 0;
                        long p = copies + stride;
                        if (gradient) {
                            p = Staging.out(dLogits, s * vocab, vocab, p);
                        }
                        float sum = exponentials(x, max, p, vocab);
                        loss = (float) (max - logit + Math.log(sum));
                        if (gradient) {
                            scale(p, weight / sum, vocab);
                            set(p + 4L * target, get(p + 4L * target) - weight);
                            Staging.done(dLogits, s * vocab, vocab, copies + stride);
                        }
                    }
                    if (dLogits != null && !gradient) {
                        int bytes = dLogits.dtype().bytes();
                        dLogits.memory()
                                .asSlice(s * vocab * bytes, (long) vocab * bytes)
                                .fill((byte) 0);
                    }
                    set(ce.address() + 4 * s, loss);
                    Lanes.setInt(hits.address() + 4 * s, hit);
                });
    }

    /** NaN is passed over, and shows in the sum of exponentials. */
    private static float max(long x, int n) {
        FloatVector max = FloatVector.broadcast(Lanes.F32, Float.NEGATIVE_INFINITY);
        for (int i = 0; i < n; i += COUNT) {
            FloatVector v = load(x + 4L * i);
            max = max.blend(v, v.compare(VectorOperators.GT, max));
        }
        return max.reduceLanes(VectorOperators.MAX);
    }

    /** Index of the first element that equals a value known to be there. */
    private static int first(long x, float value) {
        int i = 0;
        while (get(x + 4L * i) != value) {
            i++;
        }
        return i;
    }

    /** y = e^(x − max), and the sum of them. */
    private static float exponentials(long x, float max, long y, int n) {
        FloatVector sum = Lanes.zero();
        for (int i = 0; i < n; i += COUNT) {
            FloatVector e = VectorMath.exp(load(x + 4L * i).sub(max));
            store(e, y + 4L * i);
            sum = sum.add(e);
        }
        return Lanes.sum(sum);
    }

    private static void scale(long x, float by, int n) {
        for (int i = 0; i < n; i += COUNT) {
            store(load(x + 4L * i).mul(by), x + 4L * i);
        }
    }
}
