package org.ringworld.runtime.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * F32 vectors of the widest kind this processor has, at absolute addresses. The one segment spans
 * the address space, so a check of bounds is a comparison with a constant: kernels check shapes at
 * their door and nothing protects the loops inside.
 */
final class Lanes {
    static final VectorSpecies<Float> F32 = FloatVector.SPECIES_PREFERRED;

    /** Elements of one vector. */
    static final int COUNT = F32.length();

    /** Bytes of one vector. */
    static final int BYTES = F32.vectorByteSize();

    /** All memory. */
    static final MemorySegment MEMORY = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

    static final ByteOrder ORDER = ByteOrder.nativeOrder();

    private Lanes() {}

    static FloatVector load(long address) {
        return FloatVector.fromMemorySegment(F32, MEMORY, address, ORDER);
    }

    static void store(FloatVector x, long address) {
        x.intoMemorySegment(MEMORY, address, ORDER);
    }

    static FloatVector zero() {
        return FloatVector.zero(F32);
    }

    static FloatVector broadcast(long address) {
        return FloatVector.broadcast(F32, get(address));
    }

    static float get(long address) {
        return MEMORY.get(ValueLayout.JAVA_FLOAT_UNALIGNED, address);
    }

    static void set(long address, float value) {
        MEMORY.set(ValueLayout.JAVA_FLOAT_UNALIGNED, address, value);
    }

    static int getInt(long address) {
        return MEMORY.get(ValueLayout.JAVA_INT_UNALIGNED, address);
    }

    static void setInt(long address, int value) {
        MEMORY.set(ValueLayout.JAVA_INT_UNALIGNED, address, value);
    }

    static short getShort(long address) {
        return MEMORY.get(ValueLayout.JAVA_SHORT_UNALIGNED, address);
    }

    static void setShort(long address, short value) {
        MEMORY.set(ValueLayout.JAVA_SHORT_UNALIGNED, address, value);
    }

    static double getDouble(long address) {
        return MEMORY.get(ValueLayout.JAVA_DOUBLE_UNALIGNED, address);
    }

    static void setDouble(long address, double value) {
        MEMORY.set(ValueLayout.JAVA_DOUBLE_UNALIGNED, address, value);
    }

    /** n rounded up to whole vectors. */
    static int pad(int n) {
        return (n + COUNT - 1) / COUNT * COUNT;
    }
}
