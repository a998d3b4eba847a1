package org.ringworld.checkpoints;

/** Element types of a safetensors file. */
public enum SourceType {
    F64(64),
    F32(32),
    F16(16),
    BF16(16),
    I64(64),
    I32(32),
    I16(16),
    I8(8),
    U64(64),
    U32(32),
    U16(16),
    U8(8),
    BOOL(8),
    C64(64),
    F8_E4M3(8),
    F8_E5M2(8),
    F8_E8M0(8),
    F6_E2M3(6),
    F6_E3M2(6),
    F4(4);

    private final int bits;

    SourceType(int bits) {
        this.bits = bits;
    }

    /** Bits of one element. */
    public int bits() {
        return bits;
    }

    /** Whether its values can be read as F32: F64, F32, F16 or BF16. */
    public boolean isValue() {
        return this == F64 || this == F32 || this == F16 || this == BF16;
    }
}
