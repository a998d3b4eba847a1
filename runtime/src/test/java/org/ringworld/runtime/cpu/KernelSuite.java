package org.ringworld.runtime.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Kernels.AdamWStep;
import org.ringworld.runtime.Tensor;

/** Every fast kernel but products and attention against its plain twin, on any device. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class KernelSuite {
    private static final double CLOSE = 2e-6;

    /** What the suite runs on. */
    protected abstract List<DeviceSpec> devices();

    /** Rows and columns of its tensors. */
    protected int[][] sizes() {
        return new int[][] {
            {1, 1}, {1, 13}, {3, 16}, {7, 207}, {33, 64}, {130, 1000}, {5, 4098}, {300, 5}
        };
    }

    Stream<Arguments> cases() {
        int[][] sizes = sizes();
        return Stream.of(DType.F32, DType.BF16)
                .flatMap(
                        dtype ->
                                devices().stream()
                                        .flatMap(
                                                on ->
                                                        Stream.of(sizes)
                                                                .map(
                                                                        s ->
                                                                                Arguments.of(
                                                                                        dtype, on,
                                                                                        s[0],
                                                                                        s[1]))));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void elementwise(DType dtype, DeviceSpec on, int rows, int dim) {
        try (var p = new Parity(on)) {
            Tensor a = p.normal(dtype, rows, dim);
            Tensor b = p.normal(dtype, rows, dim);
            Tensor dy = p.normal(dtype, rows, dim);
            Tensor f32 = p.normal(DType.F32, rows, dim);
            Tensor bf16 = p.normal(DType.BF16, rows, dim);
            Tensor one = p.normal(DType.F32, 1);
            p.check(0, (k, r) -> k.fill(r.get(0), 1.5f), a);
            p.check(0, (k, r) -> k.copy(a, r.get(0)), b);
            p.check(0, (k, r) -> k.copy(a, r.get(0)), f32);
            p.check(0, (k, r) -> k.copy(a, r.get(0)), bf16);
            p.check(CLOSE, (k, r) -> k.add(a, r.get(0)), b);
            p.check(CLOSE, (k, r) -> k.add(a, r.get(0)), f32);
            p.check(CLOSE, (k, r) -> k.add(f32, r.get(0)), a);
            p.check(1e-7, (k, r) -> k.sumOfSquares(f32, r.get(0)), one);
            p.check(CLOSE, (k, r) -> k.swiGlu(a, b, r.get(0)), dy);
            p.check(CLOSE, (k, r) -> k.swiGlu(r.get(0), b, r.get(0)), a);
            p.check(CLOSE, (k, r) -> k.swiGluBackward(dy, a, b, r.get(0), r.get(1)), dy, b);
            p.check(
                    CLOSE,
                    (k, r) -> k.swiGluBackward(dy, r.get(0), r.get(1), r.get(0), r.get(1)),
                    a,
                    b);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void rows(DType dtype, DeviceSpec on, int rows, int dim) {
        try (var p = new Parity(on)) {
            Tensor x = p.normal(dtype, rows, dim);
            Tensor weight = p.normal(dtype, dim);
            Tensor dy = p.normal(dtype, rows, dim);
            Tensor dx = p.normal(dtype, rows, dim);
            Tensor dWeight = p.normal(DType.F32, dim);
            Tensor rstd = p.normal(DType.F32, rows);
            p.check(CLOSE, (k, r) -> k.rmsNorm(x, weight, 1e-5f, r.get(0), r.get(1)), dx, rstd);
            p.device().kernels().rmsNorm(x, weight, 1e-5f, p.normal(dtype, rows, dim), rstd);
            p.check(
                    5e-6,
                    (k, r) -> k.rmsNormBackward(dy, x, weight, rstd, r.get(0), r.get(1)),
                    dx,
                    dWeight);
            Tensor wide = p.normal(dtype, rows, dim + 5);
            p.check(0, (k, r) -> k.copyColumns(x, dim / 3, r.get(0), 4, dim - dim / 3), wide);
            Tensor table = p.normal(dtype, 29, dim);
            Tensor ids = p.randomInts(29, rows);
            p.check(0, (k, r) -> k.embedding(ids, table, r.get(0)), x);
            Tensor dTable = p.normal(DType.F32, 29, dim);
            p.check(5e-6, (k, r) -> k.embeddingBackward(ids, dy, r.get(0)), dTable);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void attentionDelta(DType dtype, DeviceSpec on, int rows, int dim) {
        try (var p = new Parity(on)) {
            Tensor dOut = p.normal(dtype, rows, dim);
            Tensor out = p.normal(DType.F32, rows, dim);
            Tensor delta = p.normal(DType.F32, rows);
            p.check(5e-6, (k, r) -> k.attentionDelta(dOut, out, r.get(0)), delta);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void rotary(DType dtype, DeviceSpec on, int s, int half) {
        try (var p = new Parity(on)) {
            int dim = 2 * Math.min(half, 207);
            double[] frequencies = new double[dim / 2];
            for (int i = 0; i < frequencies.length; i++) {
                frequencies[i] = Math.pow(1e4, -2.0 * i / dim);
            }
            Tensor positions = p.randomInts(1_000_000, s);
            Tensor cos = p.normal(DType.F32, s, dim / 2);
            Tensor sin = p.normal(DType.F32, s, dim / 2);
            p.check(
                    0,
                    (k, r) -> k.rotaryAngles(positions, frequencies, 1.25, r.get(0), r.get(1)),
                    cos,
                    sin);
            Tensor x = p.normal(dtype, s, 3, dim);
            Tensor f32 = p.normal(DType.F32, s, 3, dim);
            p.check(CLOSE, (k, r) -> k.rotary(r.get(0), cos, sin, r.get(0)), x);
            p.check(CLOSE, (k, r) -> k.rotaryBackward(f32, cos, sin, r.get(0)), x);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void crossEntropy(DType dtype, DeviceSpec on, int rows, int vocab) {
        try (var p = new Parity(on)) {
            Tensor logits = p.normal(DType.F32, rows, vocab);
            Tensor weights = p.normal(DType.F32, rows);
            Tensor ce = p.normal(DType.F32, rows);
            Tensor hits = p.randomInts(9, rows);
            Tensor dLogits = p.normal(dtype, rows, vocab);
            int[] t = new int[rows];
            for (int s = 0; s < rows; s++) {
                t[s] = s % 4 == 1 ? -100 : s * 31 % vocab;
            }
            Tensor targets = p.ints(t);
            p.check(
                    CLOSE,
                    (k, r) ->
                            k.crossEntropy(
                                    logits, targets, weights, 0.3f, r.get(0), r.get(1), r.get(2)),
                    ce,
                    hits,
                    dLogits);
            p.check(
                    CLOSE,
                    (k, r) ->
                            k.crossEntropy(
                                    r.get(2), targets, weights, 3, r.get(0), r.get(1), r.get(2)),
                    ce,
                    hits,
                    logits);
            p.check(
                    CLOSE,
                    (k, r) -> k.crossEntropy(logits, targets, weights, 1, r.get(0), r.get(1), null),
                    ce,
                    hits);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void adamW(DType dtype, DeviceSpec on, int rows, int dim) {
        try (var p = new Parity(on)) {
            int n = rows * dim;
            Tensor grad = p.normal(DType.F32, n);
            Tensor m = p.normal(rows % 2 == 0 ? dtype : DType.F32, n);
            Tensor v = p.normal(DType.F32, n);
            Tensor squares = p.tensors().f32(squares(p.tensors().read(v)), n);
            Tensor shadow = dtype == DType.BF16 ? p.normal(DType.BF16, n) : null;
            var step = new AdamWStep(1e-2f, 0.9f, 0.98f, 1e-8f, 0.1f, 0.5f, 3);
            Tensor param = p.normal(DType.F32, n);
            if (shadow == null) {
                p.check(
                        CLOSE,
                        (k, r) -> k.adamW(r.get(0), grad, r.get(1), r.get(2), null, step),
                        param,
                        m,
                        squares);
            } else {
                p.check(
                        CLOSE,
                        (k, r) -> k.adamW(r.get(0), grad, r.get(1), r.get(2), r.get(3), step),
                        param,
                        m,
                        squares,
                        shadow);
            }
        }
    }

    private static float[] squares(float[] x) {
        float[] y = new float[x.length];
        for (int i = 0; i < x.length; i++) {
            y[i] = x[i] * x[i];
        }
        return y;
    }

    @Test
    void anIdThatTheTableLacksIsAnError() {
        try (var p = new Parity(devices().getLast())) {
            Tensor table = p.normal(DType.F32, 10, 64);
            Tensor y = p.normal(DType.F32, 2, 64);
            Tensor ce = p.normal(DType.F32, 2);
            var kernels = p.device().kernels();
            for (int time = 0; time < 2; time++) {
                assertFails(
                        p,
                        () -> kernels.embedding(p.ints(1, 10), table, y),
                        "embedding: id 10 of a table of 10 rows");
                assertFails(
                        p,
                        () -> kernels.embeddingBackward(p.ints(1, -1), y, table),
                        "embeddingBackward: id -1 of a table of 10 rows");
                Tensor targets = p.ints(-100, 64);
                assertFails(
                        p,
                        () -> kernels.crossEntropy(y, targets, ce, 1, ce, p.ints(0, 0), null),
                        "crossEntropy: id 64 of a table of 64 rows");
                kernels.fill(y, 2); // and the device goes on
                assertThat(p.tensors().read(y)).containsOnly(2);
            }
        }
    }

    /** At the call, or where a value next comes to the host. */
    private static void assertFails(Parity p, Runnable call, String message) {
        Tensor any = p.normal(DType.F32, 1);
        assertThatThrownBy(
                        () -> {
                            call.run();
                            p.device().copyOut(any, MemorySegment.ofArray(new float[1]));
                        })
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessage(message);
    }

    @Test
    void bf16RoundsToEvenAndKeepsSpecialValues() {
        try (var p = new Parity(devices().getFirst())) {
            float[] x = new float[64];
            float[] special = {
                0f,
                -0f,
                1f,
                0x1.01p0f,
                0x1.03p0f,
                0x1.010002p0f,
                Float.MAX_VALUE,
                Float.MIN_VALUE,
                Float.POSITIVE_INFINITY,
                Float.NEGATIVE_INFINITY,
                Float.NaN,
                Float.intBitsToFloat(0x7f800001),
                -1e-40f,
                3e38f
            };
            System.arraycopy(special, 0, x, 0, special.length);
            System.arraycopy(special, 0, x, 50, special.length);
            Tensor to = p.device().tensor(DType.BF16, x.length);
            p.device().kernels().copy(p.tensors().f32(x, x.length), to);
            float[] rounded = p.tensors().read(to);
            for (int i = 0; i < x.length; i++) {
                float expected = DType.fromBf16(DType.toBf16(x[i]));
                assertThat(Float.floatToRawIntBits(rounded[i]))
                        .as("%s", x[i])
                        .isEqualTo(Float.floatToRawIntBits(expected));
            }
        }
    }
}
