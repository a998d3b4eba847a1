package org.ringworld.runtime.cpu.matmul;

import static jdk.incubator.vector.FloatVector.fromMemorySegment;
import static org.ringworld.runtime.cpu.device.Lanes.BYTES;
import static org.ringworld.runtime.cpu.device.Lanes.F32;
import static org.ringworld.runtime.cpu.device.Lanes.MEMORY;
import static org.ringworld.runtime.cpu.device.Lanes.ORDER;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import org.ringworld.runtime.cpu.device.Lanes;

/**
 * The register-blocked inner loop of every product here: six rows of C by two vectors, each held in
 * a register while the sum runs. Two FMA units with a latency of four need eight sums at least;
 * these are 12, which with their operands just fit the 16 registers of 256 bit processors too. Six
 * by four is past what C2 compiles without boxing, and measured no faster where it fits.
 *
 * <p>The Vector API is called directly here: through methods of ours, which carry no inlining
 * privilege, C2 gives up in the middle of a large body and leaves boxed vectors behind.
 */
public final class MicroKernel {
    /** Rows of C that one call forms. */
    public static final int ROWS = 6;

    /** Vectors of a full panel of B. */
    public static final int WIDTH = 2;

    /** Elements across a full panel of B. */
    public static final int COLUMNS = WIDTH * Lanes.COUNT;

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final long ZEROS = Arena.global().allocate((long) WIDTH * BYTES, 64).address();

    private MicroKernel() {}

    /**
     * c[6, width vectors] = (add ? c : 0) + a[6,k] · b[k, width vectors]. Strides are in bytes: a
     * may be of either order, so that a transposed operand needs no copy.
     */
    public static void run(
            int width,
            int k,
            long a,
            long aRow,
            long aColumn,
            long b,
            long bRow,
            long c,
            long cRow,
            boolean add) {
        // Where nothing is added the sums start from a row of zeros, which spares a second body.
        long from = add ? c : ZEROS;
        long fromRow = add ? cRow : 0;
        if (width == WIDTH) {
            six2(k, a, aRow, aColumn, b, bRow, c, cRow, from, fromRow);
        } else {
            six1(k, a, aRow, aColumn, b, bRow, c, cRow, from, fromRow);
        }
    }

    /** c[6, 2 vectors]; see {@link #run}. */
    private static void six2(
            int k,
            long a,
            long aRow,
            long aColumn,
            long b,
            long bRow,
            long c,
            long cRow,
            long from,
            long fromRow) {
        long a1 = a + aRow;
        long a2 = a1 + aRow;
        long a3 = a2 + aRow;
        long a4 = a3 + aRow;
        long a5 = a4 + aRow;
        long at = 0;
        FloatVector s00 = fromMemorySegment(F32, MEMORY, from, ORDER);
        FloatVector s01 = fromMemorySegment(F32, MEMORY, from + 1 * BYTES, ORDER);
        from += fromRow;
        FloatVector s10 = fromMemorySegment(F32, MEMORY, from, ORDER);
        FloatVector s11 = fromMemorySegment(F32, MEMORY, from + 1 * BYTES, ORDER);
        from += fromRow;
        FloatVector s20 = fromMemorySegment(F32, MEMORY, from, ORDER);
        FloatVector s21 = fromMemorySegment(F32, MEMORY, from + 1 * BYTES, ORDER);
        from += fromRow;
        FloatVector s30 = fromMemorySegment(F32, MEMORY, from, ORDER);
        FloatVector s31 = fromMemorySegment(F32, MEMORY, from + 1 * BYTES, ORDER);
        from += fromRow;
        FloatVector s40 = fromMemorySegment(F32, MEMORY, from, ORDER);
        FloatVector s41 = fromMemorySegment(F32, MEMORY, from + 1 * BYTES, ORDER);
        from += fromRow;
        FloatVector s50 = fromMemorySegment(F32, MEMORY, from, ORDER);
        FloatVector s51 = fromMemorySegment(F32, MEMORY, from + 1 * BYTES, ORDER);
        for (int p = 0; p < k; p++) {
            FloatVector b0 = fromMemorySegment(F32, MEMORY, b, ORDER);
            FloatVector b1 = fromMemorySegment(F32, MEMORY, b + 1 * BYTES, ORDER);
            FloatVector x0 = FloatVector.broadcast(F32, MEMORY.get(FLOAT, a + at));
            s00 = x0.fma(b0, s00);
            s01 = x0.fma(b1, s01);
            FloatVector x1 = FloatVector.broadcast(F32, MEMORY.get(FLOAT, a1 + at));
            s10 = x1.fma(b0, s10);
            s11 = x1.fma(b1, s11);
            FloatVector x2 = FloatVector.broadcast(F32, MEMORY.get(FLOAT, a2 + at));
            s20 = x2.fma(b0, s20);
            s21 = x2.fma(b1, s21);
            FloatVector x3 = FloatVector.broadcast(F32, MEMORY.get(FLOAT, a3 + at));
            s30 = x3.fma(b0, s30);
            s31 = x3.fma(b1, s31);
            FloatVector x4 = FloatVector.broadcast(F32, MEMORY.get(FLOAT, a4 + at));
            s40 = x4.fma(b0, s40);
            s41 = x4.fma(b1, s41);
            FloatVector x5 = FloatVector.broadcast(F32, MEMORY.get(FLOAT, a5 + at));
            s50 = x5.fma(b0, s50);
            s51 = x5.fma(b1, s51);
            at += aColumn;
            b += bRow;
        }
        s00.intoMemorySegment(MEMORY, c, ORDER);
        s01.intoMemorySegment(MEMORY, c + 1 * BYTES, ORDER);
        c += cRow;
        s10.intoMemorySegment(MEMORY, c, ORDER);
        s11.intoMemorySegment(MEMORY, c + 1 * BYTES, ORDER);
        c += cRow;
        s20.intoMemorySegment(MEMORY, c, ORDER);
        s21.intoMemorySegment(MEMORY, c + 1 * BYTES, ORDER);
        c += cRow;
        s30.intoMemorySegment(MEMORY, c, ORDER);
        s31.intoMemorySegment(MEMORY, c + 1 * BYTES, ORDER);
        c += cRow;
        s40.intoMemorySegment(MEMORY, c, ORDER);
        s41.intoMemorySegment(MEMORY, c + 1 * BYTES, ORDER);
        c += cRow;
        s50.intoMemorySegment(MEMORY, c, ORDER);
        s51.intoMemorySegment(MEMORY, c + 1 * BYTES, ORDER);
    }

