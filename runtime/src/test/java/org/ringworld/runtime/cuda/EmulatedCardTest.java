package org.ringworld.runtime.cuda;

import static jcuda.driver.CUresult.CUDA_ERROR_ILLEGAL_ADDRESS;
import static jcuda.driver.CUresult.CUDA_ERROR_INVALID_PTX;
import static jcuda.driver.CUresult.CUDA_ERROR_INVALID_VALUE;
import static jcuda.driver.CUresult.CUDA_ERROR_LAUNCH_FAILED;
import static jcuda.driver.CUresult.CUDA_ERROR_NOT_SUPPORTED;
import static jcuda.driver.CUresult.CUDA_ERROR_NO_BINARY_FOR_GPU;
import static jcuda.driver.CUresult.CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
import static jcuda.driver.JCudaDriver.cuCtxSynchronize;
import static jcuda.driver.JCudaDriver.cuMemAllocManaged;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoH;
import static jcuda.driver.JCudaDriver.cuMemcpyHtoD;
import static org.assertj.core.api.Assertions.assertThat;
import static org.ringworld.runtime.cuda.CudaCalls.allocate;
import static org.ringworld.runtime.cuda.CudaCalls.device;
import static org.ringworld.runtime.cuda.CudaCalls.floats;
import static org.ringworld.runtime.cuda.CudaCalls.kernel;
import static org.ringworld.runtime.cuda.CudaCalls.launch;
import static org.ringworld.runtime.cuda.CudaCalls.load;
import static org.ringworld.runtime.cuda.CudaCalls.ok;
import static org.ringworld.runtime.cuda.CudaCalls.tryLoad;
import static org.ringworld.runtime.cuda.CudaCalls.upTo;

import java.util.Arrays;
import java.util.Random;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A kernel with a planted fault is caught, with its place; the same kernel without passes
 * (planted.cu).
 */
class EmulatedCardTest {
    private static final String HEAD = ".version 8.0\n.target sm_80\n.address_size 64\n";

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
    @CsvSource(
            delimiter = '|',
            value = {
                "reverse | 64 | 719 | with no barrier between",
                "reuse | 64 | 719 | with no barrier between",
                "exchange | 32 | 719 | with no __syncwarp between",
                "staged | 64 | 719 | is the target of a cp.async of warp",
                "handover | 64 | 719 | with no barrier between",
                "quads | 32 | 716 | misaligned access of 16 bytes",
                "sharedIndex | 64 | 700 | beyond the 256 bytes of the block",
                "lastWarp | 64 | 719 | bar.sync in divergent code",
                "halfWarp | 32 | 719 | names lanes that are not here",
                "waitFor | 1 | 702 | an endless loop?",
                "trap | 32 | 719 | trap",
            })
    void aPlantedFaultIsCaughtAndItsCorrectTwinPasses(
            String name, int threads, int error, String explanation) {
        card.fuel(2_000_000);
        float[] in = upTo(256);
        in[0] = 1;
        launch(kernel(planted, name), 1, threads, null, device(in), allocate(1024));
        ok(cuCtxSynchronize());
        launch(kernel(planted, name + "_wrong"), 1, threads, null, device(in), allocate(1024));
        assertThat(cuCtxSynchronize()).isEqualTo(error);
        assertThat(card.lastError())
                .contains(explanation, name + "_wrong", "PTX line", "planted.cu:");
    }

    @ParameterizedTest
    @CsvSource({"total,1", "rows,16"})
    void blocksThatWriteTheSameBytesAreCaught(String name, int threads) {
        CUdeviceptr in = device(upTo(64));
        ok(launch(kernel(planted, name), 4, threads, null, in, device(new float[64])));
        ok(launch(kernel(planted, name), 4, threads, null, in, device(new float[64])));
        launch(kernel(planted, name + "_wrong"), 4, threads, null, in, device(new float[64]));
        assertThat(cuCtxSynchronize()).isEqualTo(CUDA_ERROR_LAUNCH_FAILED);
        assertThat(card.lastError()).contains("race between blocks", "planted.cu:");
    }

    @Test
    void blocksThatShareAWordButNoByteAreNoFault() {
        ok(
                launch(
                        kernel(planted, "narrowRows"),
                        7,
                        13,
                        null,
                        device(upTo(13)),
                        allocate(2 * 13 * 7)));
        ok(cuCtxSynchronize());
    }

    @Test
    void anIndexOnePastTheEndIsCaught() {
        int n = 207;
        CUdeviceptr in = device(upTo(n));
        CUdeviceptr out = allocate(4L * n);
        launch(kernel(planted, "shift"), 4, 64, null, in, out, n);
        assertThat(floats(out, n)).startsWith(1, 2, 3).endsWith(206, 0);
        launch(kernel(planted, "shift_wrong"), 4, 64, null, in, out, n);
        assertThat(cuCtxSynchronize()).isEqualTo(CUDA_ERROR_ILLEGAL_ADDRESS);
        assertThat(card.lastError())
                .contains("4 bytes at offset 828 of an allocation of 828 bytes", "beyond its end");
    }

