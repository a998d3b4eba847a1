package org.ringworld.runtime.cuda;

import static jcuda.driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
import static jcuda.driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
import static jcuda.driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
import static jcuda.driver.CUresult.CUDA_ERROR_ECC_UNCORRECTABLE;
import static jcuda.driver.CUresult.CUDA_ERROR_ILLEGAL_ADDRESS;
import static jcuda.driver.CUresult.CUDA_ERROR_INVALID_CONTEXT;
import static jcuda.driver.CUresult.CUDA_ERROR_INVALID_DEVICE;
import static jcuda.driver.CUresult.CUDA_ERROR_INVALID_HANDLE;
import static jcuda.driver.CUresult.CUDA_ERROR_INVALID_VALUE;
import static jcuda.driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY;
import static jcuda.driver.JCudaDriver.cuCtxDestroy;
import static jcuda.driver.JCudaDriver.cuCtxEnablePeerAccess;
import static jcuda.driver.JCudaDriver.cuCtxSetCurrent;
import static jcuda.driver.JCudaDriver.cuCtxSynchronize;
import static jcuda.driver.JCudaDriver.cuDeviceCanAccessPeer;
import static jcuda.driver.JCudaDriver.cuDeviceGet;
import static jcuda.driver.JCudaDriver.cuDeviceGetAttribute;
import static jcuda.driver.JCudaDriver.cuFuncSetAttribute;
import static jcuda.driver.JCudaDriver.cuMemAlloc;
import static jcuda.driver.JCudaDriver.cuMemAllocAsync;
import static jcuda.driver.JCudaDriver.cuMemFree;
import static jcuda.driver.JCudaDriver.cuMemFreeAsync;
import static jcuda.driver.JCudaDriver.cuMemGetInfo;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoD;
import static jcuda.driver.JCudaDriver.cuMemcpyPeerAsync;
import static jcuda.driver.JCudaDriver.cuStreamSynchronize;
import static org.assertj.core.api.Assertions.assertThat;
import static org.ringworld.runtime.cuda.CudaCalls.allocate;
import static org.ringworld.runtime.cuda.CudaCalls.context;
import static org.ringworld.runtime.cuda.CudaCalls.device;
import static org.ringworld.runtime.cuda.CudaCalls.floats;
import static org.ringworld.runtime.cuda.CudaCalls.kernel;
import static org.ringworld.runtime.cuda.CudaCalls.launch;
import static org.ringworld.runtime.cuda.CudaCalls.load;
import static org.ringworld.runtime.cuda.CudaCalls.ok;
import static org.ringworld.runtime.cuda.CudaCalls.stream;
import static org.ringworld.runtime.cuda.CudaCalls.upTo;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.CUstream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Memory that is freed, short, another device's; contexts of several threads; errors on demand. */
class EmulatedCardMemoryTest {
    private static final int N = 1000;

    private EmulatedCard card;

    @BeforeEach
    void openCard() {
        card = EmulatedCard.orSkip();
        card.restart();
        card.trace(0);
    }

    @AfterEach
    void forgetFaults() {
        card.restart();
    }

    private CUfunction scale() {
        return kernel(load(card.ptx("runtime/src/test/cuda/planted.cu")), "scale");
    }

    @Test
    void freedMemoryIsRefusedByCopiesAndCaughtInKernels() {
        context(0);
        CUfunction scale = scale();
        CUdeviceptr x = device(upTo(N));
        CUdeviceptr y = allocate(4 * N);
        ok(launch(scale, 4, 64, null, x, y, 2f, N));
        ok(cuMemFree(x));
        allocate(4 * N); // not at the same place
        assertThat(cuMemcpyDtoD(y, x, 4 * N)).isEqualTo(CUDA_ERROR_INVALID_VALUE);
        assertThat(card.lastError()).contains("which was freed by cuMemFree");
        assertThat(cuMemFree(x)).isEqualTo(CUDA_ERROR_INVALID_VALUE);
        assertThat(launch(scale, 4, 64, null, x, y, 2f, N)).isEqualTo(CUDA_ERROR_ILLEGAL_ADDRESS);
        assertThat(card.lastError()).contains("parameter 0", "was freed by cuMemFree");
    }

