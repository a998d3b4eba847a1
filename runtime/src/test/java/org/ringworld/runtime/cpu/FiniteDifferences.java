package org.ringworld.runtime.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.function.Supplier;

/** Gradients of an F64 reference, one element at a time. */
public final class FiniteDifferences {
    private static final double STEP = 1e-5;

    private FiniteDifferences() {}

    /**
     * Requires that {@code gradient} is that of Σ dy·f by {@code x}, where f reads x each time it
     * is called.
     */
    public static void check(
            String name, float[] gradient, double[] x, double[] dy, Supplier<double[]> f) {
        for (int i = 0; i < x.length; i++) {
            double kept = x[i];
            x[i] = kept + STEP;
            double above = dot(dy, f.get());
            x[i] = kept - STEP;
            double below = dot(dy, f.get());
            x[i] = kept;
            double expected = (above - below) / (2 * STEP);
            assertThat((double) gradient[i])
                    .as("%s[%d]", name, i)
                    .isCloseTo(expected, within(2e-6 + 2e-6 * Math.abs(expected)));
        }
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
