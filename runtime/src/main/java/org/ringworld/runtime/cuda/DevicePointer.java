package org.ringworld.runtime.cuda;

import jcuda.driver.CUdeviceptr;

/** An address in a card's memory, as JCuda takes it and gives it. */
final class DevicePointer extends CUdeviceptr {
    /** To be set by a call. */
    DevicePointer() {}

    DevicePointer(long address) {
        super(new CUdeviceptr(), address);
    }

    long address() {
        return getNativePointer() + getByteOffset();
    }
}