    @Test
    void aDeviceHasAsMuchMemoryAsItIsGiven() {
        card.memory(1 << 20);
        context(0);
        CUdeviceptr big = allocate(900 << 10);
        long[] free = new long[1];
        long[] total = new long[1];
        ok(cuMemGetInfo(free, total));
        assertThat(free[0]).isEqualTo((1 << 20) - (900 << 10));
        assertThat(total[0]).isEqualTo(1 << 20);
        assertThat(cuMemAlloc(new CUdeviceptr(), 200 << 10)).isEqualTo(CUDA_ERROR_OUT_OF_MEMORY);
        assertThat(card.lastError()).contains("204800 bytes asked for, 921600 of 1048576 are used");
        ok(cuMemFree(big));
        ok(cuMemAlloc(new CUdeviceptr(), 200 << 10)); // short of memory is no fault
        CUstream stream = stream();
        CUdeviceptr ordered = new CUdeviceptr();
        ok(cuMemAllocAsync(ordered, 700 << 10, stream));
        assertThat(cuMemAllocAsync(new CUdeviceptr(), 700 << 10, stream))
                .isEqualTo(CUDA_ERROR_OUT_OF_MEMORY);
        ok(cuMemFreeAsync(ordered, stream));
        ok(cuMemAllocAsync(ordered, 700 << 10, stream));
        ok(cuStreamSynchronize(stream));
        assertThat(card.usedBytes(0)).isEqualTo(900 << 10);
        card.restart();
        assertThat(card.usedBytes(0)).isZero();
    }

    @Test
    void theNthAllocationFailsOnDemand() {
        context(0);
        card.failAllocation(2);
        allocate(16);
        assertThat(cuMemAlloc(new CUdeviceptr(), 16)).isEqualTo(CUDA_ERROR_OUT_OF_MEMORY);
        allocate(16);
    }

    @Test
    void anErrorOfMemoryBreaksItsContextAndNoOther() {
        card.devices(2);
        CUcontext healthy = context(1);
        CUcontext broken = context(0);
        CUfunction scale = scale();
        CUdeviceptr x = device(upTo(N));
        card.failLaunch(3, CUDA_ERROR_ECC_UNCORRECTABLE);
        ok(launch(scale, 4, 64, null, x, x, 2f, N));
        ok(launch(scale, 4, 64, null, x, x, 2f, N));
        assertThat(launch(scale, 4, 64, null, x, x, 2f, N)).isEqualTo(CUDA_ERROR_ECC_UNCORRECTABLE);
        assertThat(cuMemAlloc(new CUdeviceptr(), 16)).isEqualTo(CUDA_ERROR_ECC_UNCORRECTABLE);
        assertThat(cuCtxSynchronize()).isEqualTo(CUDA_ERROR_ECC_UNCORRECTABLE);
        ok(cuCtxSetCurrent(healthy));
        allocate(16);
        ok(cuCtxDestroy(broken));
        context(0);
        allocate(16);
    }

    @Test
    void devicesCopyToEachOtherAndReachEachOtherOnlyAsPeers() {
        card.devices(2);
        CUcontext c1 = context(1);
        CUdeviceptr there = device(upTo(N));
        CUcontext c0 = context(0);
        CUdeviceptr here = allocate(4 * N);
        CUstream stream = stream();
        ok(cuMemcpyPeerAsync(here, c0, there, c1, 4 * N, stream));
        ok(cuStreamSynchronize(stream));
        assertThat(floats(here, N)).startsWith(0, 1, 2).endsWith(999);
        assertThat(cuMemcpyPeerAsync(here, c1, there, c0, 4 * N, stream))
                .isEqualTo(CUDA_ERROR_INVALID_VALUE);
        int[] can = new int[1];
        ok(cuDeviceCanAccessPeer(can, deviceOf(0), deviceOf(1)));
        assertThat(can[0]).isOne();
        CUfunction scale = scale();
        ok(cuCtxEnablePeerAccess(c1, 0));
        ok(launch(scale, 4, 64, null, there, here, 2f, N));
        ok(cuCtxSetCurrent(c1));
        launch(scale(), 4, 64, null, here, there, 2f, N); // the other way was not asked for
        assertThat(cuCtxSynchronize()).isEqualTo(CUDA_ERROR_ILLEGAL_ADDRESS);
        assertThat(card.lastError()).contains("no peer access");
        card.peers(false);
        ok(cuDeviceCanAccessPeer(can, deviceOf(0), deviceOf(1)));
        assertThat(can[0]).isZero();
    }

