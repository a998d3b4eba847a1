package org.ringworld.runtime.cuda;

import java.util.List;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.cpu.KernelSuite;

/** The kernels of a card. */
class CudaKernelsTest extends KernelSuite {
    @Override
    protected List<DeviceSpec> devices() {
        return TestCard.orSkip();
    }
}
