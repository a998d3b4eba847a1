package org.ringworld.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static jcuda.driver.CUresult.CUDA_ERROR_LAUNCH_FAILED;
import static jcuda.driver.JCudaDriver.cuCtxSynchronize;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoH;
import static org.assertj.core.api.Assertions.assertThat;
import static org.ringworld.runtime.cuda.CudaCalls.device;
import static org.ringworld.runtime.cuda.CudaCalls.ok;
import static org.ringworld.runtime.cuda.CudaCalls.stream;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.Random;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The stand-in for cuBLASLt computes right products and refuses wrong descriptors. */
class EmulatedCublasLtTest {
    private static final int SUCCESS = 0;
    private static final int INVALID_VALUE = 7;
    private static final int NOT_SUPPORTED = 15;
    private static final int F32 = 0;
    private static final int BF16 = 14;
    private static final int COMPUTE_32F = 68;
    private static final int COMPUTE_32F_FAST_TF32 = 77;
    private static final long WORKSPACE = 1 << 20;

    private final Arena arena = Arena.ofShared();
    private EmulatedCard card;
    private SymbolLookup library;
    private MemorySegment handle;

    @BeforeEach
    void openCard() {
        card = EmulatedCard.orSkip();
        card.restart();
        card.trace(0);
        CudaCalls.context(0);
        library = SymbolLookup.libraryLookup(card.cublasLt("libcublasLt.so.13"), arena);
        handle = create("cublasLtCreate");
    }

    @AfterEach
    void forgetFaults() {
        arena.close();
        card.restart();
    }

    /** D(m x n) = alpha op(A) op(B) + beta D, column-major, and what may be wrong about it. */
    private final class Product {
        int m = 13;
        int n = 7;
        int k = 34;
        int type = F32;
        int outType = F32;
        int compute = COMPUTE_32F;
        boolean transA;
        boolean transB;
        float alpha = 1;
        float beta = 0;
        int extraRows = 3; // of leading dimensions
        int shortRows = 0;
        int align = 256;
        int offset = 0; // of A, in elements
        int cutOff = 0; // of B's memory, in bytes
        int outRows = 0;
        CudaCalls.Stream stream = stream();
        CUdeviceptr workspace = CudaCalls.allocate(WORKSPACE);
        float[] a;
        float[] b;
        float[] d;
        CUdeviceptr da;
        CUdeviceptr dd;

        int run() {
            int rowsA = transA ? k : m;
            int rowsB = transB ? n : k;
            int lda = rowsA + extraRows;
            int ldb = rowsB + extraRows;
            int ldd = m + extraRows;
            Random random = new Random(1);
            a = gauss(random, lda * (transA ? m : k) + offset, type);
            b = gauss(random, ldb * (transB ? k : n), type);
            d = gauss(random, ldd * n, outType);
            da = upload(a, type, 0);
            CUdeviceptr db = upload(b, type, cutOff + extraRows * bytes(type));
            dd = upload(d, outType, 0);
            MemorySegment operation = create("cublasLtMatmulDescCreate", compute, F32);
            attribute("cublasLtMatmulDescSetAttribute", operation, 3, transA ? 1 : 0);
            attribute("cublasLtMatmulDescSetAttribute", operation, 4, transB ? 1 : 0);
            MemorySegment la =
                    layout(type, rowsA, transA ? m : k, lda - shortRows * (extraRows + 1));
            MemorySegment lb = layout(type, rowsB, transB ? k : n, ldb);
            MemorySegment ld = layout(outType, m + outRows, n, ldd + outRows);
            MemorySegment preference = create("cublasLtMatmulPreferenceCreate");
            ok(
                    call(
                            "cublasLtMatmulPreferenceSetAttribute",
                            preference,
                            1,
                            arena.allocateFrom(JAVA_LONG, WORKSPACE),
                            8L));
            for (int which = 5; which <= 8; which++) {
                attribute("cublasLtMatmulPreferenceSetAttribute", preference, which, align);
            }
            MemorySegment result = arena.allocate(96, 8);
            MemorySegment found = arena.allocate(JAVA_INT);
            int status =
                    call(
                            "cublasLtMatmulAlgoGetHeuristic",
                            handle,
                            operation,
                            la,
                            lb,
                            ld,
                            ld,
                            preference,
                            1,
                            result,
                            found);
            if (status != SUCCESS) {
                return status;
            }
            assertThat(found.get(JAVA_INT, 0)).isOne();
            return call(
                    "cublasLtMatmul",
                    handle,
                    operation,
                    arena.allocateFrom(JAVA_FLOAT, alpha),
                    address(da, offset * bytes(type)),
                    la,
                    address(db, 0),
                    lb,
                    arena.allocateFrom(JAVA_FLOAT, beta),
                    address(dd, 0),
                    ld,
                    address(dd, 0),
                    ld,
                    result,
                    address(workspace, 0),
                    WORKSPACE,
                    MemorySegment.ofAddress(stream.address()));
        }