    @Test
    void threadsWithTheirOwnContextsDoNotDisturbEachOther() throws Exception {
        card.devices(2);
        List<Callable<Integer>> ranks = new ArrayList<>();
        for (int rank = 0; rank < 4; rank++) {
            int id = rank;
            ranks.add(() -> work(id));
        }
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            for (Future<Integer> right : threads.invokeAll(ranks)) {
                assertThat(right.get()).isEqualTo(20);
            }
            assertThat(threads.submit(() -> cuMemAlloc(new CUdeviceptr(), 16)).get())
                    .isIn(0, CUDA_ERROR_INVALID_CONTEXT);
        }
        int[] result = new int[1];
        Thread bare = new Thread(() -> result[0] = cuMemAlloc(new CUdeviceptr(), 16));
        bare.start();
        bare.join();
        assertThat(result[0]).isEqualTo(CUDA_ERROR_INVALID_CONTEXT);
    }

    /** How many of 20 launches came out right. */
    private int work(int rank) {
        context(rank % 2);
        CUfunction scale = scale();
        CUstream stream = stream();
        int right = 0;
        for (int round = 0; round < 20; round++) {
            int n = 100 + 37 * rank + round;
            CUdeviceptr x = device(upTo(n));
            ok(launch(scale, 2, 64, stream, x, x, (float) rank, n));
            ok(cuStreamSynchronize(stream));
            if (floats(x, n)[n - 1] == rank * (n - 1)) {
                right++;
            }
            ok(cuMemFree(x));
        }
        return right;
    }

    @Test
    void aHandleOfAnotherContextIsRefused() {
        context(0);
        CUfunction scale = scale();
        CUstream stream = stream();
        context(0);
        CUdeviceptr x = device(upTo(4));
        assertThat(launch(scale, 1, 32, null, x, x, 1f, 4)).isEqualTo(CUDA_ERROR_INVALID_HANDLE);
        assertThat(cuStreamSynchronize(stream)).isEqualTo(CUDA_ERROR_INVALID_HANDLE);
        assertThat(cuDeviceGet(new CUdevice(), 1)).isEqualTo(CUDA_ERROR_INVALID_DEVICE);
    }

    @Test
    void aCardHasWhatItsCapabilityHas() {
        card.capability(90);
        card.multiprocessors(20);
        context(0);
        assertThat(attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)).isEqualTo(9);
        assertThat(attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)).isEqualTo(20);
        assertThat(attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN))
                .isEqualTo(232448);
        CUfunction scale = scale();
        int dynamic = CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        assertThat(cuFuncSetAttribute(scale, dynamic, 232449)).isEqualTo(CUDA_ERROR_INVALID_VALUE);
        ok(cuFuncSetAttribute(scale, dynamic, 100_000));
        CUdeviceptr x = device(upTo(4));
        ok(launch(scale, 1, 1, 32, 100_000, null, x, x, 1f, 4));
    }

    private static CUdevice deviceOf(int ordinal) {
        CUdevice d = new CUdevice();
        ok(cuDeviceGet(d, ordinal));
        return d;
    }

    private static int attribute(int which) {
        int[] value = new int[1];
        ok(cuDeviceGetAttribute(value, which, deviceOf(0)));
        return value[0];
    }
}
