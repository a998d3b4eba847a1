package org.ringworld.runtime.cpu;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.ringworld.runtime.DeviceSpec;

/** The vision kernels in vectors, on the CPU. */
class VectorVisionTest extends VisionSuite {
    @Override
    protected List<DeviceSpec> devices() {
        return Parity.DEVICES;
    }

    @Test
    void morePixelsThanAreLaidOutAtATimeAreOneConvolution() {
        convolution(1, 23, 25, 256, 3, 3, 1, 1);
    }
}
