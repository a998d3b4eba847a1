package org.ringworld.runtime.cpu;

import java.lang.foreign.MemorySegment;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Event;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;

/**
 * The CPU as a device: kernels run at once, on the calling thread and the device's own {@code
 * threads - 1} workers. Its queue is always empty, so every event has happened.
 */
public final class CpuDevice implements Device {
    private final int threads;
    private final Kernels kernels;
    private final HostMemory memory = new HostMemory();

    /** A device of {@code threads} threads, the calling one among them. */
    public CpuDevice(int threads) {
        this(threads, new PlainKernels());
    }

    private CpuDevice(int threads, Kernels kernels) {
        if (threads < 1) {
            throw new IllegalArgumentException("device.threads = %d".formatted(threads));
        }
        this.threads = threads;
        this.kernels = kernels;
    }

    /** A device that runs the plain kernels, on the calling thread. */
    public static CpuDevice plain() {
        return new CpuDevice(1, new PlainKernels());
    }

    @Override
    public String name() {
        return "cpu (%d thread%s)".formatted(threads, threads == 1 ? "" : "s");
    }

    @Override
    public Kernels kernels() {
        return kernels;
    }

    @Override
    public long memory() {
        return HostMemory.physical();
    }

    @Override
    public MemorySegment allocate(long bytes) {
        return memory.allocate(bytes);
    }

    @Override
    public void free(MemorySegment segment) {
        memory.free(segment);
    }

    @Override
    public void copyIn(MemorySegment host, Tensor to) {
        checkSizes("copyIn", host, to);
        to.memory().copyFrom(host);
    }

    @Override
    public void copyOut(Tensor from, MemorySegment host) {
        checkSizes("copyOut", host, from);
        host.copyFrom(from.memory());
    }

    private static void checkSizes(String copy, MemorySegment host, Tensor tensor) {
        if (host.byteSize() != tensor.bytes()) {
            throw new IllegalArgumentException(
                    "%s: %d bytes on the host do not fit %s"
                            .formatted(copy, host.byteSize(), tensor));
        }
    }

    @Override
    public Event record() {
        return Event.HAPPENED;
    }

    @Override
    public void await(Event event) {
        event.await();
    }

    @Override
    public Thread newThread(String name, Runnable body) {
        return new Thread(body, name);
    }

    @Override
    public void close() {
        memory.close();
    }
}
