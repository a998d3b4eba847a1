package org.ringworld.runtime.cpu.elementwise;

import org.ringworld.runtime.DType;
import org.ringworld.runtime.ScaleGroups;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.WorkerTeam;

/** Copies into I8, which find a scale for each group, and out of it. */
public final class VectorQuantize {
    /** Elements worth waking another thread for. */
    private static final long LEAST = 16 * 1024;

    private final WorkerTeam team;

    public VectorQuantize(WorkerTeam team) {
        this.team = team;
    }

    private interface Group {
        void run(long group);
    }

    /** Every group. */
    private void each(ScaleGroups groups, long size, Group body) {
        int items = (int) Math.min(groups.count(), team.items(size, LEAST));
        team.run(
                items,
                (item, _) -> {
                    long end = groups.count() * (item + 1) / items;
                    for (long group = groups.count() * item / items; group < end; group++) {
                        body.run(group);
                    }
                });
    }

    /** Values to I8. */
    public void quantize(Tensor from, Tensor to) {
        ScaleGroups groups = to.groups();
        DType dtype = from.dtype();
        int n = groups.run();
        each(
                groups,
                to.size(),
                group -> {
                    float greatest = 0;
                    for (int row = 0; row < groups.rows(); row++) {
                        long i = groups.element(group, row);
                        greatest = Math.max(greatest, Quantized.greatest(dtype, at(from, i), n));
                    }
                    float scale = greatest / 127;
                    Lanes.set(to.scales().address() + 4 * group, scale);
                    for (int row = 0; row < groups.rows(); row++) {
                        long i = groups.element(group, row);
                        Quantized.store(dtype, at(from, i), n, scale, at(to, i));
                    }
                });
    }

    /** I8 to values. */
    public void dequantize(Tensor from, Tensor to) {
        ScaleGroups groups = from.groups();
        int n = groups.run();
        each(
                groups,
                from.size(),
                group -> {
                    float scale = Lanes.get(from.scales().address() + 4 * group);
                    for (int row = 0; row < groups.rows(); row++) {
                        long i = groups.element(group, row);
                        Quantized.load(at(from, i), scale, n, to.dtype(), at(to, i));
                    }
                });
    }

    private static long at(Tensor t, long i) {
        return t.address() + i * t.dtype().bytes();
    }
}
