package org.ringworld.runtime.cpu;

import java.util.List;
import org.ringworld.runtime.DeviceSpec;

/** Copies into I8 and out of it in vectors, on the CPU. */
class VectorQuantizeTest extends QuantizeSuite {
    @Override
    protected List<DeviceSpec> devices() {
        return Parity.DEVICES;
    }
}