        /** How far the product is from a plain loop's. */
        float error() {
            float[] got = download(dd, d.length, outType);
            int lda = (transA ? k : m) + extraRows;
            int ldb = (transB ? n : k) + extraRows;
            int ldd = m + extraRows;
            float greatest = 0;
            for (int r = 0; r < ldd; r++) {
                for (int c = 0; c < n; c++) {
                    double sum = beta * d[c * ldd + r];
                    for (int l = 0; r < m && l < k; l++) {
                        sum +=
                                alpha
                                        * (double) a[offset + (transA ? r * lda + l : l * lda + r)]
                                        * b[transB ? l * ldb + c : c * ldb + l];
                    }
                    double expected =
                            r < m ? sum : d[c * ldd + r]; // between columns nothing is written
                    greatest =
                            Math.max(
                                    greatest,
                                    (float)
                                            (Math.abs(got[c * ldd + r] - expected)
                                                    / (1 + Math.abs(expected))));
                }
            }
            return greatest;
        }
    }

    @ParameterizedTest
    @CsvSource({
        "0,0,false,false,0",
        "0,0,true,false,1",
        "0,0,false,true,1",
        "0,0,true,true,0",
        "14,14,false,false,1",
        "14,14,true,false,0",
        "14,0,true,true,1",
        "14,0,false,true,0",
    })
    void productsAreRight(int type, int outType, boolean transA, boolean transB, float beta) {
        Product p = new Product();
        p.type = type;
        p.outType = outType;
        p.transA = transA;
        p.transB = transB;
        p.beta = beta;
        p.alpha = 0.5f;
        assertThat(p.run()).isEqualTo(SUCCESS);
        assertThat(p.error()).isLessThan(outType == BF16 ? 5e-3f : 1e-5f);
    }

    @Test
    void aLeadingDimensionBelowTheRowsIsRefused() {
        Product p = new Product();
        p.shortRows = 1;
        refused(p, INVALID_VALUE, "A: leading dimension 12, but 13 rows");
    }

    @Test
    void aResultOfAnotherShapeIsRefused() {
        Product p = new Product();
        p.outRows = 1;
        refused(p, INVALID_VALUE, "C is 14 x 7, op(A) op(B) is 13 x 7");
    }

    @Test
    void aMatrixBeyondItsAllocationIsRefused() {
        Product p = new Product();
        p.cutOff = 4;
        refused(p, INVALID_VALUE, "B: ");
        assertThat(card.lastError()).contains("do not lie in one allocation");
    }

    @Test
    void lessAlignmentThanAskedForIsRefused() {
        Product p = new Product();
        p.offset = 2;
        refused(p, INVALID_VALUE, "CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES");
        p.align = 8;
        assertThat(p.run()).isEqualTo(SUCCESS);
        assertThat(p.error()).isLessThan(1e-5f);
    }

    @ParameterizedTest
    @ValueSource(ints = {COMPUTE_32F_FAST_TF32, 64})
    void otherComputeTypesAreRefused(int compute) {
        Product p = new Product();
        p.compute = compute;
        refused(p, NOT_SUPPORTED, "compute type " + compute);
    }

    @ParameterizedTest
    @CsvSource({"2,0,type 2", "0,14,F32 in and BF16 out"})
    void otherTypesAreRefused(int type, int outType, String explanation) {
        Product p = new Product();
        p.type = type;
        p.outType = outType;
        refused(p, NOT_SUPPORTED, explanation);
    }

