package org.ringworld.runtime.cpu.attention;

import java.util.List;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.cpu.Parity;

/** Attention of the CPU's vectors. */
class VectorAttentionTest extends AttentionSuite {
    @Override
    protected List<DeviceSpec> devices() {
        return Parity.DEVICES;
    }
}
