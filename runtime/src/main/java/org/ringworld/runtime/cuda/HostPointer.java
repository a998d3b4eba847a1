package org.ringworld.runtime.cuda;

import java.lang.foreign.MemorySegment;
import jcuda.Pointer;

/** An address in the host's memory, outside of the Java heap, as JCuda takes it and gives it. */
final class HostPointer extends Pointer {
    /** To be set by a call. */
    HostPointer() {}

    HostPointer(MemorySegment memory) {
        super(memory.address());
    }

    long address() {
        return getNativePointer();
    }
}
