package org.ringworld.runtime.cpu.elementwise;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.Lanes;

/**
 * Rows on their way to and from the vector loops, which see F32 in whole vectors alone: BF16 rows
 * and rows with a tail pass through a copy that stays in the first cache, so each loop exists once.
 */
public final class Staging {
    private static final VectorSpecies<Integer> I32 = Lanes.F32.withLanes(int.class);
    private static final VectorSpecies<Short> I16 =
            VectorSpecies.of(short.class, VectorShape.forBitSize(Lanes.F32.vectorBitSize() / 2));

    private Staging() {}

    /**
     * Elements [from, from + n) as F32, followed by {@code pad} up to whole vectors: the tensor's
     * own memory where it is that already, else {@code copy}.
     */
    public static long in(Tensor t, long from, int n, long copy, float pad) {
        long address = t.address() + from * t.dtype().bytes();
        if (t.dtype() == DType.F32 && n % Lanes.COUNT == 0) {
            return address;
        }
        load(t.dtype(), address, n, copy);
        for (int i = n; i < Lanes.pad(n); i++) {
            Lanes.set(copy + 4L * i, pad);
        }
        return copy;
    }

    public static long in(Tensor t, long from, int n, long copy) {
        return in(t, from, n, copy, 0);
    }

    /** Where to write elements [from, from + n) before {@link #done}. */
    public static long out(Tensor t, long from, int n, long copy) {
        return t.dtype() == DType.F32 && n % Lanes.COUNT == 0 ? t.address() + 4 * from : copy;
    }

    /** Brings what was written at {@link #out} home. */
    public static void done(Tensor t, long from, int n, long copy) {
        if (t.dtype() != DType.F32 || n % Lanes.COUNT != 0) {
            store(t.dtype(), copy, n, t.address() + from * t.dtype().bytes());
        }
    }

    /** n elements of either dtype to F32. */
    public static void load(DType dtype, long from, int n, long to) {
        if (dtype == DType.F32) {
            MemorySegment.copy(Lanes.MEMORY, from, Lanes.MEMORY, to, 4L * n);
        } else {
            widen(from, n, to);
        }
    }

    /** A row of n elements of a matrix of values or I8 to another dtype, or to F32. */
    public static void loadRow(Tensor matrix, long row, int n, DType dtype, long to) {
        long from = matrix.address() + row * n * matrix.dtype().bytes();
        if (matrix.dtype() == DType.I8) {
            Quantized.load(from, Quantized.scale(matrix, row), n, dtype, to);
        } else if (dtype == DType.F32) {
            load(matrix.dtype(), from, n, to);
        } else {
            narrow(from, n, to);
        }
    }

    /** n F32 elements to either dtype. */
    public static void store(DType dtype, long from, int n, long to) {
        if (dtype == DType.F32) {
            MemorySegment.copy(Lanes.MEMORY, from, Lanes.MEMORY, to, 4L * n);
        } else {
            narrow(from, n, to);
        }
    }

    /** BF16 to F32. */
    public static void widen(long from, int n, long to) {
        int i = 0;
        for (; i < n - n % Lanes.COUNT; i += Lanes.COUNT) {
            Lanes.store(widened(from + 2L * i), to + 4L * i);
        }
        for (; i < n; i++) {
            short bits = Lanes.getShort(from + 2L * i);
            Lanes.set(to + 4L * i, DType.fromBf16(bits));
        }
    }

    /** One vector of BF16 as F32. */
    public static FloatVector widened(long from) {
        var bits =
                (IntVector)
                        ShortVector.fromMemorySegment(I16, Lanes.MEMORY, from, Lanes.ORDER)
                                .convertShape(VectorOperators.ZERO_EXTEND_S2I, I32, 0);
        return bits.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    /**
     * One vector of F32 to the nearest BF16, ties away from 0: half of the work of {@link #narrow}.
     * Not for NaNs with more bits than a BF16 has.
     */
    public static void rounded(FloatVector x, long to) {
        x.reinterpretAsInts()
                .add(0x8000)
                .lanewise(VectorOperators.LSHR, 16)
                .convertShape(VectorOperators.I2S, I16, 0)
                .reinterpretAsShorts()
                .intoMemorySegment(Lanes.MEMORY, to, Lanes.ORDER);
    }

    /** The same of n elements, whole vectors. */
    public static void rounded(long from, int n, long to) {
        for (int i = 0; i < n; i += Lanes.COUNT) {
            rounded(Lanes.load(from + 4L * i), to + 2L * i);
        }
    }

    /** F32 to the nearest BF16, ties to even; NaN stays NaN. */
    public static void narrow(long from, int n, long to) {
        int i = 0;
        for (; i < n - n % Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector x = Lanes.load(from + 4L * i);
            IntVector bits = x.reinterpretAsInts();
            IntVector odd = bits.lanewise(VectorOperators.LSHR, 16).and(1);
            bits.add(0x7fff)
                    .add(odd)
                    .blend(0x7fc00000, x.compare(VectorOperators.NE, x).cast(I32))
                    .lanewise(VectorOperators.LSHR, 16)
                    .convertShape(VectorOperators.I2S, I16, 0)
                    .reinterpretAsShorts()
                    .intoMemorySegment(Lanes.MEMORY, to + 2L * i, Lanes.ORDER);
        }
        for (; i < n; i++) {
            short bits = DType.toBf16(Lanes.get(from + 4L * i));
            Lanes.setShort(to + 2L * i, bits);
        }
    }
}
