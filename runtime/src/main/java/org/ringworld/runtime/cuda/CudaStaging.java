package org.ringworld.runtime.cuda;

import java.lang.foreign.MemorySegment;
import jcuda.driver.JCudaDriver;
import org.ringworld.runtime.Staging;
import org.ringworld.runtime.Tensor;

/** Pinned memory and a stream of its own, so that copies run beside the device's kernels. */
final class CudaStaging implements Staging {
    private final CudaContext context;
    private final CudaStream stream;
    private final HostPointer pointer = new HostPointer();
    private final MemorySegment pinned;
    private long to;
    private long bytes;

    /**
     * @param most bytes at once
     */
    CudaStaging(CudaContext context, long most) {
        this.context = context;
        stream = CudaStream.create(context);
        context.check(
                JCudaDriver.cuMemAllocHost(pointer, most),
                "pinning " + most + " bytes of host memory");
        pinned = MemorySegment.ofAddress(pointer.address()).reinterpret(most);
    }

    @Override
    public boolean inPlace() {
        return false;
    }

    @Override
    public MemorySegment read(Tensor tensor, long from, long length) {
        MemorySegment read = pinned.asSlice(0, length);
        context.enter();
        context.check(
                JCudaDriver.cuMemcpyDtoHAsync(
                        pointer, new DevicePointer(tensor.address() + from), length, stream),
                "copying " + length + " bytes to the host");
        synchronize();
        return read;
    }

    @Override
    public MemorySegment space(Tensor tensor, long from, long length) {
        to = tensor.address() + from;
        bytes = length;
        return pinned.asSlice(0, length);
    }

    @Override
    public void write() {
        context.enter();
        context.check(
                JCudaDriver.cuMemcpyHtoDAsync(new DevicePointer(to), pointer, bytes, stream),
                "copying " + bytes + " bytes to the card");
        synchronize();
    }

    private void synchronize() {
        context.check(JCudaDriver.cuStreamSynchronize(stream), "waiting for a copy");
    }

    @Override
    public void close() {
        if (context.isUsable()) {
            context.enter();
            JCudaDriver.cuMemFreeHost(pointer);
            JCudaDriver.cuStreamDestroy(stream);
        }
    }
}
