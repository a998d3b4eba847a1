package org.ringworld.runtime.cpu.elementwise;

import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.load;
import static org.ringworld.runtime.cpu.device.Lanes.store;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Kernels.AdamWStep;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;

/**
 * Kernels whose elements do not meet. Each works tile by tile: staged in, one loop over whole
 * vectors, staged out.
 */
public final class VectorElementwise {
    /** Elements of a tile: four of them lie in the first cache together. */
    private static final int TILE = 1024;

    /** Elements worth waking another thread for. */
    private static final long LEAST = 16 * TILE;

    private static final VectorSpecies<Double> F64 = Lanes.F32.withLanes(double.class);

    private final WorkerTeam team;
    private final Scratch scratch;

    public VectorElementwise(WorkerTeam team, Scratch scratch) {
        this.team = team;
        this.scratch = scratch;
    }

    /** A loop over one tile: elements [from, from + n), with room for {@code TILE}-sized copies. */
    private interface Tile {
        void run(long from, int n, long copies);
    }

    private void tiles(long size, int copies, Tile tile) {
        int items = team.items(size, LEAST);
        long tiles = (size + TILE - 1) / TILE;
        team.run(
                items,
                (item, worker) -> {
                    long room = scratch.of(worker, copies * 4L * TILE);
                    long end = Math.min(size, tiles * (item + 1) / items * TILE);
                    for (long from = tiles * item / items * TILE; from < end; from += TILE) {
                        tile.run(from, (int) Math.min(TILE, end - from), room);
                    }
                });
    }

    private static long copy(long copies, int i) {
        return copies + i * 4L * TILE;
    }

    public void fill(Tensor x, float value) {
        tiles(
                x.size(),
                1,
                (from, n, copies) -> {
                    long to = Staging.out(x, from, n, copies);
                    FloatVector v = FloatVector.broadcast(Lanes.F32, value);
                    for (int i = 0; i < n; i += COUNT) {
                        store(v, to + 4L * i);
                    }
                    Staging.done(x, from, n, copies);
                });
    }

    public void copy(Tensor from, Tensor to) {
        if (from.dtype() == to.dtype()) {
            int bytes = from.dtype().bytes();
            tiles(
                    from.size(),
                    0,
                    (at, n, copies) ->
                            MemorySegment.copy(
                                    Lanes.MEMORY,
                                    from.address() + at * bytes,
                                    Lanes.MEMORY,
                                    to.address() + at * bytes,
                                    (long) n * bytes));
        } else if (to.dtype() == DType.F32) {
            tiles(
                    from.size(),
                    0,
                    (at, n, copies) ->
                            Staging.widen(from.address() + 2 * at, n, to.address() + 4 * at));
        } else {
            tiles(
                    from.size(),
                    0,
                    (at, n, copies) ->
                            Staging.narrow(from.address() + 4 * at, n, to.address() + 2 * at));
        }
    }

    public void add(Tensor x, Tensor into) {
        tiles(
                x.size(),
                2,
                (from, n, copies) -> {
                    long a = Staging.in(x, from, n, copy(copies, 0));
                    long b = Staging.in(into, from, n, copy(copies, 1));
                    for (int i = 0; i < n; i += COUNT) {
                        store(load(a + 4L * i).add(load(b + 4L * i)), b + 4L * i);
                    }
                    Staging.done(into, from, n, copy(copies, 1));
                });
    }

    public void sumOfSquares(Tensor x, Tensor result) {
        long tiles = (x.size() + TILE - 1) / TILE;
        long partials = scratch.shared(8 * tiles);
        tiles(
                x.size(),
                2,
                (from, n, copies) ->
                        Lanes.setDouble(
                                partials + from / TILE * 8,
                                sumOfSquares(Staging.in(x, from, n, copies), n, copy(copies, 1))));
        double sum = 0;
        for (long t = 0; t < tiles; t++) {
            sum += Lanes.getDouble(partials + 8 * t);
        }
        Lanes.set(result.address(), (float) sum);
    }

    private static double sumOfSquares(long x, int n, long lanes) {
        DoubleVector low = DoubleVector.zero(F64);
        DoubleVector high = DoubleVector.zero(F64);
        for (int i = 0; i < n; i += COUNT) {
            FloatVector v = load(x + 4L * i);
            var a = (DoubleVector) v.convertShape(VectorOperators.F2D, F64, 0);
            var b = (DoubleVector) v.convertShape(VectorOperators.F2D, F64, 1);
            low = a.fma(a, low);
            high = b.fma(b, high);
        }
        // Not reduceLanes, whose order of additions is not fixed (see Lanes.sum).
        low.add(high).intoMemorySegment(Lanes.MEMORY, lanes, Lanes.ORDER);
        double sum = 0;
        for (int i = 0; i < F64.length(); i++) {
            sum += Lanes.getDouble(lanes + 8L * i);
        }
        return sum;
    }

