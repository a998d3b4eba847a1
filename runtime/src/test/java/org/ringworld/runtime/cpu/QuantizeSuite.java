package org.ringworld.runtime.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.ScaleGroups;
import org.ringworld.runtime.Tensor;

/** Copies into I8 and out of it: of matrices, whose rows have a scale, and of pages. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class QuantizeSuite {
    /** What the suite runs on. */
    protected abstract List<DeviceSpec> devices();

    Stream<Arguments> cases() {
        long[][] shapes = {
            {1, 1},
            {7, 13},
            {65, 207},
            {70, 512},
            {1, 2, 16, 1, 8},
            {3, 2, 32, 2, 20},
            {2, 48, 3, 64}
        };
        List<Arguments> cases = new ArrayList<>();
        for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
            for (long[] shape : shapes) {
                DeviceSpec on = devices().get(cases.size() % devices().size());
                cases.add(Arguments.of(on, dtype, shape));
            }
        }
        return cases.stream();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void anElementIsOffByHalfAScaleAtMost(DeviceSpec on, DType dtype, long[] shape) {
        try (var p = new Parity(on)) {
            Tensor x = p.normal(dtype, shape);
            Tensor y = p.device().tensor(DType.I8, shape);
            p.device().kernels().copy(x, y);
            float[] values = p.tensors().read(x);
            float[] rounded = p.tensors().read(y);
            float[] scales = p.tensors().read(y.scales());
            ScaleGroups groups = ScaleGroups.of(shape);
            float[] greatest = new float[scales.length];
            for (int i = 0; i < values.length; i++) {
                int group = (int) groups.of(i);
                assertThat(rounded[i]).isCloseTo(values[i], within(scales[group] * 0.50001f));
                greatest[group] = Math.max(greatest[group], Math.abs(values[i]));
            }
            for (int group = 0; group < scales.length; group++) {
                assertThat(scales[group]).isEqualTo(greatest[group] / 127);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void agreesWithThePlainOne(DeviceSpec on, DType dtype, long[] shape) {
        try (var p = new Parity(on)) {
            Tensor x = p.normal(dtype, shape);
            Tensor y = p.normal(DType.I8, shape);
            p.check(0, (k, r) -> k.copy(x, r.get(0)), y);
            p.check(0, (k, r) -> k.copy(y, r.get(0)), x);
        }
    }

    @Test
    void zerosStayZerosAndANanIsNotHidden() {
        try (var p = new Parity(devices().getLast())) {
            float[] x = new float[3 * 40];
            x[40 + 3] = Float.NaN;
            x[80] = Float.MIN_VALUE; // whose scale is 0
            Tensor from = p.tensors().f32(x, 3, 40);
            Tensor to = p.normal(DType.I8, 3, 40);
            p.device().kernels().copy(from, to);
            float[] back = p.tensors().read(to);
            for (int i = 0; i < x.length; i++) {
                assertThat(back[i])
                        .isEqualTo(i / 40 == 1 ? Float.valueOf(Float.NaN) : Float.valueOf(0));
            }
        }
    }

    @Test
    void scalesFollowTheRowsOfTheirTensor() {
        try (var p = new Parity(devices().getFirst())) {
            Tensor pages = p.normal(DType.I8, 5, 2, 16, 3, 8);
            float[] all = p.tensors().read(pages);
            int page = 2 * 16 * 3 * 8;
            assertThat(p.tensors().read(pages.rows(3, 5)))
                    .containsExactly(Arrays.copyOfRange(all, 3 * page, 5 * page));
            Tensor halves = pages.view(10, 16, 3, 8);
            assertThat(p.tensors().read(halves.rows(7, 8)))
                    .containsExactly(Arrays.copyOfRange(all, 7 * page / 2, 8 * page / 2));
            MemorySegment memory = pages.memory();
            assertThatThrownBy(() -> new Tensor(p.device(), DType.I8, memory, 5, 2 * page / 2))
                    .hasMessageContaining("with scales null");
            assertThatThrownBy(() -> pages.view(5, page))
                    .hasMessageContaining("with scales F32 [5, 6]");
            assertThatThrownBy(() -> p.device().tensor(DType.I8, 7))
                    .hasMessageContaining("matrices and pages");
        }
    }

    @Test
    void whatIsFreedGivesItsScalesBackToo() {
        try (var p = new Parity(devices().getFirst())) {
            long before = p.device().allocated();
            Tensor pages = p.device().tensor(DType.I8, 100, 2, 16, 3, 8);
            assertThat(p.device().allocated()).isGreaterThan(before + pages.bytes());
            p.device().free(pages);
            assertThat(p.device().allocated()).isEqualTo(before);
        }
    }
}
