package org.ringworld.runtime.cuda;

import java.util.List;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.cpu.VisionSuite;

/** The vision kernels of a card. */
class CudaVisionTest extends VisionSuite {
    @Override
    protected List<DeviceSpec> devices() {
        return TestCard.orSkip();
    }
}
