package org.ringworld.checkpoints;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.runtime.DType;

class GoldenModelTest {
    @ParameterizedTest
    @ValueSource(strings = {"llama-gqa", "llama3-tied"})
    void everyWeightOfAGoldenModelIsThere(String name) throws Exception {
        Path dir = SharedData.path("golden/" + name);
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
}
