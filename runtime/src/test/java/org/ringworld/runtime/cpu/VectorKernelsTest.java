package org.ringworld.runtime.cpu;

import java.util.List;
import org.ringworld.runtime.DeviceSpec;

/** The kernels in vectors, on the CPU. */
class VectorKernelsTest extends KernelSuite {
    @Override
    protected List<DeviceSpec> devices() {
        return Parity.DEVICES;
    }
}
