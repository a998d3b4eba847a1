package org.ringworld.runtime.cpu;

import java.util.OptionalDouble;
import java.util.concurrent.locks.LockSupport;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import org.ringworld.runtime.cpu.device.HostMemory;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.WorkerTeam;

/** Loops that do nothing but run into one limit of the machine. */
final class LimitLoops {
    private static final int ROUNDS = 10;

    /** Longer than what a compiler's thread may still take of a core. */
    private static final long LEAST_NANOS = 100_000_000;

    /** Compiled, so few loops take a microsecond or two; otherwise fifty and more. */
    private static final int FEW_LOOPS = 256;

    private static final long COMPILED_NANOS = 10_000;

    /** So often the compilers must have seen a loop; from then on they are waited for. */
    private static final int SEEN = 1000;

    private static final long WAIT_NANOS = 1_000_000;
    private static final long PATIENCE_NANOS = 3_000_000_000L;
    private static final int FMA_LOOPS = 1 << 20;
    private static final long READ_BYTES = 256L << 20;

    /** Keeps the compiler from seeing that nobody wants the results. */
    private static volatile float sink;

    private LimitLoops() {}

    /** What one thread does of a loop. */
    private interface Work {
        void run(long part, int loops);
    }

    /** GFLOP/s of F32 multiply-adds. */
    static double f32(WorkerTeam team) {
        double flops = 12 * 2 * Lanes.COUNT;
        return best(team, (_, loops) -> sink = multiplyAdds(loops, 0.5f), FMA_LOOPS, flops);
    }

    /** GFLOP/s of BF16 dot products, where the processor has them. */
    static OptionalDouble bf16(WorkerTeam team) {
        Bf16Loop loop = Bf16Loop.loaded();
        return loop == null
                ? OptionalDouble.empty()
                : OptionalDouble.of(
                        best(team, (_, loops) -> loop.run(loops), FMA_LOOPS / 2, loop.flops(1)));
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
            return best(
                    team,
                    (part, loops) -> sink = sum(buffer + part * bytes, loops),
                    (int) (bytes / (4 * Lanes.BYTES)),
                    4 * Lanes.BYTES);
        }
    }

    /**
     * The greatest rate of several rounds, each of as many loops on every thread. Before them come
     * shorter ones, until the loop is compiled: interpreted, each vector is a new object, and a
     * whole round of them costs seconds and gigabytes.
     */
    private static double best(WorkerTeam team, Work work, int loops, double amount) {
        long begun = System.nanoTime();
        int runs = 0;
        while (nanos(team, 1, work, FEW_LOOPS) > COMPILED_NANOS
                && System.nanoTime() - begun < PATIENCE_NANOS) {
            if (++runs > SEEN) {
                LockSupport.parkNanos(WAIT_NANOS);
            }
        }
        int threads = team.threads();
        double best = 0;
        begun = System.nanoTime();
        for (int round = 0; round < ROUNDS || System.nanoTime() - begun < LEAST_NANOS; round++) {
            best = Math.max(best, amount * loops * threads / nanos(team, threads, work, loops));
        }
        return best;
    }

    private static long nanos(WorkerTeam team, int threads, Work work, int loops) {
        long start = System.nanoTime();
        team.run(threads, (part, worker) -> work.run(part, loops));
        return System.nanoTime() - start;
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

    private static float sum(long from, int loops) {
        FloatVector a = Lanes.zero();
        FloatVector b = Lanes.zero();
        FloatVector c = Lanes.zero();
        FloatVector d = Lanes.zero();
        for (int i = 0; i < loops; i++) {
            long at = from + 4L * i * Lanes.BYTES;
            a = a.add(Lanes.load(at));
            b = b.add(Lanes.load(at + Lanes.BYTES));
            c = c.add(Lanes.load(at + 2L * Lanes.BYTES));
            d = d.add(Lanes.load(at + 3L * Lanes.BYTES));
        }
        return a.add(b).add(c.add(d)).reduceLanes(VectorOperators.ADD);
    }
}
