package org.ringworld.runtime.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.elementwise.Elements;

/**
 * Tensors of more than 2³¹ bytes, those of 64K tokens and more: what is computed behind that border
 * is what a small tensor gives. Needs 12 GiB.
 */
@Tag("slow")
class LargeTensorTest {
    private static final int ROWS = 9000;
    private static final int WIDTH = 65536;

    /** Rows of the end that are compared with the beginning. */
    private static final int FEW = 8;

    @Test
    void aProductReachesBehindTheBorder() {
        try (CpuDevice device = new CpuDevice(2)) {
            Kernels f = device.kernels();
            Tensor a = device.tensor(DType.F32, ROWS, 2);
            Tensor b = device.tensor(DType.F32, WIDTH, 2);
            f.fill(a, 1);
            f.fill(b, 2);
            f.fill(a.rows(ROWS - 1, ROWS), 3);
            f.fill(b.rows(WIDTH - 1, WIDTH), 5);
            Tensor c = device.tensor(DType.F32, ROWS, WIDTH);
            assertThat(c.bytes()).isGreaterThan(1L << 31);
            f.matmul(Product.NT, a, b, c, false);
            assertThat(last(c)).isEqualTo(30);
            assertThat(Elements.get(c, c.size() - 2)).isEqualTo(12);
            assertThat(Elements.get(c, c.size() - WIDTH - 1)).isEqualTo(10);
            Tensor back = device.tensor(DType.F32, ROWS, 2);
            f.matmul(Product.NN, c, b, back, false);
            assertThat(last(back)).isCloseTo(12f * 2 * (WIDTH - 1) + 150, within(1f));
            Tensor down = device.tensor(DType.F32, WIDTH, 2);
            f.matmul(Product.TN, c, a, down, false);
            assertThat(last(down)).isCloseTo(10f * (ROWS - 1) + 90, within(1f));
        }
    }

    @Test
    void rowsBehindTheBorderAreThoseOfASmallTensor() {
        try (CpuDevice device = new CpuDevice(2)) {
            Kernels f = device.kernels();
            Tensor x = device.tensor(DType.F32, ROWS, WIDTH);
            for (int i = 0; i < FEW; i++) {
                f.fill(x.rows(i, i + 1), i - 3.5f);
            }
            Tensor weight = device.tensor(DType.F32, WIDTH);
            f.fill(weight, 1);
            f.copy(x.rows(0, FEW), x.rows(ROWS - FEW, ROWS));
            Tensor y = device.tensor(DType.F32, ROWS, WIDTH);
            Tensor rstd = device.tensor(DType.F32, ROWS);
            f.rmsNorm(x, weight, 1e-5f, y, rstd);
            assertSameEnds(y);
            f.swiGlu(x, x, y);
            assertSameEnds(y);
            assertThat(Elements.get(y, 0)).isNotZero();
            f.add(x, y);
            assertSameEnds(y);
        }
    }

    @Test
    void attentionSeesQueriesBehindTheBorder() {
        int heads = 64;
        int d = 128;
        int s = ROWS * WIDTH / (heads * d);
        try (CpuDevice device = new CpuDevice(2)) {
            Kernels f = device.kernels();
            TensorsOf tensors = new TensorsOf(device);
            Tensor q = device.tensor(DType.F32, s, heads, d);
            f.fill(q, 0.1f);
            Tensor k = device.tensor(DType.F32, 16, 1, d);
            Tensor v = device.tensor(DType.F32, 16, 1, d);
            for (int i = 0; i < 16; i++) {
                f.fill(k.rows(i, i + 1), i * 0.1f);
                f.fill(v.rows(i, i + 1), i);
            }
            int[] positions = new int[s];
            for (int i = 0; i < FEW; i++) {
                positions[i] = positions[s - FEW + i] = 2 * i + 1;
            }
            // Everything between belongs to another document, which no key is of.
            int[] segments = new int[s];
            java.util.Arrays.fill(segments, FEW, s - FEW, 1);
            Tensor qp = tensors.ints(positions);
            Tensor qs = tensors.ints(segments);
            int[] order = new int[16];
            java.util.Arrays.setAll(order, i -> i);
            Tensor kp = tensors.ints(order);
            Tensor ks = tensors.ints(new int[16]);
            Tensor out = device.tensor(DType.F32, s, heads, d);
            Tensor max = device.tensor(DType.F32, s, heads);
            Tensor sum = device.tensor(DType.F32, s, heads);
            f.fill(max, Float.NEGATIVE_INFINITY);
            f.attention(q, qp, qs, k, v, kp, ks, 1, out, max, sum);
            assertSameEnds(out.view(s, (long) heads * d));
            assertThat(last(out)).isBetween(7.5f, 15f);
            Tensor dq = device.tensor(DType.F32, s, heads, d);
            Tensor dk = device.tensor(DType.F32, 16, 1, d);
            Tensor dv = device.tensor(DType.F32, 16, 1, d);
            Tensor delta = device.tensor(DType.F32, s, heads);
            f.attentionDelta(q, out, delta);
            f.attentionBackward(q, qp, qs, k, v, kp, ks, 1, q, max, sum, delta, dq, dk, dv);
            assertSameEnds(dq.view(s, (long) heads * d));
            assertThat(last(dv)).isNotZero();
        }
    }

    private static float last(Tensor t) {
        return Elements.get(t, t.size() - 1);
    }

    private static void assertSameEnds(Tensor t) {
        long width = t.dim(1);
        long rows = t.dim(0);
        for (int i = 0; i < FEW; i++) {
            for (long j = 0; j < width; j += 97) {
                assertThat(Elements.get(t, (rows - FEW + i) * width + j))
                        .isEqualTo(Elements.get(t, i * width + j));
            }
        }
    }
}
