package org.ringworld.runtime.cuda;

import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.ringworld.runtime.DeviceSpec;

/**
 * The card that CUDA's tests run on: the emulated one with its stand-in for cuBLASLt, or the first
 * of the host where {@code -Dringworld.cuda.card=real} asks for it. To be called before anything
 * else of CUDA.
 */
public final class TestCard {
    private TestCard() {}

    public static boolean real() {
        return "real".equals(System.getProperty("ringworld.cuda.card"));
    }

    /** The card's description; without one the calling test is skipped, with the reason. */
    public static List<DeviceSpec> orSkip() {
        if (!real()) {
            EmulatedCard card = EmulatedCard.orSkip();
            System.setProperty(
                    "ringworld.cuda.libraries",
                    card.cublasLt("libcublasLt.so.13").getParent().toString());
        }
        Assumptions.assumeTrue(CudaDriver.reason() == null, CudaDriver::reason);
        Assumptions.assumeTrue(CompiledKernels.reason() == null, CompiledKernels::reason);
        return List.of(new DeviceSpec.Cuda(0, 0));
    }
}
