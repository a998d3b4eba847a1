package org.ringworld.model.decode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.ContiguousLayout;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.model.training.RingPropertyTest;
import org.ringworld.model.training.RingResult;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.packing.Row;

class GeneratorTest {
    /** What the cache gives token by token is what the whole sequence gives at once. */
    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void logitsDoNotDependOnHowTokensWereRead(DType dtype) {
        LlamaConfig config = RingPropertyTest.config(4, 2, 6, false);
        int length = 23;
        int[] ids = new SplittableRandom(4).ints(length, 0, config.vocabSize()).toArray();
        int[] none = new int[length];
        Arrays.fill(none, -100);
        Row row =
                new Row(
                        ids,
                        IntStream.range(0, length).toArray(),
                        new int[length],
                        none,
                        new float[length]);
        double tolerance = dtype == DType.F32 ? 1e-5 : 3e-2;
        RingResult whole =
                RingResult.of(
                        config,
                        p -> p.initialize(11, 0.3),
                        dtype,
                        row,
                        new ContiguousLayout(),
                        1,
                        8,
                        Recompute.ALL);
        try (Device device = new CpuDevice(2)) {
            // Random weights need masters; a generator reads what computes.
            WholeParameters parameters = new WholeParameters(device, config, dtype);
            parameters.initialize(11, 0.3);
            try (Generator generator = new Generator(device, parameters, config, length)) {
                int at = 0;
                for (int n : List.of(1, 5, 1, 1, 9, 6)) {
                    float[] logits = generator.read(Arrays.copyOfRange(ids, at, at + n));
                    at += n;
                    assertThat(RingResult.difference(logits, whole.logits()[at - 1]))
                            .isLessThan(tolerance);
                }
                assertThat(generator.length()).isEqualTo(length);
                assertThatThrownBy(() -> generator.read(new int[] {1}))
                        .hasMessageContaining("do not fit a cache of 23");
            }
        }
    }
}
