package org.ringworld.runtime.cpu.attention;

import java.util.List;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.cpu.Parity;

/** Attention of the CPU to pages. */
class PagedAttentionTest extends PagedAttentionSuite {
    @Override
    protected List<DeviceSpec> devices() {
        return Parity.DEVICES;
    }
}
