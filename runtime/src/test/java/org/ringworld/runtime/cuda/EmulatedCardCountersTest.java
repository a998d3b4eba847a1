package org.ringworld.runtime.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.ringworld.runtime.cuda.CudaCalls.allocate;
import static org.ringworld.runtime.cuda.CudaCalls.device;
import static org.ringworld.runtime.cuda.CudaCalls.kernel;
import static org.ringworld.runtime.cuda.CudaCalls.launch;
import static org.ringworld.runtime.cuda.CudaCalls.load;
import static org.ringworld.runtime.cuda.CudaCalls.ok;
import static org.ringworld.runtime.cuda.CudaCalls.upTo;

import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUmodule;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Counters say what a profiler would: traffic, coalescing, conflicts of banks, operations. */
class EmulatedCardCountersTest {
    private EmulatedCard card;
    private CUmodule planted;

    @BeforeEach
    void openCard() {
        card = EmulatedCard.orSkip();
        card.restart();
        card.trace(0);
        CudaCalls.context(0);
        planted = load(card.ptx("runtime/src/test/cuda/planted.cu"));
    }

    @AfterEach
    void forgetFaults() {
        card.restart();
    }

    @ParameterizedTest
    @CsvSource({"1,4", "2,8", "8,32", "100,32"})
    void accessesOfAWarpCostTheSectorsThatTheyTouch(int stride, int sectors) {
        CUdeviceptr in = device(upTo(3200));
        CUdeviceptr out = allocate(128);
        ok(launch(kernel(planted, "strided"), 1, 32, null, in, out, stride));
        assertThat(card.counters()).isEmpty();
        card.counting(true);
        ok(launch(kernel(planted, "strided"), 1, 32, null, in, out, stride));
        KernelCounters counters = card.counters().get("strided");
        assertThat(counters.launches()).isOne();
        assertThat(counters.bytesRead()).isEqualTo(128);
        assertThat(counters.sectorsRead()).isEqualTo(sectors);
        assertThat(counters.sectorsWritten()).isEqualTo(4);
        assertThat(counters.flops()).isEqualTo(64); // a fused multiply-add a lane
    }

    @ParameterizedTest
    @CsvSource({"1,1", "2,2", "16,16", "31,1", "32,32"})
    void lanesThatWantDifferentWordsOfABankTakeTurns(int stride, int passes) {
        card.counting(true);
        ok(launch(kernel(planted, "banks"), 1, 32, null, allocate(128), stride));
        KernelCounters counters = card.counters().get("banks");
        assertThat(counters.sharedAccesses()).isEqualTo(2); // a store and a load
        assertThat(counters.sharedWavefronts()).isEqualTo(2 * passes);
    }

    @Test
    void aTiledProductReadsWithoutConflictsAndCountsItsOperations() {
        int n = 128;
        card.counting(true);
        CUdeviceptr a = device(Pointer.to(new short[n * n]), 2L * n * n);
        ok(
                launch(
                        kernel(load(card.ptx("runtime/src/test/cuda/gemm.cu")), "gemm"),
                        2,
                        2,
                        128,
                        0,
                        null,
                        a,
                        a,
                        allocate(4L * n * n),
                        n,
                        n,
                        n));
        KernelCounters counters = card.counters().get("gemm");
        assertThat(counters.tensorFlops()).isEqualTo(2L * n * n * n);
        assertThat(counters.bytesRead()).isEqualTo(2L * 2 * n * n * 2); // each tile twice
        assertThat(counters.sectorsRead() * 32).isEqualTo(counters.bytesRead());
        assertThat(counters.sharedWavefronts())
                .isEqualTo(counters.sharedAccesses()); // rows are padded by 16 bytes
    }
}