    /** c[6, 1 vectors]; see {@link #run}. */
    private static void six1(
            int k,
            long a,
            long aRow,
            long aColumn,
            long b,
            long bRow,
            long c,
            long cRow,
            long from,
            long fromRow) {
        long a1 = a + aRow;
        long a2 = a1 + aRow;
        long a3 = a2 + aRow;
        long a4 = a3 + aRow;
        long a5 = a4 + aRow;
        long at = 0;
        FloatVector s00 = fromMemorySegment(F32, MEMORY, from, ORDER);
        from += fromRow;
        FloatVector s10 = fromMemorySegment(F32, MEMORY, from, ORDER);
        from += fromRow;
        FloatVector s20 = fromMemorySegment(F32, MEMORY, from, ORDER);
        from += fromRow;
        FloatVector s30 = fromMemorySegment(F32, MEMORY, from, ORDER);
        from += fromRow;
        FloatVector s40 = fromMemorySegment(F32, MEMORY, from, ORDER);
        from += fromRow;
        FloatVector s50 = fromMemorySegment(F32, MEMORY, from, ORDER);
        for (int p = 0; p < k; p++) {
            FloatVector b0 = fromMemorySegment(F32, MEMORY, b, ORDER);
            FloatVector x0 = FloatVector.broadcast(F32, MEMORY.get(FLOAT, a + at));
            s00 = x0.fma(b0, s00);
            FloatVector x1 = FloatVector.broadcast(F32, MEMORY.get(FLOAT, a1 + at));
            s10 = x1.fma(b0, s10);
            FloatVector x2 = FloatVector.broadcast(F32, MEMORY.get(FLOAT, a2 + at));
            s20 = x2.fma(b0, s20);
            FloatVector x3 = FloatVector.broadcast(F32, MEMORY.get(FLOAT, a3 + at));
            s30 = x3.fma(b0, s30);
            FloatVector x4 = FloatVector.broadcast(F32, MEMORY.get(FLOAT, a4 + at));
            s40 = x4.fma(b0, s40);
            FloatVector x5 = FloatVector.broadcast(F32, MEMORY.get(FLOAT, a5 + at));
            s50 = x5.fma(b0, s50);
            at += aColumn;
            b += bRow;
        }
        s00.intoMemorySegment(MEMORY, c, ORDER);
        c += cRow;
        s10.intoMemorySegment(MEMORY, c, ORDER);
        c += cRow;
        s20.intoMemorySegment(MEMORY, c, ORDER);
        c += cRow;
        s30.intoMemorySegment(MEMORY, c, ORDER);
        c += cRow;
        s40.intoMemorySegment(MEMORY, c, ORDER);
        c += cRow;
        s50.intoMemorySegment(MEMORY, c, ORDER);
    }
}
