package org.ringworld.runtime.cpu.elementwise;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.function.UnaryOperator;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;
import org.ringworld.runtime.cpu.device.Lanes;

class VectorMathTest {
    @Test
    void exponentialsAreWithinTwoTenMillionths() {
        for (double x = -87; x < 88; x += 0.00371) {
            float f = (float) x;
            assertClose(lane(VectorMath::exp, f), Math.exp(f));
            assertClose(lane(VectorMath::exp2, f), Math.pow(2, f));
        }
    }

    @Test
    void theFarNegativeIsExactlyZero() {
        for (float x : new float[] {Float.NEGATIVE_INFINITY, -1e30f, -127f}) {
            assertThat(lane(VectorMath::exp2, x)).isZero();
            assertThat(lane(VectorMath::exp, x)).isZero();
        }
        assertThat(lane(VectorMath::exp, 0)).isEqualTo(1);
        assertThat(lane(VectorMath::exp2, 0)).isEqualTo(1);
        assertThat(lane(VectorMath::exp, Float.POSITIVE_INFINITY)).isGreaterThan(2e38f);
    }

    private static float lane(UnaryOperator<FloatVector> f, float x) {
        return f.apply(FloatVector.broadcast(Lanes.F32, x)).lane(0);
    }

    private static void assertClose(float actual, double expected) {
        assertThat((double) actual).isCloseTo(expected, within(2e-7 * expected));
    }
}