    @Test
    void swappedOperandsOfAMatrixProductShowAgainstAPlainLoop() {
        Random random = new Random(5);
        short[] a = new short[256];
        short[] b = new short[128];
        for (int i = 0; i < a.length; i++) {
            a[i] = CudaCalls.bf16((float) random.nextGaussian());
            b[i % 128] = CudaCalls.bf16((float) random.nextGaussian());
        }
        float[] plain = new float[128];
        for (int m = 0; m < 16; m++) {
            for (int n = 0; n < 8; n++) {
                for (int k = 0; k < 16; k++) {
                    plain[m * 8 + n] +=
                            CudaCalls.fromBf16(a[m * 16 + k]) * CudaCalls.fromBf16(b[n * 16 + k]);
                }
            }
        }
        CUdeviceptr da = device(Pointer.to(a), 512);
        CUdeviceptr db = device(Pointer.to(b), 256);
        CUdeviceptr d = allocate(512);
        launch(kernel(planted, "tile"), 1, 32, null, da, db, d);
        assertThat(greatestDifference(floats(d, 128), plain)).isLessThan(1e-5f);
        launch(kernel(planted, "tile_wrong"), 1, 32, null, da, db, d);
        assertThat(greatestDifference(floats(d, 128), plain)).isGreaterThan(0.5f);
    }

    @ParameterizedTest
    @CsvSource({"64,64,32", "128,128,128", "72,136,40", "200,64,264"})
    void aTiledProductIsRightAtAwkwardSizes(int m, int n, int k) {
        short[] a = gauss(m * k, 1);
        short[] b = gauss(k * n, 2);
        CUdeviceptr c = allocate(4L * m * n);
        CUfunction gemm = kernel(load(card.ptx("runtime/src/test/cuda/gemm.cu")), "gemm");
        ok(
                launch(
                        gemm,
                        (n + 63) / 64,
                        (m + 63) / 64,
                        128,
                        0,
                        null,
                        device(Pointer.to(a), 2L * m * k),
                        device(Pointer.to(b), 2L * k * n),
                        c,
                        m,
                        n,
                        k));
        float[] plain = new float[m * n];
        for (int i = 0; i < m; i++) {
            for (int l = 0; l < k; l++) {
                for (int j = 0; j < n; j++) {
                    plain[i * n + j] +=
                            CudaCalls.fromBf16(a[i * k + l]) * CudaCalls.fromBf16(b[l * n + j]);
                }
            }
        }
        assertThat(greatestDifference(floats(c, m * n), plain)).isLessThan(1e-4f);
    }

    @ParameterizedTest
    @CsvSource({"gemm_wait,has not been waited for", "gemm_reuse,race: shared memory"})
    void aFaultInATiledProductIsCaught(String name, String explanation) {
        int n = 128;
        CUfunction gemm = kernel(load(card.ptx("runtime/src/test/cuda/gemm.cu")), name);
        CUdeviceptr a = device(Pointer.to(gauss(n * n, 1)), 2L * n * n);
        launch(gemm, 2, 2, 128, 0, null, a, a, allocate(4L * n * n), n, n, n);
        assertThat(cuCtxSynchronize()).isEqualTo(CUDA_ERROR_LAUNCH_FAILED);
        assertThat(card.lastError()).contains(explanation);
    }

    @Test
    void blocksRunInAnOrderDrawnFromTheSeedAndAFaultNamesIt() {
        CUfunction order = kernel(planted, "order");
        card.seed(11);
        int[] first = places(order);
        assertThat(first)
                .isNotEqualTo(Arrays.stream(first).sorted().toArray())
                .doesNotHaveDuplicates();
        card.seed(12);
        assertThat(places(order)).isNotEqualTo(first);
        launch(kernel(planted, "reverse_wrong"), 1, 64, null, device(upTo(64)), allocate(256));
        assertThat(card.lastError()).contains("seed 12");
    }

    private int[] places(CUfunction order) {
        CUdeviceptr next = device(Pointer.to(new int[1]), 4);
        CUdeviceptr place = allocate(4 * 200);
        ok(launch(order, 200, 1, null, next, place));
        int[] places = new int[200];
        ok(cuMemcpyDtoH(Pointer.to(places), place, 4 * 200));
        return places;
    }

