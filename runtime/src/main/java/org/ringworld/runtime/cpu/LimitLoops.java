package org.ringworld.runtime.cpu;

import java.util.OptionalDouble;
import java.util.function.LongConsumer;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import org.ringworld.runtime.cpu.device.HostMemory;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.WorkerTeam;

/** Loops that do nothing but run into one limit of the machine. */
final class LimitLoops {
    private static final int ROUNDS = 10;
    private static final int FMA_LOOPS = 1 << 20;
    private static final long READ_BYTES = 256L << 20;

    /** Keeps the compiler from seeing that nobody wants the results. */
    private static volatile float sink;

    private LimitLoops() {}

    /** GFLOP/s of F32 multiply-adds. */
    static double f32(WorkerTeam team) {
        double flops = (double) FMA_LOOPS * 12 * 2 * Lanes.COUNT;
        return best(team, worker -> sink = multiplyAdds(FMA_LOOPS, 0.5f), flops);
    }

    /** GFLOP/s of BF16 dot products, where the processor has them. */
    static OptionalDouble bf16(WorkerTeam team) {
        Bf16Loop loop = Bf16Loop.loaded();
        return loop == null
                ? OptionalDouble.empty()
                : OptionalDouble.of(
                        best(team, worker -> loop.run(FMA_LOOPS / 2), loop.flops(FMA_LOOPS / 2)));
    }

    /** GB/s of reading memory far larger than the caches. */
    static double read(WorkerTeam team) {
        try (HostMemory memory = new HostMemory()) {
            long bytes = READ_BYTES / team.threads() & -4096;
            long buffer = memory.allocate(READ_BYTES).address();
            team.run(
                    team.threads(),
                    (part, worker) ->
                            Lanes.MEMORY.asSlice(buffer + part * bytes, bytes).fill((byte) 1));
            return best(team, part -> sink = sum(buffer + part * bytes, bytes), bytes);
        }
    }

    /**
     * The greatest rate of several rounds, each the same {@code amount} of work on every thread.
     */
    private static double best(WorkerTeam team, LongConsumer work, double amount) {
        double best = 0;
        for (int round = 0; round < ROUNDS; round++) {
            long start = System.nanoTime();
            team.run(team.threads(), (part, worker) -> work.accept(part));
            best = Math.max(best, amount * team.threads() / (System.nanoTime() - start));
        }
        return best;
    }

    /** Twelve sums, more than any processor's latency times its units, in registers all along. */
    private static float multiplyAdds(int loops, float start) {
        FloatVector x = FloatVector.broadcast(Lanes.F32, 1.0001f);
        FloatVector y = FloatVector.broadcast(Lanes.F32, start);
        FloatVector a = y;
        FloatVector b = y;
        FloatVector c = y;
        FloatVector d = y;
        FloatVector e = y;
        FloatVector f = y;
        FloatVector g = y;
        FloatVector h = y;
        FloatVector i = y;
        FloatVector j = y;
        FloatVector k = y;
        FloatVector l = y;
        for (int n = 0; n < loops; n++) {
            a = a.fma(x, y);
            b = b.fma(x, y);
            c = c.fma(x, y);
            d = d.fma(x, y);
            e = e.fma(x, y);
            f = f.fma(x, y);
            g = g.fma(x, y);
            h = h.fma(x, y);
            i = i.fma(x, y);
            j = j.fma(x, y);
            k = k.fma(x, y);
            l = l.fma(x, y);
        }
        return a.add(b)
                .add(c)
                .add(d)
                .add(e)
                .add(f)
                .add(g)
                .add(h)
                .add(i)
                .add(j)
                .add(k)
                .add(l)
                .reduceLanes(VectorOperators.ADD);
    }

    private static float sum(long from, long bytes) {
        FloatVector a = Lanes.zero();
        FloatVector b = Lanes.zero();
        FloatVector c = Lanes.zero();
        FloatVector d = Lanes.zero();
        int vectors = (int) (bytes / Lanes.BYTES);
        for (int i = 0; i < vectors - 3; i += 4) {
            long at = from + (long) i * Lanes.BYTES;
            a = a.add(Lanes.load(at));
            b = b.add(Lanes.load(at + Lanes.BYTES));
            c = c.add(Lanes.load(at + 2L * Lanes.BYTES));
            d = d.add(Lanes.load(at + 3L * Lanes.BYTES));
        }
        return a.add(b).add(c.add(d)).reduceLanes(VectorOperators.ADD);
    }
}
