package org.ringworld.runtime.cuda;

import java.util.List;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.cpu.MatmulSuite;

/** Products on a card: by cuBLASLt, and by the kernel of few rows. */
class CudaMatmulTest extends MatmulSuite {
    @Override
    protected List<DeviceSpec> devices() {
        return TestCard.orSkip();
    }
}
