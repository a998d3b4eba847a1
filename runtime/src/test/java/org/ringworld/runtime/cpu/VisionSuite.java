package org.ringworld.runtime.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Tensor;

/** Every vision kernel against its plain twin, on any device. */
public abstract class VisionSuite {
    private static final double CLOSE = 5e-6;

    /** What the suite runs on. */
    protected abstract List<DeviceSpec> devices();

    /** One of them, another for another number. */
    private DeviceSpec on(int i) {
        return devices().get(i % devices().size());
    }

    @ParameterizedTest
    @CsvSource({
        // images, height, width, channels in and out, side of the kernel, stride, zeros before
        "1,1,1,1,1,1,1,0",
        "2,5,7,3,13,3,1,1", // LWM's first convolution, and one of 3 channels at the end
        "1,16,9,32,3,3,1,1",
        "1,8,10,32,32,3,2,0", // LWM's way down: a row of zeros below, a column to the right
        "3,7,5,20,33,3,2,0",
        "2,6,6,64,48,1,1,0",
        "1,4,4,3,5,5,1,2",
        "1,3,2,4,4,4,2,1"
    })
    void convolution(int b, int h, int w, int c, int o, int side, int stride, int before) {
        for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
            try (var p = new Parity(on(h + dtype.ordinal()))) {
                Tensor x = p.normal(dtype, b, h, w, c);
                Tensor kernel = p.normal(dtype, side, side, c, o);
                Tensor bias = p.normal(dtype, o);
                Tensor y = p.normal(dtype, b, Math.ceilDiv(h, stride), Math.ceilDiv(w, stride), o);
                p.checkVision(
                        dtype == DType.F32 ? CLOSE : 5e-3,
                        (k, r) -> k.conv2d(x, kernel, bias, stride, before, r.get(0)),
                        y);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1,1,1,32,32", "2,3,5,64,32", "1,20,13,96,32", "3,9,9,20,4", "1,2,2,13,1"})
    void groupNorm(int b, int h, int w, int c, int groups) {
        for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
            try (var p = new Parity(on(h + dtype.ordinal()))) {
                Tensor x = p.normal(dtype, b, h, w, c);
                Tensor scale = p.normal(dtype, c);
                Tensor bias = p.normal(dtype, c);
                for (boolean swish : new boolean[] {false, true}) {
                    p.checkVision(
                            CLOSE,
                            (k, r) ->
                                    k.groupNorm(
                                            r.get(0), scale, bias, groups, 1e-2f, swish, r.get(0)),
                            x);
                }
            }
        }
    }

    @Test
    void groupNormKeepsItsDigitsFarFromZero() {
        try (var p = new Parity(on(1))) {
            float[] far = p.tensors().read(p.normal(DType.F32, 2, 9, 11, 64));
            for (int i = 0; i < far.length; i++) {
                far[i] += 50 + i % 64;
            }
            Tensor x = p.tensors().f32(far, 2, 9, 11, 64);
            Tensor one = p.normal(DType.F32, 64);
            p.checkVision(1e-5, (k, r) -> k.groupNorm(x, one, one, 32, 0, false, r.get(0)), x);
        }
    }

    @ParameterizedTest
    @CsvSource({"1,1,1,1", "2,3,5,13", "1,7,4,64"})
    void upsample(int b, int h, int w, int c) {
        for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
            try (var p = new Parity(on(h + dtype.ordinal()))) {
                Tensor x = p.normal(dtype, b, h, w, c);
                Tensor y = p.normal(dtype, b, 2 * h, 2 * w, c);
                p.checkVision(0, (k, r) -> k.upsample(x, r.get(0)), y);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1,1,1", "37,13,5", "300,64,500"})
    void nearest(int n, int d, int v) {
        try (var p = new Parity(on(n))) {
            Tensor x = p.normal(DType.F32, n, d);
            Tensor codebook = p.normal(DType.F32, v, d);
            Tensor codes = p.randomInts(v, n);
            p.checkVision(0, (k, r) -> k.nearest(x, codebook, r.get(0)), codes);
        }
    }

    @Test
    void theFirstOfEqualCodesIsTheNearest() {
        try (var p = new Parity(devices().getLast())) {
            Tensor x = p.tensors().f32(new float[] {1, 2, -3, 0}, 2, 2);
            Tensor codebook = p.tensors().f32(new float[] {9, 9, -3, 0, 1, 2, 1, 2, -3, 0}, 5, 2);
            Tensor codes = p.ints(7, 7);
            p.device().vision().nearest(x, codebook, codes);
            assertThat(p.tensors().readInts(codes)).containsExactly(2, 1);
        }
    }

    /** By hand: a kernel that adds what lies at its four places, halved in size. */
    @Test
    void zerosLieWhereTheConvolutionReachesOverTheEdge() {
        try (var p = new Parity(devices().getFirst())) {
            Tensor x = p.tensors().f32(new float[] {1, 2, 3, 4, 5, 6, 7, 8, 9}, 1, 3, 3, 1);
            Tensor kernel = p.tensors().f32(new float[] {1, 10, 100, 1000}, 2, 2, 1, 1);
            Tensor bias = p.tensors().f32(new float[] {0.5f}, 1);
            Tensor y = p.device().tensor(DType.F32, 1, 2, 2, 1);
            p.device().vision().conv2d(x, kernel, bias, 2, 0, y);
            assertThat(p.tensors().read(y)).containsExactly(5421.5f, 603.5f, 87.5f, 9.5f);
            p.device().vision().conv2d(x, kernel, bias, 2, 1, y);
            assertThat(p.tensors().read(y)).containsExactly(1000.5f, 3200.5f, 7040.5f, 9865.5f);
        }
    }

    @Test
    void tensorsThatDoNotFitAreAnError() {
        try (var p = new Parity(devices().getFirst())) {
            Tensor x = p.normal(DType.F32, 1, 4, 4, 3);
            Tensor y = p.normal(DType.F32, 1, 4, 4, 5);
            Tensor bias = p.normal(DType.F32, 5);
            var vision = p.device().vision();
            assertThatThrownBy(
                            () -> vision.conv2d(x, p.normal(DType.F32, 3, 3, 4, 5), bias, 1, 1, y))
                    .hasMessage("conv2d: F32 [1, 4, 4, 3] does not fit F32 [3, 3, 4, 5]");
            assertThatThrownBy(
                            () -> vision.conv2d(x, p.normal(DType.F32, 3, 3, 3, 5), bias, 2, 1, y))
                    .hasMessage("conv2d: F32 [1, 4, 4, 3] does not fit F32 [1, 4, 4, 5]");
            assertThatThrownBy(() -> vision.groupNorm(y, bias, bias, 2, 1e-6f, false, y))
                    .hasMessage("groupNorm: F32 [1, 4, 4, 5] in 2 groups");
            assertThatThrownBy(() -> vision.upsample(x, x))
                    .hasMessage("upsample: F32 [1, 4, 4, 3] does not fit F32 [1, 4, 4, 3]");
        }
    }
}
