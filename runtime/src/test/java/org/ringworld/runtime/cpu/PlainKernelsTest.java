package org.ringworld.runtime.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.ringworld.runtime.cpu.TensorsOf.normal;

import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Kernels.AdamWStep;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;

/** The plain kernels against F64 references written here, and their gradients against those. */
class PlainKernelsTest {
    private final CpuDevice device = CpuDevice.plain();
    private final PlainKernels kernels = new PlainKernels();
    private final TensorsOf tensors = new TensorsOf(device);
    private final Random random = new Random(7);

    @AfterEach
    void close() {
        device.close();
    }

    @Test
    void productsAgreeWithEachOtherAndAccumulate() {
        Tensor a = tensors.f32(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
        Tensor aT = tensors.f32(new float[] {1, 4, 2, 5, 3, 6}, 3, 2);
        Tensor b = tensors.f32(new float[] {1, 0, 2, 1, 0, 3}, 3, 2);
        Tensor bT = tensors.f32(new float[] {1, 2, 0, 0, 1, 3}, 2, 3);
        Tensor c = tensors.zeros(2, 2);
        kernels.matmul(Product.NN, a, b, c, false);
        assertThat(tensors.read(c)).containsExactly(5, 11, 14, 23);
        kernels.matmul(Product.NT, a, bT, c, true);
        assertThat(tensors.read(c)).containsExactly(10, 22, 28, 46);
        kernels.matmul(Product.TN, aT, b, c, false);
        assertThat(tensors.read(c)).containsExactly(5, 11, 14, 23);
        assertThatThrownBy(() -> kernels.matmul(Product.NT, a, b, c, false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("matmul NT: F32 [2, 3] does not fit F32 [3, 2]");
    }

    @Test
    void rmsNormBackwardIsItsDerivative() {
        int rows = 3;
        int dim = 13;
        double[] x = normal(random, rows * dim);
        double[] weight = normal(random, dim);
        double[] dy = normal(random, rows * dim);
        float eps = 1e-2f;
        Tensor tx = tensors.f32(x, rows, dim);
        Tensor tw = tensors.f32(weight, dim);
        Tensor y = tensors.zeros(rows, dim);
        Tensor rstd = tensors.zeros(rows);
        Tensor dx = tensors.zeros(rows, dim);
        Tensor dw = tensors.zeros(dim);
        kernels.rmsNorm(tx, tw, eps, y, rstd);
        kernels.rmsNormBackward(tensors.f32(dy, rows, dim), tx, tw, rstd, dx, dw);

        assertClose(tensors.read(y), rmsNorm(x, weight, eps));
        FiniteDifferences.check("dx", tensors.read(dx), x, dy, () -> rmsNorm(x, weight, eps));
        FiniteDifferences.check("dw", tensors.read(dw), weight, dy, () -> rmsNorm(x, weight, eps));
    }

    private static double[] rmsNorm(double[] x, double[] weight, double eps) {
        double[] y = new double[x.length];
        for (int from = 0; from < x.length; from += weight.length) {
            double squares = 0;
            for (int i = 0; i < weight.length; i++) {
                squares += x[from + i] * x[from + i];
            }
            for (int i = 0; i < weight.length; i++) {
                double rms = Math.sqrt(squares / weight.length + eps);
                y[from + i] = x[from + i] / rms * weight[i];
            }
        }
        return y;
    }

    @Test
    void swiGluBackwardIsItsDerivative() {
        int n = 37;
        double[] gate = normal(random, n);
        double[] up = normal(random, n);
        double[] dy = normal(random, n);
        Tensor dGate = tensors.zeros(n);
        Tensor dUp = tensors.zeros(n);
        Tensor y = tensors.zeros(n);
        kernels.swiGlu(tensors.f32(gate, n), tensors.f32(up, n), y);
        kernels.swiGluBackward(
                tensors.f32(dy, n), tensors.f32(gate, n), tensors.f32(up, n), dGate, dUp);

        assertClose(tensors.read(y), swiGlu(gate, up));
        FiniteDifferences.check("dGate", tensors.read(dGate), gate, dy, () -> swiGlu(gate, up));
        FiniteDifferences.check("dUp", tensors.read(dUp), up, dy, () -> swiGlu(gate, up));
    }

    private static double[] swiGlu(double[] gate, double[] up) {
        double[] y = new double[gate.length];
        for (int i = 0; i < y.length; i++) {
            y[i] = gate[i] / (1 + Math.exp(-gate[i])) * up[i];
        }
        return y;
    }

    @Test
    void rotaryBackwardIsItsDerivativeAndKeepsAnglesAtAMillion() {
        int[] positions = {0, 3, 1_000_000};
        double[] frequencies = {1, 0.3, 1e-4};
        int heads = 2;
        double[] x = normal(random, positions.length * heads * 6);
        double[] dy = normal(random, x.length);
        Tensor cos = tensors.zeros(3, 3);
        Tensor sin = tensors.zeros(3, 3);
        kernels.rotaryAngles(tensors.ints(positions), frequencies, 1.5, cos, sin);
        Tensor y = tensors.zeros(3, heads, 6);
        Tensor dx = tensors.zeros(3, heads, 6);
        kernels.rotary(tensors.f32(x, 3, heads, 6), cos, sin, y);
        kernels.rotaryBackward(tensors.f32(dy, 3, heads, 6), cos, sin, dx);

        assertClose(tensors.read(y), rotary(x, positions, frequencies, heads));
        FiniteDifferences.check(
                "dx", tensors.read(dx), x, dy, () -> rotary(x, positions, frequencies, heads));
    }

    private static double[] rotary(double[] x, int[] positions, double[] frequencies, int heads) {
        int half = frequencies.length;
        double[] y = new double[x.length];
        for (int row = 0; row < positions.length * heads; row++) {
            for (int i = 0; i < half; i++) {
                double angle = positions[row / heads] * frequencies[i];
                double a = x[row * 2 * half + i];
                double b = x[row * 2 * half + half + i];
                y[row * 2 * half + i] = 1.5 * (a * Math.cos(angle) - b * Math.sin(angle));
                y[row * 2 * half + half + i] = 1.5 * (b * Math.cos(angle) + a * Math.sin(angle));
            }
        }
        return y;
    }

    @Test
    void crossEntropyGradientIsItsDerivative() {
        int rows = 4;
        int vocab = 11;
        double[] logits = normal(random, rows * vocab);
        int[] targets = {3, -100, 10, 0};
        double[] weights = {1, 1, 0.5f, 0};
        float gradScale = 0.25f;
        double[] dy = {0.25, 0, 0.125, 0};
        Tensor ce = tensors.zeros(rows);
        Tensor hits = device.tensor(DType.I32, rows);
        Tensor dLogits = tensors.zeros(rows, vocab);
        kernels.crossEntropy(
                tensors.f32(logits, rows, vocab),
                tensors.ints(targets),
                tensors.f32(weights, rows),
                gradScale,
                ce,
                hits,
                dLogits);

        assertClose(tensors.read(ce), crossEntropy(logits, targets));
        FiniteDifferences.check(
                "dLogits", tensors.read(dLogits), logits, dy, () -> crossEntropy(logits, targets));
        for (int i = 0; i < vocab; i++) {
            assertThat(tensors.read(dLogits)[vocab + i]).isZero();
            assertThat(tensors.read(dLogits)[3 * vocab + i]).isZero();
        }
    }

    private static double[] crossEntropy(double[] logits, int[] targets) {
        int vocab = logits.length / targets.length;
        double[] ce = new double[targets.length];
        for (int s = 0; s < targets.length; s++) {
            double sum = 0;
            for (int i = 0; i < vocab; i++) {
                sum += Math.exp(logits[s * vocab + i]);
            }
            ce[s] = targets[s] < 0 ? 0 : Math.log(sum) - logits[s * vocab + targets[s]];
        }
        return ce;
    }

    @Test
    void hitsTakeTheFirstOfEquals() {
        Tensor logits = tensors.f32(new float[] {1, 5, 5, 0, 1, 5, 5, 0, 1, 5, 5, 0}, 3, 4);
        Tensor hits = device.tensor(DType.I32, 3);
        kernels.crossEntropy(
                logits, tensors.ints(1, 2, -1), tensors.zeros(3), 1, tensors.zeros(3), hits, null);
        assertThat(tensors.readInts(hits)).containsExactly(1, 0, 0);
    }

    @Test
    void adamWFollowsTheFormula() {
        Tensor param = tensors.f32(new float[] {2}, 1);
        Tensor m = tensors.zeros(1);
        Tensor v = tensors.zeros(1);
        Tensor shadow = device.tensor(DType.BF16, 1);
        var step = new AdamWStep(0.1f, 0.9f, 0.98f, 1e-8f, 0.01f, 0.5f, 1);
        kernels.adamW(param, tensors.f32(new float[] {4}, 1), m, v, shadow, step);
        // The first step is the gradient's sign: 2 · (1 − 0.1 · 0.01) − 0.1.
        assertThat(tensors.read(param)[0]).isCloseTo(1.898f, within(1e-6f));
        assertThat(tensors.read(m)[0]).isCloseTo(0.2f, within(1e-6f));
        assertThat(tensors.read(v)[0]).isCloseTo(0.08f, within(1e-6f));
        assertThat(tensors.read(shadow)[0]).isEqualTo(1.8984375f);
    }

    @Test
    void embeddingGathersAndItsBackwardScatters() {
        Tensor table = tensors.f32(new float[] {1, 2, 3, 4, 5, 6}, 3, 2);
        Tensor y = tensors.zeros(3, 2);
        kernels.embedding(tensors.ints(2, 0, 2), table, y);
        assertThat(tensors.read(y)).containsExactly(5, 6, 1, 2, 5, 6);
        Tensor dTable = tensors.zeros(3, 2);
        kernels.embeddingBackward(tensors.ints(2, 0, 2), y, dTable);
        assertThat(tensors.read(dTable)).containsExactly(1, 2, 0, 0, 10, 12);
        assertThatThrownBy(() -> kernels.embedding(tensors.ints(2, 3, 2), table, y))
                .hasMessage("embedding: id 3 of a table of 3 rows");
    }

    @Test
    void columnsAreCopiedAndOthersStay() {
        Tensor from = tensors.f32(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
        Tensor to = tensors.zeros(2, 4);
        kernels.copyColumns(from, 1, to, 2, 2);
        assertThat(tensors.read(to)).containsExactly(0, 0, 2, 3, 0, 0, 5, 6);
        assertThatThrownBy(() -> kernels.copyColumns(from, 2, to, 0, 2))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> kernels.copyColumns(from, 0, tensors.zeros(3, 4), 0, 2))
                .hasMessageContaining("copyColumns");
    }

    private static void assertClose(float[] actual, double[] expected) {
        assertThat(actual).containsExactly(TensorsOf.floats(expected), within(1e-5f));
    }
}
