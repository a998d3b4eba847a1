package org.ringworld.runtime;

import java.util.Locale;

/**
 * Element types: F32 and BF16 for values, I32 for ids, positions and segments, I8 for values that
 * are only read, a scale for each of the {@link ScaleGroups}.
 */
public enum DType {
    F32(4),
    BF16(2),
    I32(4),
    I8(1);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    /**
     * The dtype of a job or config: {@code f32}, {@code float32}, {@code bf16} or {@code bfloat16}.
     *
     * @throws IllegalArgumentException for anything else, naming what can be written
     */
    public static DType ofValues(String name) {
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "f32", "float32" -> F32;
            case "bf16", "bfloat16" -> BF16;
            default ->
                    throw new IllegalArgumentException(
                            "dtype = " + name + " is not one of f32, bf16 (float32, bfloat16)");
        };
    }

    /**
     * The dtype that weights or pages are kept in: one of {@link #ofValues}, or {@code int8}.
     *
     * @throws IllegalArgumentException for anything else, naming what can be written
     */
    public static DType ofKept(String key, String name) {
        try {
            return name.equalsIgnoreCase("int8") ? I8 : ofValues(name);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    key + " = " + name + " is not one of f32, bf16, int8", e);
        }
    }

    /** Rounds to the nearest BF16, ties to even; NaN stays NaN. */
    public static short toBf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if ((bits & 0x7fffffff) > 0x7f800000) {
            return (short) (bits >>> 16 | 0x40);
        }
        return (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
    }

    /** The value of a BF16, exactly. */
    public static float fromBf16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }
}
