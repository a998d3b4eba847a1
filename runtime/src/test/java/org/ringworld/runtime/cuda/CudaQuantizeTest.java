package org.ringworld.runtime.cuda;

import java.util.List;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.cpu.QuantizeSuite;

/** Copies into I8 and out of it on a card. */
class CudaQuantizeTest extends QuantizeSuite {
    @Override
    protected List<DeviceSpec> devices() {
        return TestCard.orSkip();
    }
}
