package org.ringworld.runtime.cpu.matmul;

import static org.ringworld.runtime.cpu.device.Lanes.BYTES;
import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.load;

import jdk.incubator.vector.FloatVector;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.elementwise.Quantized;
import org.ringworld.runtime.cpu.elementwise.Staging;

/** Dot products of one row with four: four streams keep memory busier than one. */
public final class Dots {
    private Dots() {}

    /** to[j] = x · y[j] for four rows of {@code bytes}, which lie {@code row} bytes apart. */
    public static void four(long x, long y, long row, int bytes, long to) {
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
        Lanes.set(to, Lanes.sum(s0));
        Lanes.set(to + 4, Lanes.sum(s1));
        Lanes.set(to + 8, Lanes.sum(s2));
        Lanes.set(to + 12, Lanes.sum(s3));
    }

    /** to[j] = a · b[j] for four rows of n BF16 elements, which lie {@code row} bytes apart. */
    static void fourBf16(long a, long b, long row, int n, long to) {
        FloatVector s0 = Lanes.zero();
        FloatVector s1 = Lanes.zero();
        FloatVector s2 = Lanes.zero();
        FloatVector s3 = Lanes.zero();
        for (int i = 0; i < n; i += COUNT) {
            FloatVector v = load(a + 4L * i);
            long y = b + 2L * i;
            s0 = v.fma(Staging.widened(y), s0);
            s1 = v.fma(Staging.widened(y + row), s1);
            s2 = v.fma(Staging.widened(y + 2 * row), s2);
            s3 = v.fma(Staging.widened(y + 3 * row), s3);
        }
        Lanes.set(to, Lanes.sum(s0));
        Lanes.set(to + 4, Lanes.sum(s1));
        Lanes.set(to + 8, Lanes.sum(s2));
        Lanes.set(to + 12, Lanes.sum(s3));
    }

    /** to[j] = a · b[j] for four rows of n I8 elements without their scales, likewise. */
    static void fourI8(long a, long b, long row, int n, long to) {
        FloatVector s0 = Lanes.zero();
        FloatVector s1 = Lanes.zero();
        FloatVector s2 = Lanes.zero();
        FloatVector s3 = Lanes.zero();
        for (int i = 0; i < n; i += COUNT) {
            FloatVector v = load(a + 4L * i);
            long y = b + i;
            s0 = v.fma(Quantized.widened(y), s0);
            s1 = v.fma(Quantized.widened(y + row), s1);
            s2 = v.fma(Quantized.widened(y + 2 * row), s2);
            s3 = v.fma(Quantized.widened(y + 3 * row), s3);
        }
        Lanes.set(to, Lanes.sum(s0));
        Lanes.set(to + 4, Lanes.sum(s1));
        Lanes.set(to + 8, Lanes.sum(s2));
        Lanes.set(to + 12, Lanes.sum(s3));
    }
}