    @Test
    void aWorkspaceThatTwoStreamsShareIsCaught() {
        Product first = new Product();
        assertThat(first.run()).isEqualTo(SUCCESS);
        Product second = new Product();
        second.workspace = first.workspace;
        second.run();
        assertThat(cuCtxSynchronize()).isEqualTo(CUDA_ERROR_LAUNCH_FAILED);
        assertThat(card.lastError()).contains("race between streams", "cublasLtMatmul");
    }

    @Test
    void aProductWaitsInItsStream() {
        card.lazyStreams(true);
        Product p = new Product();
        assertThat(p.run()).isEqualTo(SUCCESS);
        ok(jcuda.driver.JCudaDriver.cuStreamSynchronize(p.stream));
        assertThat(p.error()).isLessThan(1e-5f);
    }

    @Test
    void theOlderNameIsTheOlderVersion() throws Throwable {
        for (int major : new int[] {12, 13}) {
            SymbolLookup named =
                    SymbolLookup.libraryLookup(card.cublasLt("libcublasLt.so." + major), arena);
            long version =
                    (long)
                            Linker.nativeLinker()
                                    .downcallHandle(
                                            named.find("cublasLtGetVersion").orElseThrow(),
                                            FunctionDescriptor.of(JAVA_LONG))
                                    .invokeExact();
            assertThat(version / 10_000).isEqualTo(major);
        }
    }

    private void refused(Product p, int status, String explanation) {
        assertThat(p.run()).isEqualTo(status);
        assertThat(card.lastError()).contains(explanation);
    }

    private static int bytes(int type) {
        return type == F32 ? 4 : 2;
    }

    private static float[] gauss(Random random, int n, int type) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            float v = (float) random.nextGaussian();
            values[i] = type == BF16 ? CudaCalls.fromBf16(CudaCalls.bf16(v)) : v;
        }
        return values;
    }

    private static CUdeviceptr upload(float[] values, int type, int cutOff) {
        if (type == F32) {
            return device(Pointer.to(values), 4L * values.length - cutOff);
        }
        short[] halves = new short[values.length];
        for (int i = 0; i < halves.length; i++) {
            halves[i] = CudaCalls.bf16(values[i]);
        }
        return device(Pointer.to(halves), 2L * values.length - cutOff);
    }

    private static float[] download(CUdeviceptr p, int n, int type) {
        ok(cuCtxSynchronize());
        if (type == F32) {
            return CudaCalls.floats(p, n);
        }
        short[] halves = new short[n];
        ok(cuMemcpyDtoH(Pointer.to(halves), p, 2L * n));
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = CudaCalls.fromBf16(halves[i]);
        }
        return values;
    }

    private MemorySegment layout(int type, long rows, long columns, long leading) {
        return create("cublasLtMatrixLayoutCreate", type, rows, columns, leading);
    }

    private void attribute(String function, MemorySegment descriptor, int attribute, int value) {
        ok(call(function, descriptor, attribute, arena.allocateFrom(JAVA_INT, value), 4L));
    }

    /** Functions that put a new descriptor into their first argument. */
    private MemorySegment create(String function, Object... arguments) {
        MemorySegment out = arena.allocate(ADDRESS);
        Object[] all = new Object[arguments.length + 1];
        all[0] = out;
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        ok(call(function, all));
        return out.get(ADDRESS, 0);
    }

    private int call(String function, Object... arguments) {
        MemoryLayout[] layouts = new MemoryLayout[arguments.length];
        for (int i = 0; i < layouts.length; i++) {
            layouts[i] =
                    switch (arguments[i]) {
                        case Integer _ -> JAVA_INT;
                        case Long _ -> JAVA_LONG;
                        default -> ADDRESS;
                    };
        }
        try {
            return (int)
                    Linker.nativeLinker()
                            .downcallHandle(
                                    library.find(function).orElseThrow(),
                                    FunctionDescriptor.of(JAVA_INT, layouts))
                            .invokeWithArguments(arguments);
        } catch (Throwable e) {
            throw new IllegalStateException(function, e);
        }
    }

    private static MemorySegment address(CUdeviceptr p, long offset) {
        return MemorySegment.ofAddress(new Address(p).value() + offset);
    }

    /** JCuda keeps addresses to its subclasses. */
    private static final class Address extends CUdeviceptr {
        Address(CUdeviceptr p) {
            super(p, 0);
        }

        long value() {
            return getNativePointer() + getByteOffset();
        }
    }
}
