package org.ringworld.checkpoints;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.ringworld.runtime.DType;

/** Stored values to F32 or BF16, through arrays of a few thousand so that the loops vectorise. */
final class Conversion {
    private static final int CHUNK = 8192;

    private Conversion() {}

    /** Converts all of {@code from}; {@code to} holds as many elements of {@code dtype}. */
    static void convert(MemorySegment from, SourceType type, MemorySegment to, DType dtype) {
        if (type.name().equals(dtype.name())) {
            MemorySegment.copy(from, 0, to, 0, from.byteSize());
            return;
        }
        long count = from.byteSize() * 8 / type.bits();
        float[] values = new float[(int) Math.min(count, CHUNK)];
        for (long done = 0; done < count; done += CHUNK) {
            int n = (int) Math.min(CHUNK, count - done);
            load(from, type, done, values, n);
            store(values, n, to, dtype, done);
        }
    }

    private static void load(MemorySegment from, SourceType type, long at, float[] to, int n) {
        switch (type) {
            case F32 -> MemorySegment.copy(from, Bytes.FLOAT, at * 4, to, 0, n);
            case F64 -> {
                double[] wide = new double[n];
                MemorySegment.copy(from, Bytes.DOUBLE, at * 8, wide, 0, n);
                for (int i = 0; i < n; i++) {
                    to[i] = (float) wide[i];
                }
            }
            case F16 -> {
                short[] half = new short[n];
                MemorySegment.copy(from, Bytes.SHORT, at * 2, half, 0, n);
                for (int i = 0; i < n; i++) {
                    to[i] = Float.float16ToFloat(half[i]);
                }
            }
            case BF16 -> {
                short[] half = new short[n];
                MemorySegment.copy(from, Bytes.SHORT, at * 2, half, 0, n);
                for (int i = 0; i < n; i++) {
                    to[i] = DType.fromBf16(half[i]);
                }
            }
            default -> throw new IllegalArgumentException(type + " is not a type of values");
        }
    }

    private static void store(float[] from, int n, MemorySegment to, DType dtype, long at) {
        switch (dtype) {
            case F32 ->
                    MemorySegment.copy(from, 0, to, ValueLayout.JAVA_FLOAT_UNALIGNED, at * 4, n);
            case BF16 -> {
                short[] half = new short[n];
                for (int i = 0; i < n; i++) {
                    half[i] = DType.toBf16(from[i]);
                }
                MemorySegment.copy(half, 0, to, ValueLayout.JAVA_SHORT_UNALIGNED, at * 2, n);
            }
            case I32, I8 -> throw new IllegalArgumentException("values cannot be read as " + dtype);
        }
    }
}
