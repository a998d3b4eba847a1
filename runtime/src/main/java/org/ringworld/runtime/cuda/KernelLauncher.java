package org.ringworld.runtime.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;
import jcuda.Pointer;
import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.CUmodule;
import jcuda.driver.JCudaDriver;
import org.ringworld.runtime.Tensor;

/** Finds kernels and queues them. For the thread that drives the device. */
final class KernelLauncher {
    private static final int ARGUMENTS = 40;

    /** What a block has of shared memory without being asked. */
    private static final int SHARED = 48 << 10;

    private static final class Kernel {
        final CUfunction function = new CUfunction();
        int shared = SHARED;
    }

    private final CudaContext context;
    private final CudaStream stream;
    private final CompiledKernels compiled;
    private final Map<String, CUmodule> modules = new HashMap<>();
    private final Map<String, Kernel> kernels = new HashMap<>();

    /** The arguments of a launch, eight bytes each, and pointers to as many of them. */
    private final ByteBuffer values =
            ByteBuffer.allocateDirect(8 * ARGUMENTS).order(ByteOrder.nativeOrder());

    private final Pointer[] pointers = new Pointer[ARGUMENTS + 1];
    private volatile long launches;

    KernelLauncher(CudaContext context, CudaStream stream, CompiledKernels compiled) {
        this.context = context;
        this.stream = stream;
        this.compiled = compiled;
        Pointer[] each = new Pointer[ARGUMENTS];
        Pointer first = Pointer.to(values);
        for (int i = 0; i < ARGUMENTS; i++) {
            each[i] = first.withByteOffset(8L * i);
            pointers[i + 1] = Pointer.to(java.util.Arrays.copyOf(each, i + 1));
        }
    }

    /**
     * Queues a kernel.
     *
     * @param kernel its module and its name: {@code "elementwise.fill_f32"}
     * @param block threads of a block
     * @param shared bytes of dynamic shared memory
     * @param arguments a Tensor (its address), null (no address), Long (also an address), Integer,
     *     Float, Double or Boolean (an int), each as the kernel declares it: nothing converts an
     *     int to the kernel's long
     */
    void launch(String kernel, Grid grid, int block, int shared, Object... arguments) {
        context.enter();
        Kernel found = kernels.computeIfAbsent(kernel, this::find);
        if (shared > found.shared) {
            context.check(
                    JCudaDriver.cuFuncSetAttribute(
                            found.function,
                            CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                            shared),
                    "giving %s %d bytes of shared memory".formatted(kernel, shared));
            found.shared = shared;
        }
        for (int i = 0; i < arguments.length; i++) {
            put(8 * i, arguments[i]);
        }
        int result =
                JCudaDriver.cuLaunchKernel(
                        found.function,
                        grid.x(),
                        grid.y(),
                        grid.z(),
                        block,
                        1,
                        1,
                        shared,
                        stream,
                        pointers[arguments.length],
                        null);
        context.check(result, kernel);
        launches++;
    }

    private void put(int at, Object argument) {
        values.putLong(at, 0);
        switch (argument) {
            case null -> {}
            case Tensor t -> values.putLong(at, t.address());
            case Long v -> values.putLong(at, v);
            case Integer v -> values.putInt(at, v);
            case Float v -> values.putFloat(at, v);
            case Double v -> values.putDouble(at, v);
            case Boolean v -> values.putInt(at, v ? 1 : 0);
            default -> throw new IllegalArgumentException("not an argument: " + argument);
        }
    }

    /** Kernels queued so far. */
    long launches() {
        return launches;
    }

    /**
     * The one place where a kernel is chosen by its card. There is one tier, compiled for each
     * architecture; a faster one of newer cards would be another module, named here.
     */
    private Kernel find(String name) {
        int dot = name.indexOf('.');
        CUmodule module = modules.computeIfAbsent(name.substring(0, dot), this::load);
        Kernel kernel = new Kernel();
        context.check(
                JCudaDriver.cuModuleGetFunction(kernel.function, module, name.substring(dot + 1)),
                "finding the kernel " + name);
        return kernel;
    }

    private CUmodule load(String name) {
        CUmodule module = new CUmodule();
        context.check(
                JCudaDriver.cuModuleLoadData(module, compiled.code(name)),
                "loading the kernels of " + name + ".cu");
        return module;
    }

    /** Unloads them; everything queued has run. */
    void close() {
        modules.values().forEach(JCudaDriver::cuModuleUnload);
    }
}
