package org.ringworld.runtime.cpu.elementwise;

import static org.ringworld.runtime.cpu.device.Lanes.COUNT;

import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.Lanes;

/** I8 elements in the vector loops, which see F32 alone, and on their way back. */
public final class Quantized {
    private static final VectorSpecies<Integer> I32 = Lanes.F32.withLanes(int.class);

    /** A quarter of a vector; of the narrowest there is none, see {@link #widened}. */
    private static final VectorSpecies<Byte> I8 =
            VectorSpecies.of(
                    byte.class,
                    VectorShape.forBitSize(Math.max(64, Lanes.F32.vectorBitSize() / 4)));

    /** Shifts that put each byte of an int to the top of its lane, where bytes have no vector. */
    private static final IntVector TO_TOP =
            IntVector.fromArray(
                    I32, new int[] {24, 16, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0);

    /** Adding it leaves an F32's integer, to nearest even, in the lowest bits. */
    private static final float ROUND = 0x1.8p23f;

    private Quantized() {}

    /** One vector of I8 as F32, to be multiplied by its scale. */
    public static FloatVector widened(long from) {
        if (COUNT < 8) {
            return (FloatVector)
                    IntVector.broadcast(I32, Lanes.getInt(from))
                            .lanewise(VectorOperators.LSHL, TO_TOP)
                            .lanewise(VectorOperators.ASHR, 24)
                            .convert(VectorOperators.I2F, 0);
        }
        return (FloatVector)
                ByteVector.fromMemorySegment(I8, Lanes.MEMORY, from, Lanes.ORDER)
                        .convertShape(VectorOperators.B2F, Lanes.F32, 0);
    }

    /** n elements of one scale to F32. */
    public static void load(long from, float scale, int n, long to) {
        int i = 0;
        for (; i <= n - COUNT; i += COUNT) {
            Lanes.store(widened(from + i).mul(scale), to + 4L * i);
        }
        for (; i < n; i++) {
            Lanes.set(to + 4L * i, getByte(from + i) * scale);
        }
    }

    /** n elements of one scale to F32, or to the nearest BF16. */
    public static void load(long from, float scale, int n, DType dtype, long to) {
        if (dtype == DType.F32) {
            load(from, scale, n, to);
            return;
        }
        int i = 0;
        for (; i <= n - COUNT; i += COUNT) {
            Staging.rounded(widened(from + i).mul(scale), to + 2L * i);
        }
        for (; i < n; i++) {
            Lanes.setShort(to + 2L * i, DType.toBf16(getByte(from + i) * scale));
        }
    }

    /** The scale of a row of a matrix. */
    public static float scale(Tensor matrix, long row) {
        return Lanes.get(matrix.scales().address() + 4 * row);
    }

    /** The greatest magnitude of n values; NaN where one is. */
    static float greatest(DType dtype, long from, int n) {
        FloatVector most = Lanes.zero();
        int i = 0;
        for (; i <= n - COUNT; i += COUNT) {
            most = most.max(values(dtype, from, i).abs());
        }
        float greatest = most.reduceLanes(VectorOperators.MAX);
        for (; i < n; i++) {
            greatest = Math.max(greatest, Math.abs(value(dtype, from, i)));
        }
        return greatest;
    }

    /** n values to the nearest multiples of their scale, ties to even. */
    static void store(DType dtype, long from, int n, float scale, long to) {
        int i = 0;
        for (; COUNT >= 8 && scale != 0 && i <= n - COUNT; i += COUNT) {
            FloatVector x = values(dtype, from, i).div(scale).min(127).max(-127);
            x.add(ROUND)
                    .reinterpretAsInts()
                    .convertShape(VectorOperators.I2B, I8, 0)
                    .reinterpretAsBytes()
                    .intoMemorySegment(Lanes.MEMORY, to + i, Lanes.ORDER);
        }
        for (; i < n; i++) {
            float x = scale == 0 ? 0 : value(dtype, from, i) / scale;
            byte rounded = (byte) Math.clamp(Math.rint(x), -127, 127);
            Lanes.MEMORY.set(ValueLayout.JAVA_BYTE, to + i, rounded);
        }
    }

    private static FloatVector values(DType dtype, long from, int i) {
        return dtype == DType.F32 ? Lanes.load(from + 4L * i) : Staging.widened(from + 2L * i);
    }

    private static float value(DType dtype, long from, int i) {
        return dtype == DType.F32
                ? Lanes.get(from + 4L * i)
                : DType.fromBf16(Lanes.getShort(from + 2L * i));
    }

    private static byte getByte(long from) {
        return Lanes.MEMORY.get(ValueLayout.JAVA_BYTE, from);
    }
}
