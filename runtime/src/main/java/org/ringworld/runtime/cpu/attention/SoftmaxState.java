package org.ringworld.runtime.cpu.attention;

import static org.ringworld.runtime.cpu.device.Lanes.BYTES;
import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.get;
import static org.ringworld.runtime.cpu.device.Lanes.load;
import static org.ringworld.runtime.cpu.device.Lanes.set;
import static org.ringworld.runtime.cpu.elementwise.VectorMath.LN_2;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.matmul.MicroKernel;

/**
 * The running softmax of a tile of queries: each row's maximum so far, in units of log 2, the sum
 * of exponentials relative to it, lane by lane, and a factor for the row of results. Rows of
 * scratch are {@code SIDE}s of the caller's choice, in whole vectors.
 *
 * @param side rows there is room for
 * @param at address
 */
record SoftmaxState(int side, long at) {
    /**
     * A new maximum is taken only when it is so much greater (log 2): until then the exponentials
     * grow to 256, which F32 holds as well, and no row is rescaled.
     */
    private static final float SLACK = 8;

    static long bytes(int side) {
        return 4L * side * (2 + COUNT);
    }

    long maximum(int row) {
        return at + 4L * row;
    }

    /** Address of the sums of a row: one vector. */
    long total(int row) {
        return at + 8L * side + (long) row * BYTES;
    }

    float factor(int row) {
        return get(at + 4L * (side + row));
    }

    /**
     * Takes n rows from a carried max and sum [.,heads]. The factor, by which the row of carried
     * results is to be multiplied, is the sum.
     *
     * @return whether any row has seen anything
     */
    boolean begin(Tensor max, Tensor sum, int heads, int head, long first, int n) {
        Lanes.MEMORY.asSlice(total(0), (long) n * BYTES).fill((byte) 0);
        boolean any = false;
        for (int i = 0; i < n; i++) {
            long at = 4 * ((first + i) * heads + head);
            float carried = get(sum.address() + at);
            set(maximum(i), get(max.address() + at));
            set(maximum(side + i), carried);
            set(total(i), carried);
            any |= carried != 0;
        }
        return any;
    }

    /** Gives n rows back as max and sum; the factor is what makes the row of results a mean. */
    void end(Tensor max, Tensor sum, int heads, int head, long first, int n) {
        for (int i = 0; i < n; i++) {
            long at = 4 * ((first + i) * heads + head);
            float total = Lanes.sum(load(total(i)));
            set(maximum(side + i), 1 / total);
            set(max.address() + at, get(maximum(i)));
            set(sum.address() + at, total);
        }
    }

    boolean sawNothing(int row) {
        return get(maximum(row)) == Float.NEGATIVE_INFINITY;
    }

    /**
     * Makes room for a row of n scores, in units of {@code 1 / inverse} log 2: where one exceeds
     * the maximum by more than {@link #SLACK}, what the row has summed so far fades.
     *
     * @return the maximum that exponentials are to be relative to
     */
    float follow(int row, long scores, int n, float inverse, long sums, int d) {
        float base = get(maximum(row));
        if (base != Float.NEGATIVE_INFINITY && !exceeds(scores, n, (base + SLACK) * inverse)) {
            return base;
        }
        float max = Math.max(base, max(scores, n) / inverse);
        set(maximum(row), max);
        // Where nothing was seen before, sums and totals are 0 and stay so.
        if (base != Float.NEGATIVE_INFINITY) {
            float fade = (float) Math.exp((base - max) * LN_2);
            scale(total(row), COUNT, fade, total(row));
            scale(sums, d, fade, sums);
        }
        return max == Float.NEGATIVE_INFINITY ? 0 : max;
    }

    private static boolean exceeds(long scores, int n, float limit) {
        FloatVector greatest = load(scores);
        for (int k = COUNT; k < n; k += COUNT) {
            FloatVector x = load(scores + 4L * k);
            greatest = greatest.blend(x, x.compare(VectorOperators.GT, greatest));
        }
        return greatest.compare(VectorOperators.GT, limit).anyTrue();
    }

    /** Rarely needed; Java's maximum minds NaN and the sign of 0, which costs five instructions. */
    private static float max(long scores, int n) {
        FloatVector max = load(scores);
        for (int k = COUNT; k < n; k += COUNT) {
            max = max.max(load(scores + 4L * k));
        }
        return max.reduceLanes(VectorOperators.MAX);
    }

    /** y[n] = by · x; may be x. The Vector API is called directly as in {@link MicroKernel}. */
    static void scale(long x, int n, float by, long y) {
        FloatVector factor = FloatVector.broadcast(Lanes.F32, by);
        int i = 0;
        for (; i <= n - COUNT; i += COUNT) {
            FloatVector.fromMemorySegment(Lanes.F32, Lanes.MEMORY, x + 4L * i, Lanes.ORDER)
                    .mul(factor)
                    .intoMemorySegment(Lanes.MEMORY, y + 4L * i, Lanes.ORDER);
        }
        for (; i < n; i++) {
            set(y + 4L * i, get(x + 4L * i) * by);
        }
    }
}
