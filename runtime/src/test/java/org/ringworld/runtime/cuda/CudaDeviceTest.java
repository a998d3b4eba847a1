package org.ringworld.runtime.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Tensor;

class CudaDeviceTest {
    @BeforeAll
    static void card() {
        TestCard.orSkip();
    }

    @Test
    void aKernelIsCompiledAndRuns() {
        try (var device = new CudaDevice(0)) {
            Tensor t = device.tensor(DType.F32, 1003);
            float[] back = new float[1003];
            device.copyOut(t, MemorySegment.ofArray(back));
            assertThat(back).containsOnly(0);
            device.kernels().fill(t, 1.5f);
            device.copyOut(t, MemorySegment.ofArray(back));
            assertThat(back).containsOnly(1.5f);
        }
    }
}
