package org.ringworld.runtime;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.Map;
import java.util.TreeMap;

/**
 * How long the kernels of a device take, by name: what is left of a step's time was spent waiting
 * or between them. For measuring; each call costs some hundred nanoseconds more.
 */
public final class KernelTimes {
    private final Map<String, Long> nanos = new TreeMap<>();

    /** The same kernels, timed. Meaningful where they have run when they return, as on a CPU. */
    public Kernels around(Kernels kernels) {
        return around(Kernels.class, kernels);
    }

    /** The same of vision kernels. */
    public VisionKernels around(VisionKernels kernels) {
        return around(VisionKernels.class, kernels);
    }

    private <T> T around(Class<T> type, T kernels) {
        Object timed =
                Proxy.newProxyInstance(
                        type.getClassLoader(),
                        new Class<?>[] {type},
                        (_, method, arguments) -> {
                            long start = System.nanoTime();
                            try {
                                return method.invoke(kernels, arguments);
                            } catch (InvocationTargetException e) {
                                throw e.getCause();
                            } finally {
                                add(method.getName(), System.nanoTime() - start);
                            }
                        });
        return type.cast(timed);
    }

    private synchronized void add(String kernel, long time) {
        nanos.merge(kernel, time, Long::sum);
    }

    /** Nanoseconds since the last call of this, by kernel. */
    public synchronized Map<String, Long> take() {
        Map<String, Long> taken = new TreeMap<>(nanos);
        nanos.clear();
        return taken;
    }
}
