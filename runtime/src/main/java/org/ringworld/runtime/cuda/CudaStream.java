package org.ringworld.runtime.cuda;

import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/** A stream that waits for no other, with its address for libraries bound without JCuda. */
final class CudaStream extends CUstream {
    private CudaStream() {}

    static CudaStream create(CudaContext context) {
        context.enter();
        CudaStream stream = new CudaStream();
        context.check(
                JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING),
                "making a stream");
        return stream;
    }

    long address() {
        return getNativePointer();
    }
}
