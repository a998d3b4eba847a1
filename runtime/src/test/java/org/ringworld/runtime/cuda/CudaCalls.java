package org.ringworld.runtime.cuda;

import static jcuda.driver.JCudaDriver.cuCtxCreate;
import static jcuda.driver.JCudaDriver.cuDeviceGet;
import static jcuda.driver.JCudaDriver.cuInit;
import static jcuda.driver.JCudaDriver.cuLaunchKernel;
import static jcuda.driver.JCudaDriver.cuMemAlloc;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoH;
import static jcuda.driver.JCudaDriver.cuMemcpyHtoD;
import static jcuda.driver.JCudaDriver.cuModuleGetFunction;
import static jcuda.driver.JCudaDriver.cuModuleLoadData;
import static jcuda.driver.JCudaDriver.cuStreamCreate;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import jcuda.NativePointerObject;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;

/** The driver's calls as the tests of the emulated card make them: bare, each checked. */
final class CudaCalls {
    /** CU_STREAM_NON_BLOCKING: without an order towards the null stream. */
    static final int NON_BLOCKING = 1;

    private CudaCalls() {}

    static void ok(int result) {
        assertThat(CUresult.stringFor(result)).isEqualTo("CUDA_SUCCESS");
    }

    /** A new context on a device, current on this thread. */
    static CUcontext context(int device) {
        ok(cuInit(0));
        CUdevice d = new CUdevice();
        ok(cuDeviceGet(d, device));
        CUcontext context = new CUcontext();
        ok(cuCtxCreate(context, 0, d));
        return context;
    }

    /** A stream that tells its address, which JCuda keeps to its subclasses. */
    static final class Stream extends CUstream {
        long address() {
            return getNativePointer();
        }
    }

    static Stream stream() {
        Stream stream = new Stream();
        ok(cuStreamCreate(stream, NON_BLOCKING));
        return stream;
    }

    static int tryLoad(String ptx, CUmodule module) {
        return cuModuleLoadData(
                module,
                (ptx + "\0").getBytes(StandardCharsets.UTF_8)); // the driver reads up to a NUL
    }

    static CUmodule load(String ptx) {
        CUmodule module = new CUmodule();
        ok(tryLoad(ptx, module));
        return module;
    }

    static CUfunction kernel(CUmodule module, String name) {
        CUfunction f = new CUfunction();
        ok(cuModuleGetFunction(f, module, name));
        return f;
    }

    static CUdeviceptr allocate(long bytes) {
        CUdeviceptr p = new CUdeviceptr();
        ok(cuMemAlloc(p, bytes));
        return p;
    }

    static CUdeviceptr device(float... values) {
        return device(Pointer.to(values), 4L * values.length);
    }

    static CUdeviceptr device(Pointer values, long bytes) {
        CUdeviceptr p = allocate(bytes);
        ok(cuMemcpyHtoD(p, values, bytes));
        return p;
    }

    static float[] floats(CUdeviceptr p, int count) {
        float[] values = new float[count];
        ok(cuMemcpyDtoH(Pointer.to(values), p, 4L * count));
        return values;
    }

    static float[] upTo(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = i;
        }
        return values;
    }

    /**
     * Arguments are CUdeviceptr, int or float. The result is the call's: a fault may show only at
     * the next wait.
     */
    static int launch(CUfunction f, int grid, int block, CUstream stream, Object... arguments) {
        return launch(f, grid, 1, block, 0, stream, arguments);
    }

    static int launch(
            CUfunction f,
            int gridX,
            int gridY,
            int block,
            int shared,
            CUstream stream,
            Object... arguments) {
        NativePointerObject[] pointers =
                Arrays.stream(arguments)
                        .map(
                                a ->
                                        switch (a) {
                                            case Integer v -> Pointer.to(new int[] {v});
                                            case Float v -> Pointer.to(new float[] {v});
                                            case CUdeviceptr v -> Pointer.to(v);
                                            default ->
                                                    throw new IllegalArgumentException(
                                                            a.toString());
                                        })
                        .toArray(NativePointerObject[]::new);
        return cuLaunchKernel(
                f, gridX, gridY, 1, block, 1, 1, shared, stream, Pointer.to(pointers), null);
    }

    static short bf16(float f) {
        int bits = Float.floatToRawIntBits(f);
        return (short) ((bits + 0x7fff + (bits >>> 16 & 1)) >>> 16);
    }

    static float fromBf16(short s) {
        return Float.intBitsToFloat(s << 16);
    }
}
