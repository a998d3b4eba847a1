package org.ringworld.runtime.cuda;

import static jcuda.driver.JCudaDriver.cuCtxCreate;
import static jcuda.driver.JCudaDriver.cuCtxSynchronize;
import static jcuda.driver.JCudaDriver.cuInit;
import static jcuda.driver.JCudaDriver.cuLaunchKernel;
import static jcuda.driver.JCudaDriver.cuMemAlloc;
import static jcuda.driver.JCudaDriver.cuModuleGetFunction;
import static jcuda.driver.JCudaDriver.cuModuleLoadData;
import static org.assertj.core.api.Assertions.assertThat;

import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import org.junit.jupiter.api.Test;

class EmulatedCardTest {
    @Test
    void aRaceInSharedMemoryIsCaught() {
        EmulatedCard card = EmulatedCard.orSkip();
        String ptx = card.ptx("runtime/src/test/cuda/faults.cu");
        cuInit(0);
        cuCtxCreate(new CUcontext(), 0, new CUdevice());
        CUmodule module = new CUmodule();
        cuModuleLoadData(module, (ptx + "\0").getBytes());
        CUfunction f = new CUfunction();
        cuModuleGetFunction(f, module, "shared_race");
        CUdeviceptr out = new CUdeviceptr();
        cuMemAlloc(out, 4096);
        cuLaunchKernel(f, 1, 1, 1, 64, 1, 1, 0, null, Pointer.to(Pointer.to(out)), null);
        assertThat(cuCtxSynchronize()).isEqualTo(CUresult.CUDA_ERROR_LAUNCH_FAILED);
        assertThat(card.lastError()).contains("race");
        card.reset();
    }
}
