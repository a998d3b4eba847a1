package org.ringworld.runtime.cpu;

import java.util.List;
import org.ringworld.runtime.DeviceSpec;

/** The vision kernels in vectors, on the CPU. */
class VectorVisionTest extends VisionSuite {
    @Override
    protected List<DeviceSpec> devices() {
        return Parity.DEVICES;
    }
}
