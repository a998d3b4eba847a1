package org.ringworld.runtime.cpu.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.ringworld.runtime.cpu.TensorsOf.normal;

import java.util.Arrays;
import java.util.Random;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.runtime.cpu.FiniteDifferences;
import org.ringworld.runtime.cpu.TensorsOf;

/** Plain attention against an F64 softmax over the whole row, and its gradients against that. */
class PlainAttentionTest {
    private final CpuDevice device = CpuDevice.plain();
    private final TensorsOf tensors = new TensorsOf(device);
    private final Random random = new Random(11);

    // Two documents, padding at both ends, in an order that is not that of positions; the last
    // query is of a document that has no key.
    private final int[] qPositions = {0, 2, 1, 0, 3, 4, 0};
    private final int[] qSegments = {-1, 0, 0, 1, 1, -1, 5};
    private final int[] kPositions = {1, 0, 3, 2, 0, 0, 2, 1};
    private final int[] kSegments = {0, 0, 0, 0, 1, -1, 1, 1};

    @AfterEach
    void close() {
        device.close();
    }

    @ParameterizedTest
    @CsvSource({"1,1,5", "4,2,3", "3,1,8", "2,2,1"})
    void gradientsAreDerivatives(int heads, int kvHeads, int dim) {
        int s = qPositions.length;
        int t = kPositions.length;
        double[] q = normal(random, s * heads * dim);
        double[] k = normal(random, t * kvHeads * dim);
        double[] v = normal(random, t * kvHeads * dim);
        double[] dOut = normal(random, q.length);
        float scale = 0.7f;
        Tensor tq = tensors.f32(q, s, heads, dim);
        Tensor tdOut = tensors.f32(dOut, s, heads, dim);
        Tensor out = tensors.zeros(s, heads, dim);
        Tensor max = device.tensor(out.dtype(), s, heads);
        Tensor sum = tensors.zeros(s, heads);
        var kernels = device.kernels();
        kernels.fill(max, Float.NEGATIVE_INFINITY);
        int[] cuts = {0, 3, t};
        for (int b = 0; b < 2; b++) {
            kernels.attention(
                    tq,
                    tensors.ints(qPositions),
                    tensors.ints(qSegments),
                    tensors.f32(k, t, kvHeads, dim).rows(cuts[b], cuts[b + 1]),
                    tensors.f32(v, t, kvHeads, dim).rows(cuts[b], cuts[b + 1]),
                    tensors.ints(kPositions).rows(cuts[b], cuts[b + 1]),
                    tensors.ints(kSegments).rows(cuts[b], cuts[b + 1]),
                    scale,
                    out,
                    max,
                    sum);
        }
        Tensor delta = device.tensor(out.dtype(), s, heads);
        kernels.attentionDelta(tdOut, out, delta);
        Tensor dq = tensors.zeros(s, heads, dim);
        Tensor dk = tensors.zeros(t, kvHeads, dim);
        Tensor dv = tensors.zeros(t, kvHeads, dim);
        kernels.attentionBackward(
                tq,
                tensors.ints(qPositions),
                tensors.ints(qSegments),
                tensors.f32(k, t, kvHeads, dim),
                tensors.f32(v, t, kvHeads, dim),
                tensors.ints(kPositions),
                tensors.ints(kSegments),
                scale,
                tdOut,
                max,
                sum,
                delta,
                dq,
                dk,
                dv);

        float[] expected = TensorsOf.floats(attention(q, k, v, heads, kvHeads, dim, scale));
        assertThat(tensors.read(out)).containsExactly(expected, within(1e-5f));
        Supplier<double[]> f = () -> attention(q, k, v, heads, kvHeads, dim, scale);
        FiniteDifferences.check("dq", tensors.read(dq), q, dOut, f);
        FiniteDifferences.check("dk", tensors.read(dk), k, dOut, f);
        FiniteDifferences.check("dv", tensors.read(dv), v, dOut, f);
        assertBlindQueriesHaveNoGradient(tensors.read(dq), heads * dim);
    }

    private static void assertBlindQueriesHaveNoGradient(float[] dq, int width) {
        for (int blind : new int[] {0, 5, 6}) {
            assertThat(Arrays.copyOfRange(dq, blind * width, (blind + 1) * width)).containsOnly(0);
        }
    }

    @Test
    void aQueryThatSeesNothingKeepsItsState() {
        Tensor q = tensors.f32(normal(random, 8), 2, 1, 4);
        Tensor k = tensors.f32(normal(random, 8), 2, 1, 4);
        Tensor out = tensors.zeros(2, 1, 4);
        Tensor max = tensors.f32(new float[] {Float.NEGATIVE_INFINITY, Float.NEGATIVE_INFINITY}, 2);
        Tensor sum = tensors.zeros(2);
        device.kernels()
                .attention(
                        q,
                        tensors.ints(0, 0),
                        tensors.ints(-1, 0),
                        k,
                        k,
                        tensors.ints(0, 1),
                        tensors.ints(-1, 0),
                        1,
                        out,
                        max,
                        sum);
        assertThat(tensors.read(out)).containsOnly(0);
        assertThat(tensors.read(max)).containsOnly(Float.NEGATIVE_INFINITY);
        assertThat(tensors.read(sum)).containsOnly(0);
    }

    private double[] attention(
            double[] q, double[] k, double[] v, int heads, int kvHeads, int dim, double scale) {
        double[] out = new double[q.length];
        for (int row = 0; row < qPositions.length * heads; row++) {
            int s = row / heads;
            double total = 0;
            for (int t = 0; t < kPositions.length; t++) {
                if (qSegments[s] < 0
                        || qSegments[s] != kSegments[t]
                        || kPositions[t] > qPositions[s]) {
                    continue;
                }
                int key = t * kvHeads + row % heads / (heads / kvHeads);
                double score = 0;
                for (int i = 0; i < dim; i++) {
                    score += q[row * dim + i] * k[key * dim + i];
                }
                double weight = Math.exp(scale * score);
                total += weight;
                for (int i = 0; i < dim; i++) {
                    out[row * dim + i] += weight * v[key * dim + i];
                }
            }
            for (int i = 0; i < dim && total > 0; i++) {
                out[row * dim + i] /= total;
            }
        }
        return out;
    }
}
