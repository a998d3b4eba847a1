package org.ringworld.runtime.cpu.elementwise;

import static org.ringworld.runtime.cpu.device.Lanes.F32;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Exponentials and logarithms over F32 lanes, within 2e-7 of the true value. The exponential's
 * argument is cut into an integer, which becomes the exponent's bits, and a rest of at most a half,
 * whose power is a polynomial.
 */
public final class VectorMath {
    public static final float LOG2_E = 1.44269504f;
    public static final float LN_2 = 0.69314718f;

    /** Adding 1.5 · 2^23 leaves the nearest integer in the low bits of an F32. */
    private static final float ROUND = 0x1.8p23f;

    private static final int ONE_IN_ROUND = Float.floatToRawIntBits(ROUND);

    // ln 2 in two parts: the first has few enough bits that its multiples are exact.
    private static final float LN2_HIGH = 0x1.62e4p-1f;
    private static final float LN2_LOW = 0x1.7f7d1cp-20f;

    private VectorMath() {}

    /**
     * 2^x for x up to 127; exactly 0 at −127 and below, −∞ among them (for x between −127 and −126
     * something below the least normal number).
     */
    public static FloatVector exp2(FloatVector x) {
        FloatVector clamped = atLeast(x, -127f);
        FloatVector rounded = clamped.add(ROUND);
        FloatVector f = clamped.sub(rounded.sub(ROUND));
        // Minimax on [-1/2, 1/2] with p(0) = 1.
        FloatVector p = FloatVector.broadcast(F32, 1.5353362e-4f);
        p = p.fma(f, FloatVector.broadcast(F32, 1.3398874e-3f));
        p = p.fma(f, FloatVector.broadcast(F32, 9.6184370e-3f));
        p = p.fma(f, FloatVector.broadcast(F32, 5.5503324e-2f));
        p = p.fma(f, FloatVector.broadcast(F32, 2.4022648e-1f));
        p = p.fma(f, FloatVector.broadcast(F32, 6.9314720e-1f));
        p = p.fma(f, FloatVector.broadcast(F32, 1f));
        return timesPowerOfTwo(p, rounded);
    }

    /** e^x; exactly 0 below −87.34, and 2.4e38 (e^88.37) from there on up. */
    public static FloatVector exp(FloatVector x) {
        FloatVector clamped = atLeast(x, -88.029692f);
        FloatVector most = FloatVector.broadcast(F32, 88.37f);
        clamped = clamped.blend(most, clamped.compare(VectorOperators.GT, most));
        FloatVector rounded = clamped.mul(LOG2_E).add(ROUND);
        FloatVector n = rounded.sub(ROUND);
        FloatVector f = n.fma(FloatVector.broadcast(F32, -LN2_HIGH), clamped);
        f = n.fma(FloatVector.broadcast(F32, -LN2_LOW), f);
        // Minimax on [-ln 2 / 2, ln 2 / 2] with p(0) = 1 (Cephes' expf).
        FloatVector p = FloatVector.broadcast(F32, 1.9875691e-4f);
        p = p.fma(f, FloatVector.broadcast(F32, 1.3981999e-3f));
        p = p.fma(f, FloatVector.broadcast(F32, 8.3334519e-3f));
        p = p.fma(f, FloatVector.broadcast(F32, 4.1665795e-2f));
        p = p.fma(f, FloatVector.broadcast(F32, 1.6666665e-1f));
        p = p.fma(f, FloatVector.broadcast(F32, 5.0000001e-1f));
        FloatVector one = FloatVector.broadcast(F32, 1f);
        p = p.mul(f).fma(f, f).add(one);
        FloatVector y = timesPowerOfTwo(p, rounded);
        return y.blend(0f, x.lt(-87.336544f));
    }

    /** Java's maximum minds NaN and the sign of 0 in five instructions; this takes two. */
    private static FloatVector atLeast(FloatVector x, float least) {
        FloatVector bound = FloatVector.broadcast(F32, least);
        return x.blend(bound, x.compare(VectorOperators.LT, bound));
    }

    private static FloatVector timesPowerOfTwo(FloatVector p, FloatVector rounded) {
        IntVector exponent =
                rounded.reinterpretAsInts().sub(ONE_IN_ROUND).lanewise(VectorOperators.LSHL, 23);
        return p.reinterpretAsInts().add(exponent).reinterpretAsFloats();
    }
}
