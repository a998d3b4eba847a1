package org.ringworld.runtime.cuda;

import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * The memory of one device, from the pool of its card. What is freed is for this rank and the
 * card's others to take, and goes back to the card when the host waits next. Memory is taken on a
 * stream of its own that is waited for, so that every stream may use it at once; it is freed behind
 * what the device has queued.
 */
final class CudaMemory {
    private final CudaContext context;
    private final CudaQueue queue;
    private final CudaStream stream;
    private final Map<Long, Long> taken = new ConcurrentHashMap<>();

    CudaMemory(CudaContext context, CudaQueue queue) {
        this.context = context;
        this.queue = queue;
        stream = CudaStream.create(context);
    }

    /** Zeroed memory, aligned to 256 bytes. Never touched by the host: an address with a size. */
    MemorySegment allocate(long bytes) {
        MemorySegment memory = take(bytes);
        if (bytes > 0) {
            context.check(
                    JCudaDriver.cuMemsetD8Async(
                            new DevicePointer(memory.address()), (byte) 0, bytes, stream),
                    "zeroing " + bytes + " bytes");
            context.check(JCudaDriver.cuStreamSynchronize(stream), "zeroing " + bytes + " bytes");
        }
        return memory;
    }

    /** The same with undefined contents. */
    MemorySegment take(long bytes) {
        context.enter();
        DevicePointer at = new DevicePointer();
        long size = Math.max(bytes, 1);
        int result = JCudaDriver.cuMemAllocAsync(at, size, stream);
        if (result == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
            // What is freed behind queued work is there once that has run.
            queue.drain();
            result = JCudaDriver.cuMemAllocAsync(at, size, stream);
        }
        if (result == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
            throw outOfMemory(bytes);
        }
        context.check(result, "taking " + bytes + " bytes");
        context.check(JCudaDriver.cuStreamSynchronize(stream), "taking " + bytes + " bytes");
        taken.put(at.address(), bytes);
        return MemorySegment.ofAddress(at.address()).reinterpret(bytes);
    }

    private OutOfMemoryError outOfMemory(long bytes) {
        long[] free = new long[1];
        long[] total = new long[1];
        context.check(JCudaDriver.cuMemGetInfo(free, total), "asking for free memory");
        return new OutOfMemoryError(
                "%d bytes for a tensor on %s, where %d bytes are free of %d and %d are taken by this rank"
                        .formatted(bytes, context.name(), free[0], total[0], allocated()));
    }

    /**
     * @throws IllegalArgumentException for memory that is not, or no longer, of this device
     */
    void free(MemorySegment memory) {
        if (taken.remove(memory.address()) == null) {
            throw new IllegalArgumentException("%s is not of %s".formatted(memory, context.name()));
        }
        context.enter();
        release(memory.address());
    }

    private void release(long address) {
        context.check(
                JCudaDriver.cuMemFreeAsync(new DevicePointer(address), queue.stream()),
                "giving back memory");
    }

    long allocated() {
        return taken.values().stream().mapToLong(Long::longValue).sum();
    }

    /** Gives everything back; everything queued has run. */
    void close() {
        taken.keySet().forEach(this::release);
        taken.clear();
        queue.drain();
        JCudaDriver.cuStreamDestroy(stream);
    }
}
