package org.ringworld.runtime.cuda;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jcuda.driver.JCudaDriver;

/**
 * Where a kernel says that it was given an id out of range, which it can find out only while it
 * runs: common.cuh's Fault. The word is copied to the host before the next point that anybody may
 * wait for, and only where a kernel that may write it was queued.
 */
final class FaultWord {
    private static final int BYTES = 12;
    private static final String[] KERNELS = {
        null, "embedding", "embeddingBackward", "crossEntropy"
    };

    private final CudaContext context;
    private final CudaStream stream;
    private final DevicePointer word = new DevicePointer();
    private final HostPointer copy = new HostPointer();
    private final MemorySegment said;
    private boolean marked;

    FaultWord(CudaContext context, CudaStream stream) {
        this.context = context;
        this.stream = stream;
        context.enter();
        context.check(JCudaDriver.cuMemAlloc(word, BYTES), "taking the fault word");
        clear();
        context.check(JCudaDriver.cuMemAllocHost(copy, BYTES), "taking the fault word's copy");
        said = MemorySegment.ofAddress(copy.address()).reinterpret(BYTES).fill((byte) 0);
    }

    /** The word's address, for a kernel that is about to be queued. */
    synchronized long forKernel() {
        marked = true;
        return word.address();
    }

    synchronized void queueCopy() {
        if (marked) {
            marked = false;
            context.check(
                    JCudaDriver.cuMemcpyDtoHAsync(copy, word, BYTES, stream),
                    "copying the fault word");
        }
    }

    /**
     * Of what was queued before a point that has happened.
     *
     * @throws IndexOutOfBoundsException as the CPU's kernels do
     */
    void check() {
        int kernel = said.getAtIndex(ValueLayout.JAVA_INT, 0);
        if (kernel != 0) {
            throw new IndexOutOfBoundsException(
                    "%s: id %d of a table of %d rows"
                            .formatted(
                                    KERNELS[kernel],
                                    said.getAtIndex(ValueLayout.JAVA_INT, 1),
                                    said.getAtIndex(ValueLayout.JAVA_INT, 2)));
        }
    }

    /** The same, and then it is forgotten; from the thread that drives the device. */
    void take() {
        try {
            check();
        } catch (IndexOutOfBoundsException e) {
            said.fill((byte) 0);
            clear();
            throw e;
        }
    }

    /** In the order of the kernels: the default stream would not wait for them, nor they for it. */
    private void clear() {
        context.check(
                JCudaDriver.cuMemsetD8Async(word, (byte) 0, BYTES, stream),
                "clearing the fault word");
    }

    void close() {
        JCudaDriver.cuMemFree(word);
        JCudaDriver.cuMemFreeHost(copy);
    }
}
