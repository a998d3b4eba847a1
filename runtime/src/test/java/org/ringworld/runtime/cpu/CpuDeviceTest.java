package org.ringworld.runtime.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
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

    @Test
    void whatTheHostWritesThroughItsViewTheDeviceReads() {
        try (var device = new CpuDevice(1)) {
            Tensor t = device.tensor(DType.F32, 2, 3);
            device.hostView(t.rows(1, 2)).setAtIndex(ValueLayout.JAVA_FLOAT, 2, 7);
            float[] back = new float[6];
            device.copyOut(t, MemorySegment.ofArray(back));
            assertThat(back).containsExactly(0, 0, 0, 0, 0, 7);
            device.kernels().fill(t, 4);
            assertThat(device.hostView(t).toArray(ValueLayout.JAVA_FLOAT))
                    .containsExactly(4, 4, 4, 4, 4, 4);
        }
    }

    @Test
    void adoptedMemoryIsTheTensorsOwnAndStaysItsOwners() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment host = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2, 3);
            try (var device = new CpuDevice(2)) {
                for (int time = 0; time < 2; time++) {
                    long before = device.allocated();
                    Tensor t = device.adopt(host, DType.F32, 3);
                    assertThat(device.allocated()).isEqualTo(before);
                    device.kernels().fill(t, 5 + time);
                    device.free(t);
                    assertThat(host.toArray(ValueLayout.JAVA_FLOAT)).containsOnly(5 + time);
                    assertThatThrownBy(() -> device.free(t))
                            .isInstanceOf(IllegalArgumentException.class);
                }
                device.adopt(host, DType.F32, 3);
            }
            assertThat(host.getAtIndex(ValueLayout.JAVA_FLOAT, 2)).isEqualTo(6);
        }
    }

    @Test
    void memoryThatNoTensorCanBeIsNotAdopted() {
        try (var device = new CpuDevice(1);
                Arena arena = Arena.ofShared()) {
            MemorySegment host = arena.allocate(64, 64);
            for (MemorySegment other :
                    List.of(
                            host.asSlice(0, 8),
                            host.asSlice(2, 12),
                            MemorySegment.ofArray(new float[3]))) {
                assertThatThrownBy(() -> device.adopt(other, DType.F32, 3))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("F32 [3]");
            }
            device.adopt(host, DType.F32, 16);
            assertThatThrownBy(() -> device.adopt(host, DType.I32, 16))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("this device's already");
        }
    }
}
