package org.ringworld.runtime.cuda;

import java.util.Map;

/** What makes code for a card of a kernel's source. */
interface KernelCompiler {
    /** Which it is, for people and for the cache: {@code NVRTC 12.9}. */
    String name();

    /**
     * @param architecture of the card: 90 for a Hopper
     * @return PTX, ending in a NUL, or a cubin
     * @throws CudaException with what the compiler says, if the source is not right
     */
    byte[] compile(String module, String source, Map<String, String> headers, int architecture);
}
