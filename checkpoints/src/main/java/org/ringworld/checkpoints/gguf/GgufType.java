package org.ringworld.checkpoints.gguf;

import java.lang.foreign.MemorySegment;
import org.ringworld.checkpoints.Bytes;
import org.ringworld.runtime.DType;

/** How a tensor's values are stored, in blocks along its rows. */
public enum GgufType {
    F32(0, 0, 1, 4),
    BF16(30, 32, 1, 2),
    /** 32 values as an F16 scale, the greatest of them over 127, and a byte each. */
    Q8_0(8, 7, 32, 34);

    private final int number;
    private final int fileType;
    private final int block;
    private final int blockBytes;

    /**
     * @param number of ggml's type
     * @param fileType of a file whose matrices are stored so
     */
    GgufType(int number, int fileType, int block, int blockBytes) {
        this.number = number;
        this.fileType = fileType;
        this.block = block;
        this.blockBytes = blockBytes;
    }

    int number() {
        return number;
    }

    int fileType() {
        return fileType;
    }

    /** What a tensor of that shape has in a file of this type: vectors keep every digit. */
    GgufType of(long[] shape) {
        return shape.length == 1 || shape[shape.length - 1] % block != 0 ? F32 : this;
    }

    /** Bytes of that many values: whole blocks. */
    long bytes(long count) {
        return count / block * blockBytes;
    }

    /**
     * Stores values, as many as whole blocks hold.
     *
     * @throws IllegalArgumentException where a value is not finite and has no scale therefore
     */
    void store(float[] values, int n, MemorySegment to) {
        switch (this) {
            case F32 -> MemorySegment.copy(values, 0, to, Bytes.FLOAT, 0, n);
            case BF16 -> {
                for (int i = 0; i < n; i++) {
                    to.set(Bytes.SHORT, i * 2L, DType.toBf16(values[i]));
                }
            }
            case Q8_0 -> {
                for (int i = 0; i < n; i += block) {
                    storeBlock(values, i, to, (long) i / block * blockBytes);
                }
            }
        }
    }

    /** As ggml's reference does: the scale's inverse in F32, halves away from zero. */
    private void storeBlock(float[] values, int from, MemorySegment to, long at) {
        float greatest = 0;
        for (int i = 0; i < block; i++) {
            greatest = Math.max(greatest, Math.abs(values[from + i]));
        }
        if (!(greatest < Float.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("a value is not finite");
        }
        float scale = greatest / 127;
        float inverse = scale == 0 ? 0 : 1 / scale;
        to.set(Bytes.SHORT, at, Float.floatToFloat16(scale));
        for (int i = 0; i < block; i++) {
            double scaled = values[from + i] * inverse;
            long rounded = (long) (scaled + Math.copySign(0.5, scaled));
            to.set(Bytes.BYTE, at + 2 + i, (byte) Math.clamp(rounded, -127, 127));
        }
    }
}