    public void swiGlu(Tensor gate, Tensor up, Tensor y) {
        tiles(
                gate.size(),
                3,
                (from, n, copies) -> {
                    long g = Staging.in(gate, from, n, copy(copies, 0));
                    long u = Staging.in(up, from, n, copy(copies, 1));
                    swiGlu(g, u, Staging.out(y, from, n, copy(copies, 2)), n);
                    Staging.done(y, from, n, copy(copies, 2));
                });
    }

    private static void swiGlu(long gate, long up, long y, int n) {
        for (int i = 0; i < n; i += COUNT) {
            FloatVector g = load(gate + 4L * i);
            FloatVector u = load(up + 4L * i);
            store(g.mul(u).div(VectorMath.exp(g.neg()).add(1f)), y + 4L * i);
        }
    }

    public void swiGluBackward(Tensor dy, Tensor gate, Tensor up, Tensor dGate, Tensor dUp) {
        tiles(
                gate.size(),
                6,
                (from, n, copies) -> {
                    long d = Staging.in(dy, from, n, copy(copies, 0));
                    long g = Staging.in(gate, from, n, copy(copies, 1));
                    long u = Staging.in(up, from, n, copy(copies, 2));
                    long dg = Staging.out(dGate, from, n, copy(copies, 3));
                    long du = Staging.out(dUp, from, n, copy(copies, 4));
                    long s = copy(copies, 5);
                    sigmoid(g, s, n);
                    swiGluBackward(d, g, u, s, dg, du, n);
                    Staging.done(dGate, from, n, copy(copies, 3));
                    Staging.done(dUp, from, n, copy(copies, 4));
                });
    }

    /** Apart from its use: one body with both is more than C2 compiles without boxing. */
    private static void sigmoid(long x, long y, int n) {
        FloatVector one = FloatVector.broadcast(Lanes.F32, 1f);
        for (int i = 0; i < n; i += COUNT) {
            store(one.div(VectorMath.exp(load(x + 4L * i).neg()).add(1f)), y + 4L * i);
        }
    }

    private static void swiGluBackward(
            long dy, long gate, long up, long sigmoid, long dGate, long dUp, int n) {
        FloatVector one = FloatVector.broadcast(Lanes.F32, 1f);
        for (int i = 0; i < n; i += COUNT) {
            FloatVector g = load(gate + 4L * i);
            FloatVector u = load(up + 4L * i);
            FloatVector s = load(sigmoid + 4L * i);
            FloatVector dSilu = load(dy + 4L * i).mul(s);
            // silu'(g) = sigmoid · (1 + g · (1 − sigmoid))
            store(dSilu.mul(u).mul(one.sub(s).fma(g, one)), dGate + 4L * i);
            store(dSilu.mul(g), dUp + 4L * i);
        }
    }

    public void adamW(
            Tensor param, Tensor grad, Tensor m, Tensor v, Tensor shadow, AdamWStep step) {
        float meanScale = (float) (1 / (1 - Math.pow(step.beta1(), step.step())));
        float squareScale = (float) (1 / (1 - Math.pow(step.beta2(), step.step())));
        tiles(
                param.size(),
                4,
                (from, n, copies) -> {
                    long p = Staging.in(param, from, n, copy(copies, 0));
                    long g = Staging.in(grad, from, n, copy(copies, 1));
                    long mean = Staging.in(m, from, n, copy(copies, 2));
                    long square = Staging.in(v, from, n, copy(copies, 3));
                    adamW(p, g, mean, square, n, step, meanScale, squareScale);
                    Staging.done(param, from, n, copy(copies, 0));
                    Staging.done(m, from, n, copy(copies, 2));
                    Staging.done(v, from, n, copy(copies, 3));
                    if (shadow != null) {
                        Staging.narrow(p, n, shadow.address() + 2 * from);
                    }
                });
    }

    private static void adamW(
            long param,
            long grad,
            long m,
            long v,
            int n,
            AdamWStep step,
            float meanScale,
            float squareScale) {
        float beta1 = step.beta1();
        float beta2 = step.beta2();
        float gradScale = step.gradScale();
        float keep = (float) (1 - (double) step.learningRate() * step.weightDecay());
        float rate = step.learningRate() * meanScale;
        FloatVector decay1 = FloatVector.broadcast(Lanes.F32, beta1);
        FloatVector decay2 = FloatVector.broadcast(Lanes.F32, beta2);
        for (int i = 0; i < n; i += COUNT) {
            FloatVector g = load(grad + 4L * i).mul(gradScale);
            FloatVector mean = load(m + 4L * i).fma(decay1, g.mul((float) (1.0 - beta1)));
            FloatVector square = load(v + 4L * i).fma(decay2, g.mul(g).mul((float) (1.0 - beta2)));
            store(mean, m + 4L * i);
            store(square, v + 4L * i);
            FloatVector root = square.mul(squareScale).sqrt().add(step.eps());
            FloatVector p = load(param + 4L * i).mul(keep);
            store(p.sub(mean.mul(rate).div(root)), param + 4L * i);
        }
    }
}
