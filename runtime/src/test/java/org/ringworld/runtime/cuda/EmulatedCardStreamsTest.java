package org.ringworld.runtime.cuda;

import static jcuda.driver.CUresult.CUDA_ERROR_ILLEGAL_ADDRESS;
import static jcuda.driver.CUresult.CUDA_ERROR_LAUNCH_FAILED;
import static jcuda.driver.CUresult.CUDA_ERROR_NOT_PERMITTED;
import static jcuda.driver.CUresult.CUDA_ERROR_NOT_READY;
import static jcuda.driver.CUresult.CUDA_SUCCESS;
import static jcuda.driver.JCudaDriver.cuCtxSynchronize;
import static jcuda.driver.JCudaDriver.cuEventCreate;
import static jcuda.driver.JCudaDriver.cuEventElapsedTime;
import static jcuda.driver.JCudaDriver.cuEventQuery;
import static jcuda.driver.JCudaDriver.cuEventRecord;
import static jcuda.driver.JCudaDriver.cuEventSynchronize;
import static jcuda.driver.JCudaDriver.cuMemAlloc;
import static jcuda.driver.JCudaDriver.cuMemAllocAsync;
import static jcuda.driver.JCudaDriver.cuMemFreeAsync;
import static jcuda.driver.JCudaDriver.cuMemHostAlloc;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoHAsync;
import static jcuda.driver.JCudaDriver.cuMemcpyHtoDAsync;
import static jcuda.driver.JCudaDriver.cuMemsetD32Async;
import static jcuda.driver.JCudaDriver.cuStreamAddCallback;
import static jcuda.driver.JCudaDriver.cuStreamSynchronize;
import static jcuda.driver.JCudaDriver.cuStreamWaitEvent;
import static org.assertj.core.api.Assertions.assertThat;
import static org.ringworld.runtime.cuda.CudaCalls.allocate;
import static org.ringworld.runtime.cuda.CudaCalls.device;
import static org.ringworld.runtime.cuda.CudaCalls.kernel;
import static org.ringworld.runtime.cuda.CudaCalls.launch;
import static org.ringworld.runtime.cuda.CudaCalls.load;
import static org.ringworld.runtime.cuda.CudaCalls.ok;
import static org.ringworld.runtime.cuda.CudaCalls.stream;
import static org.ringworld.runtime.cuda.CudaCalls.upTo;

import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.concurrent.atomic.AtomicInteger;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUfunction;
import jcuda.driver.CUstream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Work on different streams must be ordered by events or waits, whichever runs first. */
class EmulatedCardStreamsTest {
    private static final int N = 1000;

    private EmulatedCard card;
    private CUfunction scale;
    private CUstream one;
    private CUstream other;

    @BeforeEach
    void openCard() {
        card = EmulatedCard.orSkip();
        card.restart();
        card.trace(0);
        CudaCalls.context(0);
        scale = kernel(load(card.ptx("runtime/src/test/cuda/planted.cu")), "scale");
        one = stream();
        other = stream();
    }

