package org.ringworld.checkpoints;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.runtime.DType;

class GoldenModelTest {
    @ParameterizedTest
    @ValueSource(strings = {"llama-gqa", "llama3-tied"})
    void everyWeightOfAGoldenModelIsThere(String name) throws Exception {
        Path dir = Resources.path("golden/" + name);
        try (ModelFiles files = ModelFiles.open(dir);
                Arena arena = Arena.ofConfined()) {
            assertThat(files.dtype()).isEqualTo(DType.F32);
            assertThat(files.directory()).isEqualTo(dir);
            for (TensorSpec spec : LlamaTensors.of(files.config())) {
                MemorySegment host = arena.allocate(spec.count() * 4);
                files.read(spec, DType.F32, host);
                assertThat(host.mismatch(MemorySegment.ofArray(new byte[8])))
                        .as(spec.name() + " is not zero")
                        .isNotEqualTo(8);
            }
        }
    }

    @Test
    void theModelsOfPublicReportsAreRead() throws Exception {
        Path reports = Path.of("../model/src/test/resources/numerics");
        try (Stream<Path> cases = Files.list(reports)) {
            for (Path dir : cases.filter(Files::isDirectory).toList()) {
                ModelFiles.open(dir).close();
            }
        }
        Path linear = reports.resolve("rope_linear_f4/config.json");
        assertThat(LlamaConfig.fromJson(linear).ropeScaling()).isEqualTo(new RopeScaling.Linear(4));
    }

    /**
     * Written by Transformers 5.18 with {@code save_pretrained}: element i of a weight is i mod 256
     * / 256.
     */
    @Test
    void whatTransformers5WroteIsRead() throws Exception {
        try (ModelFiles files = ModelFiles.open(Resources.path("transformers5"))) {
            assertThat(files.dtype()).isEqualTo(DType.BF16);
            assertThat(files.config())
                    .isEqualTo(
                            new LlamaConfig(
                                    40,
                                    12,
                                    20,
                                    2,
                                    4,
                                    2,
                                    6,
                                    1e-5,
                                    5e5,
                                    new RopeScaling.Llama3(8, 1, 4, 64),
                                    true,
                                    512,
                                    0));
            for (TensorSpec spec : LlamaTensors.of(files.config())) {
                float[] values = new float[(int) spec.count()];
                files.read(spec, DType.F32, MemorySegment.ofArray(values));
                for (int i = 0; i < values.length; i++) {
                    assertThat(values[i]).as(spec.name()).isEqualTo(i % 256 / 256f);
                }
            }
        }
    }
}
