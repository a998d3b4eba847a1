package org.ringworld.runtime.cuda;

import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import org.ringworld.runtime.DeviceLostException;

/**
 * A card's primary context, current on whichever thread makes a call. Primary, not one of our own:
 * several ranks on a card then have one address space, so that a block of keys is passed between
 * them by its address; and modules, the memory pool and a context's few hundred megabytes are there
 * once.
 */
final class CudaContext {
    private static final ThreadLocal<CudaContext> CURRENT = new ThreadLocal<>();

    private final int index;
    private final CUdevice device = new CUdevice();
    private final CUcontext context = new CUcontext();
    private volatile String broken;
    private volatile boolean closed;

    CudaContext(int index) {
        this.index = index;
        CudaDriver.check(JCudaDriver.cuDeviceGet(device, index), "opening " + name());
        CudaDriver.check(
                JCudaDriver.cuDevicePrimaryCtxRetain(context, device), "opening " + name());
    }

    String name() {
        return "cuda " + index;
    }

    CUdevice device() {
        return device;
    }

    /**
     * Makes the context current on this thread.
     *
     * @throws DeviceLostException if the card's state is lost
     */
    void enter() {
        if (broken != null) {
            throw new DeviceLostException(broken);
        }
        if (closed) {
            throw new IllegalStateException(name() + " is closed");
        }
        if (CURRENT.get() != this) {
            check(JCudaDriver.cuCtxSetCurrent(context), "making its context current");
            CURRENT.set(this);
        }
    }

    /**
     * @param what was tried, for people: {@code "copying 5 bytes to the host"}
     * @throws DeviceLostException if nothing works from here on
     */
    void check(int result, String what) {
        if (result != CUresult.CUDA_SUCCESS) {
            fail(result, what);
        }
    }

    private void fail(int result, String what) {
        String sentence = "%s: %s failed: %s".formatted(name(), what, CudaDriver.name(result));
        if (CudaDriver.sticky(result)) {
            breakDown(sentence);
            throw new DeviceLostException(broken);
        }
        throw new CudaException(sentence);
    }

    /** From here on every call throws. */
    void breakDown(String sentence) {
        if (broken == null) {
            broken = sentence + "; this process cannot use the card any more";
        }
    }

    boolean isBroken() {
        return broken != null;
    }

    /** Whether it is open and not broken. */
    boolean isUsable() {
        return broken == null && !closed;
    }

    /** Gives it up; with the last of a process its memory is given back whatever became of it. */
    void close() {
        closed = true;
        CURRENT.remove();
        JCudaDriver.cuCtxSetCurrent(new CUcontext());
        JCudaDriver.cuDevicePrimaryCtxRelease(device);
    }
}
