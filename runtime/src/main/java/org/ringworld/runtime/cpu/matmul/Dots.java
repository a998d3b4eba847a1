package org.ringworld.runtime.cpu.matmul;

import static org.ringworld.runtime.cpu.device.Lanes.BYTES;
import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.load;
import static org.ringworld.runtime.cpu.device.Lanes.store;

import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.elementwise.Quantized;
import org.ringworld.runtime.cpu.elementwise.Staging;

/** Dot products: of one row with many in the caches, and of one with one from memory. */
public final class Dots {
    /** So far ahead of its use memory is touched. */
    static final int AHEAD = 1024;

    /** Elements of four vectors. */
    private static final int FOUR = 4 * COUNT;

    private Dots() {}

    /**
     * to[j] = x · y[j] for as many rows as a vector has lanes, {@code row} bytes apart. The lanes
     * of all sums are added up together: alone, each would cost as much as it took to form.
     *
     * @param room four vectors: one that a method returned would be an object
     */
    public static void rows(long x, long y, long row, int bytes, long room, long to) {
        for (int i = 0; i < COUNT / 4; i++) {
            four(x, y + 4 * i * row, row, bytes, room + (long) i * BYTES);
        }
        FloatVector sums = load(room);
        if (COUNT >= 8) {
            sums = Lanes.folded(sums, load(room + BYTES), 4);
        }
        if (COUNT >= 16) {
            FloatVector more = Lanes.folded(load(room + 2 * BYTES), load(room + 3 * BYTES), 4);
            sums = Lanes.folded(sums, more, 8);
        }
        store(sums, to);
    }

    /** In lane j a part of row j % 4: all of them together are x · y[j % 4]. */
    private static void four(long x, long y, long row, int bytes, long to) {
        FloatVector s0 = Lanes.zero();
        FloatVector s1 = Lanes.zero();
        FloatVector s2 = Lanes.zero();
        FloatVector s3 = Lanes.zero();
        for (int i = 0; i < bytes; i += BYTES) {
            FloatVector v = load(x + i);
            s0 = v.fma(load(y + i), s0);
            s1 = v.fma(load(y + row + i), s1);
            s2 = v.fma(load(y + 2 * row + i), s2);
            s3 = v.fma(load(y + 3 * row + i), s3);
        }
        store(Lanes.folded(Lanes.folded(s0, s1, 1), Lanes.folded(s2, s3, 1), 2), to);
    }

    /**
     * to = a · b of n elements, whole vectors, where b is read from memory in one stream. A line is
     * touched {@code ahead} bytes before it is wanted: hardware stops looking ahead where a 4 KiB
     * page ends. What was touched goes to {@code to + 4}, or the compiler would leave it out.
     */
    static void f32(long a, long b, int n, long ahead, long to) {
        FloatVector s0 = Lanes.zero();
        FloatVector s1 = Lanes.zero();
        FloatVector s2 = Lanes.zero();
        FloatVector s3 = Lanes.zero();
        int touched = 0;
        int i = 0;
        for (; i <= n - FOUR; i += FOUR) {
            long x = a + 4L * i;
            long y = b + 4L * i;
            touched += touch(y + ahead) + touch(y + ahead + BYTES);
            touched += touch(y + ahead + 2 * BYTES) + touch(y + ahead + 3 * BYTES);
            s0 = load(x).fma(load(y), s0);
            s1 = load(x + BYTES).fma(load(y + BYTES), s1);
            s2 = load(x + 2 * BYTES).fma(load(y + 2 * BYTES), s2);
            s3 = load(x + 3 * BYTES).fma(load(y + 3 * BYTES), s3);
        }
        for (; i < n; i += COUNT) {
            s0 = load(a + 4L * i).fma(load(b + 4L * i), s0);
        }
        Lanes.setInt(to + 4, touched);
        Lanes.set(to, Lanes.sum(s0.add(s1).add(s2.add(s3))));
    }

    /** The same where b is BF16. */
    static void bf16(long a, long b, int n, long ahead, long to) {
        FloatVector s0 = Lanes.zero();
        FloatVector s1 = Lanes.zero();
        FloatVector s2 = Lanes.zero();
        FloatVector s3 = Lanes.zero();
        int touched = 0;
        int i = 0;
        for (; i <= n - FOUR; i += FOUR) {
            long x = a + 4L * i;
            long y = b + 2L * i;
            touched += touch(y + ahead) + touch(y + ahead + BYTES);
            s0 = load(x).fma(Staging.widened(y), s0);
            s1 = load(x + BYTES).fma(Staging.widened(y + BYTES / 2), s1);
            s2 = load(x + 2 * BYTES).fma(Staging.widened(y + BYTES), s2);
            s3 = load(x + 3 * BYTES).fma(Staging.widened(y + 3 * BYTES / 2), s3);
        }
        for (; i < n; i += COUNT) {
            s0 = load(a + 4L * i).fma(Staging.widened(b + 2L * i), s0);
        }
        Lanes.setInt(to + 4, touched);
        Lanes.set(to, Lanes.sum(s0.add(s1).add(s2.add(s3))));
    }

    /** The same where b is I8, without its scale. */
    static void i8(long a, long b, int n, long ahead, long to) {
        FloatVector s0 = Lanes.zero();
        FloatVector s1 = Lanes.zero();
        FloatVector s2 = Lanes.zero();
        FloatVector s3 = Lanes.zero();
        int touched = 0;
        int i = 0;
        for (; i <= n - FOUR; i += FOUR) {
            long x = a + 4L * i;
            long y = b + i;
            touched += touch(y + ahead);
            s0 = load(x).fma(Quantized.widened(y), s0);
            s1 = load(x + BYTES).fma(Quantized.widened(y + BYTES / 4), s1);
            s2 = load(x + 2 * BYTES).fma(Quantized.widened(y + BYTES / 2), s2);
            s3 = load(x + 3 * BYTES).fma(Quantized.widened(y + 3 * BYTES / 4), s3);
        }
        for (; i < n; i += COUNT) {
            s0 = load(a + 4L * i).fma(Quantized.widened(b + i), s0);
        }
        Lanes.setInt(to + 4, touched);
        Lanes.set(to, Lanes.sum(s0.add(s1).add(s2.add(s3))));
    }

    private static int touch(long address) {
        return Lanes.MEMORY.get(ValueLayout.JAVA_BYTE, address);
    }
}
