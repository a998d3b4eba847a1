package org.ringworld.runtime.cuda;

import static jcuda.driver.JCudaDriver.cuMemcpyDtoH;
import static org.assertj.core.api.Assertions.assertThat;
import static org.ringworld.runtime.cuda.CudaCalls.allocate;
import static org.ringworld.runtime.cuda.CudaCalls.device;
import static org.ringworld.runtime.cuda.CudaCalls.floats;
import static org.ringworld.runtime.cuda.CudaCalls.kernel;
import static org.ringworld.runtime.cuda.CudaCalls.launch;
import static org.ringworld.runtime.cuda.CudaCalls.load;
import static org.ringworld.runtime.cuda.CudaCalls.ok;

import java.util.Arrays;
import java.util.Random;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What nvcc makes of functions and operators computes what Java does (arithmetic.cu). */
class EmulatedCardArithmeticTest {
    private static final int N = 207;

    private EmulatedCard card;

    @BeforeEach
    void openCard() {
        card = EmulatedCard.orSkip();
        card.restart();
        card.trace(0);
        CudaCalls.context(0);
    }

    @AfterEach
    void forgetFaults() {
        card.restart();
    }

    private CUfunction arithmetic(String name) {
        return kernel(load(card.ptx("runtime/src/test/cuda/arithmetic.cu")), name);
    }

    @Test
    void functionsOfFloats() {
        float[] x = new float[N];
        Random random = new Random(1);
        for (int i = 0; i < N; i++) {
            x[i] = (float) random.nextGaussian() * 3;
        }
        CUdeviceptr y = allocate(4L * 22 * N);
        ok(launch(arithmetic("floats"), 4, 64, null, device(x), y, N));
        float[] got = floats(y, 22 * N);
        for (int i = 0; i < N; i++) {
            double v = x[i];
            double p = Math.abs(x[i]) + 0.01f;
            double[] expected = {
                Math.exp(v),
                Math.exp(v),
                Math.pow(2, v),
                Math.log(p),
                Math.log(p),
                Math.log1p(p),
                Math.expm1(v),
                Math.tanh(v),
                Math.sqrt(p),
                1 / Math.sqrt(p),
                1 / (1 + p),
                v / p,
                Math.pow(p, 1.7),
                Math.sin(v),
                Math.cos(v),
                Double.NaN,
                Math.fma(x[i], x[i], x[i]),
                Math.rint(x[i] * 10f),
                Math.signum(v) * Math.floor(Math.abs(x[i] * 10f)),
                Math.floor(x[i] * 10f),
                Math.max(v, 0.5),
                Math.min(v, 0.5),
            };
            for (int k = 0; k < expected.length; k++) {
                if (!Double.isNaN(expected[k])) { // Java has no erf
                    assertThat((double) got[i * 22 + k])
                            .as("function %s of %s", k, v)
                            .isCloseTo(
                                    expected[k],
                                    Offset.offset(2e-6 * Math.abs(expected[k]) + 1e-6));
                }
            }
        }
    }

    @Test
    void functionsOfDoubles() {
        double[] x = new Random(2).doubles(N, -5, 5).toArray();
        CUdeviceptr y = allocate(8L * 10 * N);
        ok(launch(arithmetic("doubles"), 4, 64, null, device(Pointer.to(x), 8L * N), y, N));
        double[] got = new double[10 * N];
        ok(cuMemcpyDtoH(Pointer.to(got), y, 8L * got.length));
        for (int i = 0; i < N; i++) {
            double v = x[i];
            double p = Math.abs(v) + 0.01;
            double[] expected = {
                Math.sin(Math.PI * v),
                Math.cos(Math.PI * v),
                1 / p,
                v / p,
                Math.sqrt(p),
                Math.exp(v),
                Math.log(p),
                Math.rint(v * 10),
                Math.fma(v, v, v),
                (float) v,
            };
            for (int k = 0; k < expected.length; k++) {
                assertThat(got[i * 10 + k])
                        .as("function %s of %s", k, v)
                        .isCloseTo(expected[k], Offset.offset(1e-14 * (1 + Math.abs(expected[k]))));
            }
        }
    }

