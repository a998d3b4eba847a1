package org.ringworld.runtime.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Tensor;

class CpuDeviceTest {
    @ParameterizedTest
    @ValueSource(longs = {0, 1, 4096, 4097, (2 << 20) - 1, 5 << 20})
    void memoryIsZeroedAlignedAndAsLongAsAsked(long bytes) {
        try (var device = new CpuDevice(1)) {
            MemorySegment memory = device.allocate(bytes);
            assertThat(memory.byteSize()).isEqualTo(bytes);
            assertThat(memory.address() % 64).isZero();
            for (long i = 0; i < bytes; i++) {
                assertThat(memory.get(ValueLayout.JAVA_BYTE, i)).isZero();
                i += 1000;
            }
            memory.fill((byte) 1);
            device.free(memory);
            assertThatThrownBy(() -> device.free(memory))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void asksForTooMuchSayHowMuch() {
        try (var device = new CpuDevice(1)) {
            assertThatThrownBy(() -> device.allocate(1L << 60))
                    .isInstanceOf(OutOfMemoryError.class)
                    .hasMessageContaining("1152921504606846976 bytes");
        }
    }

    @Test
    void copiesThereAndBack() {
        try (var device = new CpuDevice(1)) {
            Tensor t = device.tensor(DType.F32, 3);
            device.copyIn(MemorySegment.ofArray(new float[] {1, 2, 3}), t);
            float[] back = new float[3];
            device.copyOut(t, MemorySegment.ofArray(back));
            assertThat(back).containsExactly(1, 2, 3);
            assertThatThrownBy(() -> device.copyIn(MemorySegment.ofArray(new float[2]), t))
                    .hasMessage("copyIn: 8 bytes on the host do not fit F32 [3]");
        }
    }
}
