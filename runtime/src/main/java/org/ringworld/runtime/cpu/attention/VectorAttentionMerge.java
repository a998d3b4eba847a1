package org.ringworld.runtime.cpu.attention;

import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.get;
import static org.ringworld.runtime.cpu.device.Lanes.set;

import jdk.incubator.vector.FloatVector;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.WorkerTeam;

/**
 * Merges partial results of attention; see {@link org.ringworld.runtime.Kernels#attentionMerge}.
 */
public final class VectorAttentionMerge {
    /** Elements worth waking another thread for. */
    private static final int LEAST = 1 << 16;

    private static final double LN_2 = Math.log(2);

    private final WorkerTeam team;

    public VectorAttentionMerge(WorkerTeam team) {
        this.team = team;
    }

    public void run(
            Tensor otherOut, Tensor otherMax, Tensor otherSum, Tensor out, Tensor max, Tensor sum) {
        int d = (int) out.dim(-1);
        long rows = max.size();
        int items = team.items(out.size(), LEAST);
        team.run(
                items,
                (item, _) -> {
                    long end = rows * (item + 1) / items;
                    for (long row = rows * item / items; row < end; row++) {
                        row(
                                otherOut.address() + 4 * row * d,
                                get(otherMax.address() + 4 * row),
                                get(otherSum.address() + 4 * row),
                                out.address() + 4 * row * d,
                                max.address() + 4 * row,
                                sum.address() + 4 * row,
                                d);
                    }
                });
    }

    static void row(
            long otherOut, float otherMax, float otherSum, long out, long max, long sum, int d) {
        if (otherSum == 0) {
            return; // two empty ones have no maximum to be relative to
        }
        float greatest = Math.max(otherMax, get(max));
        double other = otherSum * Math.exp(((double) otherMax - greatest) * LN_2);
        double own = get(sum) * Math.exp(((double) get(max) - greatest) * LN_2);
        double total = other + own;
        combine(otherOut, (float) (other / total), out, (float) (own / total), d);
        set(max, greatest);
        set(sum, (float) total);
    }

    /** y = a · x + b · y. The Vector API is called directly as in {@link SoftmaxState#scale}. */
    private static void combine(long x, float a, long y, float b, int n) {
        FloatVector by = FloatVector.broadcast(Lanes.F32, a);
        int i = 0;
        for (; i <= n - COUNT; i += COUNT) {
            FloatVector own =
                    FloatVector.fromMemorySegment(Lanes.F32, Lanes.MEMORY, y + 4L * i, Lanes.ORDER);
            FloatVector.fromMemorySegment(Lanes.F32, Lanes.MEMORY, x + 4L * i, Lanes.ORDER)
                    .fma(by, own.mul(b))
                    .intoMemorySegment(Lanes.MEMORY, y + 4L * i, Lanes.ORDER);
        }
        for (; i < n; i++) {
            set(y + 4L * i, Math.fma(a, get(x + 4L * i), b * get(y + 4L * i)));
        }
    }
}