    @Test
    void arithmeticOfIntegers() {
        long[] x = new Random(3).longs(N).toArray();
        x[0] = 0;
        x[1] = -1;
        x[2] = Long.MIN_VALUE + 1;
        CUdeviceptr y = allocate(8L * 24 * N);
        ok(launch(arithmetic("integers"), 4, 64, null, device(Pointer.to(x), 8L * N), y, N));
        long[] got = new long[24 * N];
        ok(cuMemcpyDtoH(Pointer.to(got), y, 8L * got.length));
        for (int i = 0; i < N; i++) {
            long v = x[i];
            int w = (int) v;
            byte[] bytes =
                    java.nio.ByteBuffer.allocate(8)
                            .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                            .putInt(w)
                            .putInt(~w)
                            .array();
            int permuted =
                    (bytes[1] & 255)
                            | (bytes[4] & 255) << 8
                            | (bytes[5] & 255) << 16
                            | (bytes[2] & 255) << 24;
            long[] expected = {
                v / 7,
                v % 1000,
                Long.divideUnsigned(v, 7),
                Long.remainderUnsigned(v, 1000),
                Math.multiplyHigh(v, v),
                Math.unsignedMultiplyHigh(v, v),
                v >> 5,
                v >>> 5,
                v << 3,
                Long.bitCount(v),
                Long.numberOfLeadingZeros(v),
                v == 0 ? 0 : Long.numberOfTrailingZeros(v) + 1,
                Long.reverse(v),
                Math.abs(v),
                Math.min(v, 5),
                w / 7,
                w % 1000,
                (int) ((long) w * w >> 32),
                Integer.toUnsignedLong(w) / 7,
                Integer.bitCount(w),
                Integer.numberOfLeadingZeros(w),
                Integer.toUnsignedLong(~w << 7 | w >>> 25),
                Integer.toUnsignedLong(permuted),
                (short) w,
            };
            assertThat(Arrays.copyOfRange(got, i * 24, i * 24 + 24))
                    .as("of %s", v)
                    .isEqualTo(expected);
        }
    }

    @Test
    void halvesRoundToNearestEven() {
        float[] x = {1, 1.00390625f, 1.01171875f, -3.14159f, 0, 1e-40f, 3.3e38f};
        CUdeviceptr y = allocate(4L * 3 * x.length);
        ok(launch(arithmetic("halves"), 1, 32, null, device(x), y, x.length));
        float[] got = floats(y, 3 * x.length);
        for (int i = 0; i < x.length; i++) {
            float half = CudaCalls.fromBf16(CudaCalls.bf16(x[i]));
            assertThat(Arrays.copyOfRange(got, 3 * i, 3 * i + 3))
                    .containsExactly(half, half, CudaCalls.fromBf16(CudaCalls.bf16(x[i] * 2)));
        }
    }

    @Test
    void votesAndReductionsOfWarpsAndBlocks() {
        int n = 96;
        int[] x = new Random(4).ints(n, -50, 50).toArray();
        CUdeviceptr y = allocate(4L * 5 * n);
        ok(launch(arithmetic("votes"), 1, n, null, device(Pointer.to(x), 4L * n), y));
        int[] got = new int[5 * n];
        ok(cuMemcpyDtoH(Pointer.to(got), y, 4L * got.length));
        for (int t = 0; t < n; t++) {
            int sum = 0;
            int same = 0;
            int positive = 0;
            for (int l = 0; l < 32; l++) {
                int v = x[t / 32 * 32 + l];
                sum += v;
                same |= (v & 3) == (x[t] & 3) ? 1 << l : 0;
                positive |= v > 0 ? 1 << l : 0;
            }
            assertThat(got[t]).isEqualTo((int) Arrays.stream(x).filter(v -> v > 0).count());
            assertThat(got[n + t]).isEqualTo(2);
            assertThat(new int[] {got[2 * n + t], got[3 * n + t], got[4 * n + t]})
                    .containsExactly(same, sum, positive);
        }
    }

    @Test
    void atomicsOfAllThreadsAdd() {
        CUdeviceptr y = device(Pointer.to(new int[] {-1, 0, 0, 0, 0, 1000, 0}), 28);
        CUdeviceptr sum = device(new float[1]);
        CUdeviceptr doubles = device(Pointer.to(new double[1]), 8);
        ok(launch(arithmetic("atomics"), 1, 64, null, y, sum, doubles));
        int[] got = new int[7];
        ok(cuMemcpyDtoH(Pointer.to(got), y, 28));
        assertThat(got).containsExactly(0, -1, 0, 64 % 21, 189, 3, got[6]);
        assertThat(floats(sum, 1)).containsExactly(32);
        double[] total = new double[1];
        ok(cuMemcpyDtoH(Pointer.to(total), doubles, 8));
        assertThat(total).containsExactly(16);
    }
}
