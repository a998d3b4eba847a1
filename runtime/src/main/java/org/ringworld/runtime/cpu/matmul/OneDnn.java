package org.ringworld.runtime.cpu.matmul;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import org.ringworld.runtime.UserCache;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Intel's oneDNN through its C interface, from the library that org.bytedeco's jar carries. Calls
 * run on the calling thread alone: the threads are ours.
 */
public final class OneDnn {
    private static final Logger LOG = LoggerFactory.getLogger(OneDnn.class);
    private static final String FOLDER = "/org/bytedeco/dnnl/linux-x86_64/";
    private static final String[] LIBRARIES = {"libgomp.so.1", "libdnnl.so.3"};
    private static final int SUCCESS = 0;

    /** dnnl_cpu_isa_avx512_core_bf16: the instruction sets it stands for, a bit each. */
    private static final int ISA_BF16 = 0xe7;

    private static final OneDnn LOADED = load();

    private final SymbolLookup functions;
    private final String version;
    private final MethodHandle sgemm;
    private final MethodHandle bf16gemm;
    private final MethodHandle setThreads;
    private final boolean bf16Products;
    private final ThreadLocal<Boolean> prepared = ThreadLocal.withInitial(() -> false);

    private OneDnn(SymbolLookup openMp, SymbolLookup dnnl) throws Throwable {
        functions = dnnl;
        setThreads =
                bind(
                        openMp,
                        "omp_set_num_threads",
                        FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT));
        sgemm = bind(dnnl, "dnnl_sgemm", gemmType());
        bf16gemm = bind(dnnl, "dnnl_gemm_bf16bf16f32", gemmType());
        int isa =
                (int)
                        bind(
                                        dnnl,
                                        "dnnl_get_effective_cpu_isa",
                                        FunctionDescriptor.of(ValueLayout.JAVA_INT))
                                .invokeExact();
        bf16Products = (isa & ISA_BF16) == ISA_BF16;
        var v =
                (MemorySegment)
                        bind(dnnl, "dnnl_version", FunctionDescriptor.of(ValueLayout.ADDRESS))
                                .invokeExact();
        v = v.reinterpret(12);
        version =
                "%d.%d.%d"
                        .formatted(
                                v.getAtIndex(ValueLayout.JAVA_INT, 0),
                                v.getAtIndex(ValueLayout.JAVA_INT, 1),
                                v.getAtIndex(ValueLayout.JAVA_INT, 2));
    }

    private static FunctionDescriptor gemmType() {
        return FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_BYTE,
                ValueLayout.JAVA_BYTE,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_FLOAT,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_FLOAT,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG);
    }

    private static MethodHandle bind(SymbolLookup library, String name, FunctionDescriptor type) {
        return Linker.nativeLinker().downcallHandle(library.findOrThrow(name), type);
    }

    /** The library, or null where there is none for this platform. */
    public static OneDnn loaded() {
        return LOADED;
    }

    public String version() {
        return version;
    }

    /** Whether it uses BF16 dot products: the processor's, unless ONEDNN_MAX_CPU_ISA forbids. */
    public boolean bf16Products() {
        return bf16Products;
    }

    /** One of its C functions. */
    MethodHandle function(String name, FunctionDescriptor type) {
        return bind(functions, name, type);
    }

    /** From here on what this thread calls runs on it alone. */
    void useOneThread() {
        if (prepared.get()) {
            return;
        }
        try {
            setThreads.invokeExact(1);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
        prepared.set(true);
    }

    /**
     * c[m,n] = beta · c + op(a) · op(b), row-major; 't' transposes. Leading dimensions in elements,
     * operands by address. The operands are BF16 where {@code bf16} says so; c is F32.
     */
    void gemm(
            boolean bf16,
            char opA,
            char opB,
            long m,
            long n,
            long k,
            long a,
            long lda,
            long b,
            long ldb,
            float beta,
            long c,
            long ldc) {
        useOneThread();
        try {
            MethodHandle gemm = bf16 ? bf16gemm : sgemm;
            int status =
                    (int)
                            gemm.invokeExact(
                                    (byte) opA,
                                    (byte) opB,
                                    m,
                                    n,
                                    k,
                                    1f,
                                    a,
                                    lda,
                                    b,
                                    ldb,
                                    beta,
                                    c,
                                    ldc);
            if (status != SUCCESS) {
                throw new IllegalStateException(
                        "oneDNN: status %d of a product %d × %d × %d".formatted(status, m, n, k));
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /** {@link #gemm} of BF16 operands. */
    public void bf16(
            char opA,
            char opB,
            long m,
            long n,
            long k,
            long a,
            long lda,
            long b,
            long ldb,
            float beta,
            long c,
            long ldc) {
        gemm(true, opA, opB, m, n, k, a, lda, b, ldb, beta, c, ldc);
    }

    private static OneDnn load() {
        if (OneDnn.class.getResource(FOLDER + LIBRARIES[1]) == null
                || !System.getProperty("os.name").equals("Linux")
                || !System.getProperty("os.arch").equals("amd64")) {
            return null;
        }
        try {
            SymbolLookup[] lookups = new SymbolLookup[LIBRARIES.length];
            for (int i = 0; i < LIBRARIES.length; i++) {
                lookups[i] =
                        SymbolLookup.libraryLookup(
                                UserCache.unpacked(
                                        OneDnn.class.getResource(FOLDER + LIBRARIES[i]), "onednn"),
                                Arena.global());
            }
            return new OneDnn(lookups[0], lookups[1]);
        } catch (Throwable e) {
            LOG.warn("oneDNN does not load: {}", e.toString());
            return null;
        }
    }
}
