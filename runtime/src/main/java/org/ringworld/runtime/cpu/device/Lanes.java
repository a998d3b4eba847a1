package org.ringworld.runtime.cpu.device;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * F32 vectors of the widest kind this processor has, at absolute addresses. The one segment spans
 * the address space, so a check of bounds is a comparison with a constant: kernels check shapes at
 * their door and nothing protects the loops inside.
 */
public final class Lanes {
    public static final VectorSpecies<Float> F32 = FloatVector.SPECIES_PREFERRED;

    /** Elements of one vector. */
    public static final int COUNT = F32.length();

    /** Bytes of one vector. */
    public static final int BYTES = F32.vectorByteSize();

    /** All memory. */
    public static final MemorySegment MEMORY = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

    public static final ByteOrder ORDER = ByteOrder.nativeOrder();

    private static final VectorShuffle<Float> BY_1 = turned(1);
    private static final VectorShuffle<Float> BY_2 = turned(2);
    private static final VectorShuffle<Float> BY_4 = turned(4);
    private static final VectorShuffle<Float> BY_8 = turned(8);

    private static final VectorMask<Float> WITH_1 = with(1);
    private static final VectorMask<Float> WITH_2 = with(2);
    private static final VectorMask<Float> WITH_4 = with(4);
    private static final VectorMask<Float> WITH_8 = with(8);

    private Lanes() {}

    private static VectorMask<Float> with(int bit) {
        boolean[] lanes = new boolean[COUNT];
        for (int i = 0; i < COUNT; i++) {
            lanes[i] = (i & bit) != 0;
        }
        return VectorMask.fromArray(F32, lanes, 0);
    }

    private static VectorShuffle<Float> turned(int by) {
        return VectorShuffle.fromOp(F32, i -> i ^ by & COUNT - 1);
    }

    /**
     * The sum of the lanes, in pairs. {@code reduceLanes} adds in one order when interpreted and in
     * another when compiled, so the same step would end differently later in a run.
     */
    public static float sum(FloatVector x) {
        FloatVector s = x;
        if (COUNT >= 16) {
            s = s.add(s.rearrange(BY_8));
        }
        if (COUNT >= 8) {
            s = s.add(s.rearrange(BY_4));
        }
        if (COUNT >= 4) {
            s = s.add(s.rearrange(BY_2));
        }
        return s.add(s.rearrange(BY_1)).lane(0);
    }

    /**
     * Sums of lanes {@code by} apart: those of a in the lanes without that bit of their number, of
     * b in those with it. After every bit a lane has one vector's whole sum.
     */
    public static FloatVector folded(FloatVector a, FloatVector b, int by) {
        VectorMask<Float> of = by == 1 ? WITH_1 : by == 2 ? WITH_2 : by == 4 ? WITH_4 : WITH_8;
        VectorShuffle<Float> turn = by == 1 ? BY_1 : by == 2 ? BY_2 : by == 4 ? BY_4 : BY_8;
        return a.blend(b, of).add(b.blend(a, of).rearrange(turn));
    }

    public static FloatVector load(long address) {
        return FloatVector.fromMemorySegment(F32, MEMORY, address, ORDER);
    }

    public static void store(FloatVector x, long address) {
        x.intoMemorySegment(MEMORY, address, ORDER);
    }

    public static FloatVector zero() {
        return FloatVector.zero(F32);
    }

    public static FloatVector broadcast(long address) {
        return FloatVector.broadcast(F32, get(address));
    }

    public static float get(long address) {
        return MEMORY.get(ValueLayout.JAVA_FLOAT_UNALIGNED, address);
    }

    public static void set(long address, float value) {
        MEMORY.set(ValueLayout.JAVA_FLOAT_UNALIGNED, address, value);
    }

    public static int getInt(long address) {
        return MEMORY.get(ValueLayout.JAVA_INT_UNALIGNED, address);
    }

    public static void setInt(long address, int value) {
        MEMORY.set(ValueLayout.JAVA_INT_UNALIGNED, address, value);
    }

    public static short getShort(long address) {
        return MEMORY.get(ValueLayout.JAVA_SHORT_UNALIGNED, address);
    }

    public static void setShort(long address, short value) {
        MEMORY.set(ValueLayout.JAVA_SHORT_UNALIGNED, address, value);
    }

    public static double getDouble(long address) {
        return MEMORY.get(ValueLayout.JAVA_DOUBLE_UNALIGNED, address);
    }

    public static void setDouble(long address, double value) {
        MEMORY.set(ValueLayout.JAVA_DOUBLE_UNALIGNED, address, value);
    }

    /** n rounded up to whole vectors. */
    public static int pad(int n) {
        return (n + COUNT - 1) / COUNT * COUNT;
    }
}
