package org.ringworld.actors.job;

import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongConsumer;
import org.ringworld.runtime.BlockSizes;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Event;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Staging;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.VisionKernels;
import org.ringworld.runtime.cpu.CpuDevice;

/** A real device one of whose kernels does something else at its n-th call. */
public final class FaultyDevice implements Device {
    private final CpuDevice real = new CpuDevice(1);
    private final Kernels kernels;

    private final LongConsumer onAllocate;

    public FaultyDevice(String kernel, int call, Runnable fault) {
        this(kernel, call, fault, _ -> {});
    }

    /**
     * @param onAllocate is told the bytes of each allocation, and may throw
     */
    public FaultyDevice(String kernel, int call, Runnable fault, LongConsumer onAllocate) {
        this.onAllocate = onAllocate;
        AtomicInteger calls = new AtomicInteger();
        this.kernels =
                (Kernels)
                        Proxy.newProxyInstance(
                                Kernels.class.getClassLoader(),
                                new Class<?>[] {Kernels.class},
                                (proxy, method, arguments) -> {
                                    if (method.getName().equals(kernel)
                                            && calls.incrementAndGet() == call) {
                                        fault.run();
                                    }
                                    try {
                                        return method.invoke(real.kernels(), arguments);
                                    } catch (InvocationTargetException e) {
                                        throw e.getCause();
                                    }
                                });
    }

    @Override
    public String name() {
        return real.name();
    }

    @Override
    public Kernels kernels() {
        return kernels;
    }

    @Override
    public VisionKernels vision() {
        return real.vision();
    }

    @Override
    public long memory() {
        return real.memory();
    }

    @Override
    public BlockSizes blocks() {
        return real.blocks();
    }

    @Override
    public MemorySegment allocate(long bytes) {
        onAllocate.accept(bytes);
        return real.allocate(bytes);
    }

    @Override
    public long allocated() {
        return real.allocated();
    }

    @Override
    public void free(MemorySegment memory) {
        real.free(memory);
    }

    @Override
    public void trim() {
        real.trim();
    }

    @Override
    public Tensor adopt(MemorySegment host, DType dtype, long... shape) {
        return new Tensor(this, dtype, real.adopt(host, dtype, shape).memory(), shape);
    }

    @Override
    public MemorySegment hostView(Tensor tensor) {
        return real.hostView(tensor);
    }

    @Override
    public Staging staging(long most) {
        return real.staging(most);
    }

    @Override
    public String memorySpace() {
        return real.memorySpace();
    }

    @Override
    public void copyIn(MemorySegment host, Tensor to) {
        real.copyIn(host, to);
    }

    @Override
    public void copyOut(Tensor from, MemorySegment host) {
        real.copyOut(from, host);
    }

    @Override
    public Event record() {
        return real.record();
    }

    @Override
    public void await(Event event) {
        real.await(event);
    }

    @Override
    public long progress() {
        return real.progress();
    }

    @Override
    public Thread newThread(String name, Runnable body) {
        return real.newThread(name, body);
    }

    @Override
    public void close() {
        real.close();
    }
}
