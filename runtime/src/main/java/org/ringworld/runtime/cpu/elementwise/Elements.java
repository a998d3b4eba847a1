package org.ringworld.runtime.cpu.elementwise;

import java.lang.foreign.ValueLayout;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Tensor;

/** Single elements of CPU tensors, checked and slow: for the plain kernels and for edges. */
public final class Elements {
    private Elements() {}

    public static float get(Tensor t, long i) {
        return switch (t.dtype()) {
            case F32 -> t.memory().getAtIndex(ValueLayout.JAVA_FLOAT, i);
            case BF16 -> DType.fromBf16(t.memory().getAtIndex(ValueLayout.JAVA_SHORT, i));
            case I8 -> t.memory().get(ValueLayout.JAVA_BYTE, i) * get(t.scales(), t.groups().of(i));
            case I32 -> throw new IllegalArgumentException(t + " has no values");
        };
    }

    public static void set(Tensor t, long i, double value) {
        if (t.dtype() == DType.F32) {
            t.memory().setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) value);
        } else {
            t.memory().setAtIndex(ValueLayout.JAVA_SHORT, i, DType.toBf16((float) value));
        }
    }

    /** The integer of an I8. */
    public static void setByte(Tensor t, long i, double value) {
        t.memory().set(ValueLayout.JAVA_BYTE, i, (byte) value);
    }

    public static void add(Tensor t, long i, double value) {
        set(t, i, get(t, i) + value);
    }

    public static int getInt(Tensor t, long i) {
        return t.memory().getAtIndex(ValueLayout.JAVA_INT, i);
    }

    public static void setInt(Tensor t, long i, int value) {
        t.memory().setAtIndex(ValueLayout.JAVA_INT, i, value);
    }
}
