package org.ringworld.runtime.cpu.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.runtime.cpu.TensorsOf;

/** Merged partial results, plain and fast ones, against one softmax over all keys in F64. */
class AttentionMergeTest {
    private static final int QUERIES = 13;
    private static final int KEYS = 21;
    private static final int HEADS = 3;
    private static final int DIM = 20;

    private final CpuDevice plain = CpuDevice.plain();
    private final CpuDevice fast = new CpuDevice(2);
    private final Random random = new Random(17);

    // Query 0 sees no key at all, query 1 only the first.
    private final int[] qPositions = IntStream.range(0, QUERIES).map(i -> 2 * i - 1).toArray();
    private final int[] qSegments = IntStream.range(0, QUERIES).map(i -> i == 0 ? -1 : 0).toArray();
    private final float[] q = normal(QUERIES);
    private final float[] k = normal(KEYS);
    private final float[] v = normal(KEYS);

    private record State(Tensor out, Tensor max, Tensor sum) {}

    @AfterEach
    void close() {
        plain.close();
        fast.close();
    }

    private float[] normal(int rows) {
        return TensorsOf.floats(TensorsOf.normal(random, rows * HEADS * DIM));
    }

    /** The greatest element makes scores of that square / √20. */
    @ParameterizedTest
    @CsvSource({"0,1e-6", "128,1e-3"})
    void mergedPartsAreAttentionToAllKeys(float greatest, double tolerance) {
        setGreatest(greatest);
        double[] logs = new double[QUERIES * HEADS];
        double[] exact = exact(logs);
        for (CpuDevice device : new CpuDevice[] {plain, fast}) {
            for (int[] cuts : new int[][] {{0, KEYS}, {0, 1, KEYS}, {0, 5, 6, 17, KEYS}}) {
                State merged = empty(device);
                for (int i = cuts.length - 1; i > 0; i--) {
                    merge(device, part(device, cuts[i - 1], cuts[i]), merged);
                }
                assertClose(device, merged, exact, logs, tolerance);
            }
        }
    }

    @Test
    void theOrderOfMergingDoesNotMatter() {
        for (CpuDevice device : new CpuDevice[] {plain, fast}) {
            State left = part(device, 0, 5);
            merge(device, part(device, 5, 9), left);
            merge(device, part(device, 9, KEYS), left);
            State right = part(device, 9, KEYS);
            merge(device, part(device, 5, 9), right);
            merge(device, part(device, 0, 5), right);
            State pair = part(device, 5, 9);
            merge(device, part(device, 9, KEYS), pair);
            State nested = part(device, 0, 5);
            merge(device, pair, nested);
            double[] logs = logs(device, left);
            double[] out = doubles(device, left.out);
            assertClose(device, right, out, logs, 1e-6);
            assertClose(device, nested, out, logs, 1e-6);
        }
    }

    @Test
    void anEmptyResultIsTheIdentity() {
        for (CpuDevice device : new CpuDevice[] {plain, fast}) {
            State some = part(device, 3, 11);
            State before = empty(device);
            merge(device, some, before);
            assertSame(device, before, some);
            State after = part(device, 3, 11);
            merge(device, empty(device), after);
            assertSame(device, after, some);
            State none = empty(device);
            merge(device, empty(device), none);
            assertSame(device, none, empty(device));
        }
    }

    private void setGreatest(float value) {
        for (int i = DIM - 1; value != 0 && i < q.length; i += DIM) {
            q[i] += value;
        }
        for (int i = DIM - 1; value != 0 && i < k.length; i += DIM) {
            k[i] = value;
        }
    }

    private static State empty(CpuDevice device) {
        TensorsOf tensors = new TensorsOf(device);
        float[] max = new float[QUERIES * HEADS];
        Arrays.fill(max, Float.NEGATIVE_INFINITY);
        return new State(
                tensors.zeros(QUERIES, HEADS, DIM),
                tensors.f32(max, QUERIES, HEADS),
                tensors.zeros(QUERIES, HEADS));
    }

    /** Attention to keys [from, end). */
    private State part(CpuDevice device, int from, int end) {
        TensorsOf tensors = new TensorsOf(device);
        State state = empty(device);
        Kernels kernels = device.kernels();
        kernels.attention(
                tensors.f32(q, QUERIES, HEADS, DIM),
                tensors.ints(qPositions),
                tensors.ints(qSegments),
                tensors.f32(k, KEYS, HEADS, DIM).rows(from, end),
                tensors.f32(v, KEYS, HEADS, DIM).rows(from, end),
                tensors.ints(IntStream.range(from, end).toArray()),
                tensors.ints(new int[end - from]),
                (float) (1 / Math.sqrt(DIM)),
                state.out,
                state.max,
                state.sum);
        return state;
    }

    private static void merge(CpuDevice device, State other, State into) {
        device.kernels()
                .attentionMerge(other.out, other.max, other.sum, into.out, into.max, into.sum);
    }

    private static double[] doubles(CpuDevice device, Tensor x) {
        float[] values = new TensorsOf(device).read(x);
        return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
    }

    /** log2 of the sum of exponentials. */
    private static double[] logs(CpuDevice device, State state) {
        double[] max = doubles(device, state.max);
        double[] sum = doubles(device, state.sum);
        return IntStream.range(0, max.length)
                .mapToDouble(i -> max[i] + Math.log(sum[i]) / Math.log(2))
                .toArray();
    }

    private static void assertClose(
            CpuDevice device, State actual, double[] out, double[] logs, double tolerance) {
        assertThat(doubles(device, actual.out)).containsExactly(out, within(3 * tolerance));
        double[] actualLogs = logs(device, actual);
        for (int i = 0; i < logs.length; i++) {
            if (logs[i] == Double.NEGATIVE_INFINITY) {
                assertThat(actualLogs[i]).isEqualTo(logs[i]);
            } else {
                assertThat(actualLogs[i]).isCloseTo(logs[i], within(3 * tolerance));
            }
        }
    }

    private static void assertSame(CpuDevice device, State actual, State expected) {
        assertThat(doubles(device, actual.out)).isEqualTo(doubles(device, expected.out));
        assertThat(doubles(device, actual.max)).isEqualTo(doubles(device, expected.max));
        assertThat(doubles(device, actual.sum)).isEqualTo(doubles(device, expected.sum));
    }

    /** Softmax over all keys that a query sees; also log2 of its sum of exponentials. */
    private double[] exact(double[] logs) {
        double[] out = new double[q.length];
        for (int row = 0; row < logs.length; row++) {
            int s = row / HEADS;
            int seen = qSegments[s] < 0 ? 0 : Math.min(KEYS, qPositions[s] + 1);
            double[] p = new double[seen];
            double max = Double.NEGATIVE_INFINITY;
            for (int t = 0; t < seen; t++) {
                for (int i = 0; i < DIM; i++) {
                    int key = (t * HEADS + row % HEADS) * DIM + i;
                    p[t] += (double) q[row * DIM + i] * k[key] / Math.sqrt(DIM);
                }
                max = Math.max(max, p[t]);
            }
            double sum = 0;
            for (int t = 0; t < seen; t++) {
                p[t] = Math.exp(p[t] - max);
                sum += p[t];
            }
            for (int t = 0; t < seen; t++) {
                for (int i = 0; i < DIM; i++) {
                    out[row * DIM + i] += p[t] / sum * v[(t * HEADS + row % HEADS) * DIM + i];
                }
            }
            logs[row] = (max + Math.log(sum)) / Math.log(2);
        }
        return out;
    }
}
