package org.ringworld.runtime.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.VisionKernels;

/**
 * The plain kernels, for tensors of any device: each call works on the host's copies of its
 * tensors, and what it changes is copied back. Tensors of one address are one.
 */
public final class PlainOracle implements InvocationHandler {
    private static final CpuDevice HOST = CpuDevice.plain();

    private final Object plain;

    private PlainOracle(Object plain) {
        this.plain = plain;
    }

    public static Kernels kernels() {
        return of(Kernels.class, HOST.kernels());
    }

    static VisionKernels vision() {
        return of(VisionKernels.class, HOST.vision());
    }

    private static <T> T of(Class<T> type, T plain) {
        return type.cast(
                Proxy.newProxyInstance(
                        type.getClassLoader(), new Class<?>[] {type}, new PlainOracle(plain)));
    }

    private record Place(long address, long bytes) {}

    private record Twin(Tensor tensor, MemorySegment before, MemorySegment memory) {}

    @Override
    public Object invoke(Object proxy, Method kernel, Object[] arguments) throws Throwable {
        try (Arena arena = Arena.ofConfined()) {
            Map<Place, Twin> twins = new HashMap<>();
            List<Object> mapped = new ArrayList<>();
            for (Object argument : arguments) {
                mapped.add(argument instanceof Tensor t ? twin(t, twins, arena) : argument);
            }
            Object result = kernel.invoke(plain, mapped.toArray());
            for (Twin twin : twins.values()) {
                if (twin.memory.mismatch(twin.before) >= 0) {
                    twin.tensor.device().copyIn(twin.memory, twin.tensor);
                }
            }
            return result;
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    private Tensor twin(Tensor of, Map<Place, Twin> twins, Arena arena) {
        Twin twin =
                twins.computeIfAbsent(
                        new Place(of.address(), of.bytes()),
                        _ -> {
                            MemorySegment memory = arena.allocate(of.bytes(), 64);
                            of.device().copyOut(of, memory);
                            MemorySegment before = arena.allocate(of.bytes(), 64);
                            return new Twin(of, before.copyFrom(memory), memory);
                        });
        Tensor scales = of.scales() == null ? null : twin(of.scales(), twins, arena);
        return new Tensor(HOST, of.dtype(), twin.memory, scales, of.shape());
    }
}