    @AfterEach
    void forgetFaults() {
        card.restart();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aMissingEventWaitIsCaught(boolean lazy) {
        card.lazyStreams(lazy);
        CUdeviceptr x = device(upTo(N));
        CUdeviceptr y = allocate(4 * N);
        CUdeviceptr z = allocate(4 * N);
        ok(launch(scale, 4, 64, one, x, y, 2f, N));
        order(one, other);
        ok(launch(scale, 4, 64, other, y, z, 2f, N));
        ok(cuStreamSynchronize(other));
        launch(scale, 4, 64, one, x, y, 3f, N); // again, while the other may still read y
        assertThat(cuCtxSynchronize()).isEqualTo(CUDA_SUCCESS);
        launch(scale, 4, 64, one, x, y, 4f, N);
        launch(scale, 4, 64, other, y, z, 2f, N);
        assertThat(cuCtxSynchronize()).isEqualTo(CUDA_ERROR_LAUNCH_FAILED);
        assertThat(card.lastError())
                .contains(
                        "race between streams",
                        "scale on stream",
                        "no event or wait orders the two");
    }

    @Test
    void overwritingWhatAnotherStreamMayStillReadIsCaught() {
        CUdeviceptr x = device(upTo(N));
        CUdeviceptr y = allocate(4 * N);
        ok(launch(scale, 4, 64, one, x, y, 2f, N));
        cuMemsetD32Async(x, 0, N, other);
        assertThat(cuCtxSynchronize()).isEqualTo(CUDA_ERROR_LAUNCH_FAILED);
        assertThat(card.lastError()).contains("written by cuMemsetD32Async", "read by scale");
    }

    @Test
    void theNullStreamIsOrderedWithBlockingStreams() {
        CUstream blocking = new CUstream();
        ok(jcuda.driver.JCudaDriver.cuStreamCreate(blocking, 0));
        CUdeviceptr x = device(upTo(N));
        CUdeviceptr y = allocate(4 * N);
        ok(launch(scale, 4, 64, blocking, x, y, 2f, N));
        ok(launch(scale, 4, 64, null, y, x, 2f, N));
        ok(launch(scale, 4, 64, blocking, x, y, 2f, N));
        assertThat(CudaCalls.floats(y, N)).startsWith(0, 8, 16);
    }

    /** Lazy streams: what the host forgets to wait for has not happened. */
    @Test
    void aMissingWaitOfTheHostShowsInWhatItReads() {
        card.lazyStreams(true);
        Pointer in = new Pointer();
        Pointer out = new Pointer();
        ok(cuMemHostAlloc(in, 4 * N, 0));
        ok(cuMemHostAlloc(out, 4 * N, 0));
        view(in).put(5, 1);
        view(out).put(5, -7);
        CUdeviceptr x = allocate(4 * N);
        ok(cuMemcpyHtoDAsync(x, in, 4 * N, one));
        ok(launch(scale, 4, 64, one, x, x, 3f, N));
        ok(cuMemcpyDtoHAsync(out, x, 4 * N, one));
        assertThat(view(out).get(5)).isEqualTo(-7);
        ok(cuStreamSynchronize(one));
        assertThat(view(out).get(5)).isEqualTo(3);
    }

    @Test
    void anEventIsReadyOnceItsStreamGotThere() {
        card.lazyStreams(true);
        CUevent before = event();
        CUevent after = event();
        CUdeviceptr x = device(upTo(N));
        ok(cuEventRecord(before, one));
        ok(launch(scale, 4, 64, one, x, x, 3f, N));
        ok(cuEventRecord(after, one));
        assertThat(cuEventQuery(after)).isEqualTo(CUDA_ERROR_NOT_READY);
        int asked = 1;
        while (cuEventQuery(after) == CUDA_ERROR_NOT_READY) {
            asked++;
        }
        assertThat(asked).isLessThan(10);
        ok(cuEventSynchronize(after));
        float[] ms = new float[1];
        ok(cuEventElapsedTime(ms, before, after));
        assertThat(ms[0]).isNotNegative();
    }

    @Test
    void aCallbackRunsInOrderAndMayNotCallCuda() {
        AtomicInteger called = new AtomicInteger(-1);
        ok(
                cuStreamAddCallback(
                        one, (_, _, _) -> called.set(cuMemAlloc(new CUdeviceptr(), 16)), null, 0));
        ok(cuStreamSynchronize(one));
        assertThat(called).hasValue(CUDA_ERROR_NOT_PERMITTED);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void memoryOfAStreamIsUsedByAnotherOnlyBehindAnEvent(boolean lazy) {
        card.lazyStreams(lazy);
        CUdeviceptr x = device(upTo(N));
        CUdeviceptr y = new CUdeviceptr();
        ok(cuMemAllocAsync(y, 4 * N, one));
        order(one, other);
        ok(launch(scale, 4, 64, other, x, y, 2f, N));
        order(other, one);
        ok(cuMemFreeAsync(y, one));
        ok(cuCtxSynchronize());
        CUdeviceptr z = new CUdeviceptr();
        ok(cuMemAllocAsync(z, 4 * N, one));
        launch(scale, 4, 64, other, x, z, 2f, N);
        assertThat(cuCtxSynchronize()).isEqualTo(CUDA_ERROR_ILLEGAL_ADDRESS);
        assertThat(card.lastError()).contains("whose cuMemAllocAsync on stream");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void freeingMemoryThatAnotherStreamMayStillUseIsCaught(boolean lazy) {
        card.lazyStreams(lazy);
        CUdeviceptr x = device(upTo(N));
        CUdeviceptr y = new CUdeviceptr();
        ok(cuMemAllocAsync(y, 4 * N, one));
        order(one, other);
        ok(launch(scale, 4, 64, other, x, y, 2f, N));
        cuMemFreeAsync(y, one);
        assertThat(cuCtxSynchronize()).isEqualTo(CUDA_ERROR_ILLEGAL_ADDRESS);
        assertThat(card.lastError()).contains("cuMemFreeAsync on stream");
    }

    @Test
    void aKernelQueuedBehindTheFreeOfItsMemoryIsCaught() {
        card.lazyStreams(true);
        CUdeviceptr x = device(upTo(N));
        CUdeviceptr y = new CUdeviceptr();
        ok(cuMemAllocAsync(y, 4 * N, one));
        ok(launch(scale, 4, 64, one, x, y, 2f, N));
        ok(cuMemFreeAsync(y, one));
        ok(
                launch(
                        scale, 4, 64, one, x, y, 2f,
                        N)); // nothing has run yet, the pointer is still good
        assertThat(cuCtxSynchronize()).isEqualTo(CUDA_ERROR_ILLEGAL_ADDRESS);
        assertThat(card.lastError()).contains("which was freed by cuMemFreeAsync on stream");
    }

    private static void order(CUstream first, CUstream second) {
        CUevent event = event();
        ok(cuEventRecord(event, first));
        ok(cuStreamWaitEvent(second, event, 0));
    }

    private static CUevent event() {
        CUevent event = new CUevent();
        ok(cuEventCreate(event, 0));
        return event;
    }

    private static FloatBuffer view(Pointer p) {
        return p.getByteBuffer(0, 4 * N).order(ByteOrder.nativeOrder()).asFloatBuffer();
    }
}