    @Test
    void sharedAtomicsAndAnEarlyReturnBeforeABarrierAreNoFaults() {
        int[] out = new int[128];
        CUdeviceptr d = device(Pointer.to(out), 512);
        ok(launch(kernel(planted, "countAlive"), 1, 128, null, d));
        ok(cuMemcpyDtoH(Pointer.to(out), d, 512));
        assertThat(out).startsWith(96, 96).endsWith(0, 0);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "foo.b32 %r1, 1; | opcode \"foo\" is not supported",
                "add.rn.sat.f64 %rd1, %rd1, %rd1; | modifier \".f64\" is not supported here (in add.rn.sat.f64)",
                "fma.rn.relu.bf16x2 %r1, %r1, %r1, %r1; | modifier \".relu\" is not supported here",
                "wgmma.fence.sync.aligned; | opcode \"wgmma\" is not supported",
                "mov.u32 %r1, %q7; | special register %q7",
                "mov.u32 %r1, %cluster_ctarank; | %cluster_ctarank",
                "add.u32 %r1, %r1; | operand is missing",
                "call.uni f, (); | opcode \"call\"",
                "bra NOWHERE; | NOWHERE",
            })
    void whatIsNotUnderstoodIsRefusedByNameWithItsLine(String instruction, String explanation) {
        String body = " .reg .b32 %r<4>; .reg .b64 %rd<4>; .reg .pred %p<3>;\n";
        int result =
                tryLoad(
                        HEAD + ".visible .entry f() {" + body + instruction + "\nret; }",
                        new CUmodule());
        assertThat(result).isEqualTo(CUDA_ERROR_INVALID_PTX);
        assertThat(card.lastError()).contains("PTX line 5 (kernel f)", explanation);
    }

    @Test
    void ptxThatADriverOrCardCannotReadIsRefused() {
        card.driverVersion(12060);
        assertThat(tryLoad(HEAD.replace("8.0", "9.0"), new CUmodule()))
                .isEqualTo(CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
        assertThat(card.lastError())
                .contains("PTX 9.0 is newer than a driver of CUDA 12.6 reads (at most 8.5)");
        assertThat(tryLoad(HEAD.replace("sm_80", "sm_90"), new CUmodule()))
                .isEqualTo(CUDA_ERROR_NO_BINARY_FOR_GPU);
        card.capability(90);
        ok(tryLoad(HEAD.replace("sm_80", "sm_90a"), new CUmodule()));
        assertThat(tryLoad("\177ELF", new CUmodule())).isEqualTo(CUDA_ERROR_NO_BINARY_FOR_GPU);
    }

    @Test
    void launchesThatACardWouldRefuseAreRefused() {
        CUdeviceptr p = device(upTo(4));
        CUfunction scale = kernel(planted, "scale");
        assertThat(launch(scale, 1, 2048, null, p, p, 1f, 4)).isEqualTo(CUDA_ERROR_INVALID_VALUE);
        assertThat(launch(scale, 1, 1, 32, 50_000, null, p, p, 1f, 4))
                .isEqualTo(CUDA_ERROR_INVALID_VALUE);
        assertThat(card.lastError())
                .contains("50000 bytes of dynamic shared memory, allowed are 49152");
        assertThat(launch(scale, 1, 32, null, p.withByteOffset(5000), p, 1f, 4))
                .isEqualTo(CUDA_ERROR_INVALID_VALUE);
        assertThat(card.lastError()).contains("parameter 0").contains("is not a device pointer");
        assertThat(cuMemcpyHtoD(p, Pointer.to(new float[5]), 20))
                .isEqualTo(CUDA_ERROR_INVALID_VALUE);
        assertThat(card.lastError()).contains("beyond its end");
        assertThat(cuMemAllocManaged(new CUdeviceptr(), 100, 1))
                .isEqualTo(CUDA_ERROR_NOT_SUPPORTED);
        ok(cuCtxSynchronize());
    }

    @Test
    void aFaultStaysUntilItsContextEnds() {
        CUdeviceptr in = device(upTo(64));
        launch(kernel(planted, "reverse_wrong"), 1, 64, null, in, allocate(256));
        assertThat(cuCtxSynchronize()).isEqualTo(CUDA_ERROR_LAUNCH_FAILED);
        assertThat(launch(kernelUnchecked("reverse"), 1, 64, null, in, in))
                .isEqualTo(CUDA_ERROR_LAUNCH_FAILED);
        CudaCalls.context(0);
        ok(cuCtxSynchronize());
    }

    private CUfunction kernelUnchecked(String name) {
        CUfunction f = new CUfunction();
        assertThat(
                        CUresult.stringFor(
                                jcuda.driver.JCudaDriver.cuModuleGetFunction(f, planted, name)))
                .isEqualTo("CUDA_ERROR_LAUNCH_FAILED");
        return f;
    }

    private static short[] gauss(int n, long seed) {
        Random random = new Random(seed);
        short[] values = new short[n];
        for (int i = 0; i < n; i++) {
            values[i] = CudaCalls.bf16((float) random.nextGaussian());
        }
        return values;
    }

    private static float greatestDifference(float[] a, float[] b) {
        float greatest = 0;
        for (int i = 0; i < a.length; i++) {
            float d = Math.abs(a[i] - b[i]);
            greatest = d > greatest || Float.isNaN(d) ? d : greatest;
        }
        return greatest;
    }
}
