package org.ringworld.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * NVIDIA's cuBLASLt through its C interface, of whichever version the host has. Its handle is for
 * one thread at a time.
 */
final class CublasLt {
    private static final int COMPUTE_F32 = 68;
    private static final int TYPE_F32 = 0;
    private static final int TYPE_BF16 = 14;
    private static final int TRANSPOSE_A = 3;
    private static final int TRANSPOSE_B = 4;
    private static final int WORKSPACE_BYTES = 1;
    private static final int ALIGNMENT_A = 5;
    private static final int ALIGNMENT_C = 7;

    /**
     * cublasLtMatmulHeuristicResult_t: an algorithm of 64 bytes, the workspace it needs, and more.
     */
    private static final long HEURISTIC_BYTES = 96;

    private static final long WORKSPACE_AT = 64;

    private static final Map<Integer, String> STATUS =
            Map.of(
                    1, "CUBLAS_STATUS_NOT_INITIALIZED",
                    3, "CUBLAS_STATUS_ALLOC_FAILED",
                    7, "CUBLAS_STATUS_INVALID_VALUE",
                    8, "CUBLAS_STATUS_ARCH_MISMATCH",
                    13, "CUBLAS_STATUS_EXECUTION_FAILED",
                    14, "CUBLAS_STATUS_INTERNAL_ERROR",
                    15, "CUBLAS_STATUS_NOT_SUPPORTED");

    private static final Library LIBRARY = Library.load();

    /** A matrix as it lies: column by column, BF16 or F32. */
    record Matrix(boolean bf16, long rows, long columns, long leading, int alignment) {}

    /**
     * c = op(a) · op(b) of matrices that lie column by column; c is read too where sums are added
     * to.
     */
    record Shape(boolean transposeA, boolean transposeB, Matrix a, Matrix b, Matrix c) {}

    /** A product that is ready to be queued, and the algorithm for it. */
    static final class Plan {
        private final MemorySegment product;
        private final MemorySegment a;
        private final MemorySegment b;
        private final MemorySegment c;
        private final MemorySegment algorithm;

        private Plan(
                MemorySegment product,
                MemorySegment a,
                MemorySegment b,
                MemorySegment c,
                MemorySegment algorithm) {
            this.product = product;
            this.a = a;
            this.b = b;
            this.c = c;
            this.algorithm = algorithm;
        }

        /** Bytes. */
        long workspace() {
            return algorithm.get(JAVA_LONG, WORKSPACE_AT);
        }
    }

    private final MemorySegment handle;
    private final MemorySegment one = Arena.ofAuto().allocateFrom(JAVA_FLOAT, 1);
    private final MemorySegment zero = Arena.ofAuto().allocateFrom(JAVA_FLOAT, 0);

    /** For the card whose context is current. */
    CublasLt() {
        if (LIBRARY.reason != null) {
            throw new CudaException(LIBRARY.reason);
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            check((int) LIBRARY.create.invokeExact(out), "cublasLtCreate");
            handle = out.get(ADDRESS, 0);
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    /** Why there is none, in a sentence, or null. */
    static String reason() {
        return LIBRARY.reason;
    }

    /** {@code cuBLASLt 13.1.0}. */
    static String name() {
        return LIBRARY.name;
    }

    Plan plan(Shape shape, long workspaceBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            check(
                    (int) LIBRARY.createProduct.invokeExact(out, COMPUTE_F32, TYPE_F32),
                    "cublasLtMatmulDescCreate");
            MemorySegment product = out.get(ADDRESS, 0);
            transpose(product, TRANSPOSE_A, shape.transposeA, arena);
            transpose(product, TRANSPOSE_B, shape.transposeB, arena);
            MemorySegment a = layout(shape.a, out);
            MemorySegment b = layout(shape.b, out);
            MemorySegment c = layout(shape.c, out);
            check(
                    (int) LIBRARY.createPreference.invokeExact(out),
                    "cublasLtMatmulPreferenceCreate");
            MemorySegment preference = out.get(ADDRESS, 0);
            prefer(preference, WORKSPACE_BYTES, arena.allocateFrom(JAVA_LONG, workspaceBytes));
            List<Matrix> matrices = List.of(shape.a, shape.b, shape.c, shape.c);
            for (int i = 0; i < 4; i++) {
                int alignment = matrices.get(i).alignment;
                prefer(preference, ALIGNMENT_A + i, arena.allocateFrom(JAVA_INT, alignment));
            }
            MemorySegment algorithm = Arena.ofAuto().allocate(HEURISTIC_BYTES, 8);
            MemorySegment found = arena.allocate(JAVA_INT);
            int status =
                    (int)
                            LIBRARY.heuristic.invokeExact(
                                    handle, product, a, b, c, c, preference, 1, algorithm, found);
            int _ = (int) LIBRARY.destroyPreference.invokeExact(preference);
            check(status, "cublasLtMatmulAlgoGetHeuristic for " + shape);
            if (found.get(JAVA_INT, 0) == 0) {
                throw new CudaException("cuBLASLt knows no algorithm for " + shape);
            }
            return new Plan(product, a, b, c, algorithm);
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    private static void transpose(MemorySegment product, int which, boolean on, Arena arena)
            throws Throwable {
        MemorySegment value = arena.allocateFrom(JAVA_INT, on ? 1 : 0);
        check(
                (int) LIBRARY.setProduct.invokeExact(product, which, value, value.byteSize()),
                "cublasLtMatmulDescSetAttribute");
    }

    private static void prefer(MemorySegment preference, int what, MemorySegment value)
            throws Throwable {
        check(
                (int) LIBRARY.setPreference.invokeExact(preference, what, value, value.byteSize()),
                "cublasLtMatmulPreferenceSetAttribute");
    }

    private static MemorySegment layout(Matrix m, MemorySegment out) throws Throwable {
        int type = m.bf16 ? TYPE_BF16 : TYPE_F32;
        check(
                (int) LIBRARY.createLayout.invokeExact(out, type, m.rows, m.columns, m.leading),
                "cublasLtMatrixLayoutCreate of " + m);
        return out.get(ADDRESS, 0);
    }

    /** Queues a product of matrices at these addresses on a stream. */
    void multiply(
            Plan plan,
            long a,
            long b,
            long c,
            boolean accumulate,
            MemorySegment workspace,
            CudaStream stream) {
        MemorySegment at = MemorySegment.ofAddress(c);
        MemorySegment beta = accumulate ? one : zero;
        try {
            check(
                    (int)
                            LIBRARY.multiply.invokeExact(
                                    handle,
                                    plan.product,
                                    one,
                                    MemorySegment.ofAddress(a),
                                    plan.a,
                                    MemorySegment.ofAddress(b),
                                    plan.b,
                                    beta,
                                    at,
                                    plan.c,
                                    at,
                                    plan.c,
                                    plan.algorithm,
                                    MemorySegment.ofAddress(workspace.address()),
                                    workspace.byteSize(),
                                    MemorySegment.ofAddress(stream.address())),
                    "cublasLtMatmul");
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    /** Gives a plan's descriptions back. */
    void forget(Plan plan) {
        try {
            int _ = (int) LIBRARY.destroyProduct.invokeExact(plan.product);
            int _ = (int) LIBRARY.destroyLayout.invokeExact(plan.a);
            int _ = (int) LIBRARY.destroyLayout.invokeExact(plan.b);
            int _ = (int) LIBRARY.destroyLayout.invokeExact(plan.c);
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    void close() {
        try {
            int _ = (int) LIBRARY.destroy.invokeExact(handle);
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    private static void check(int status, String what) {
        if (status != 0) {
            throw new CudaException(
                    "%s failed: %s"
                            .formatted(what, STATUS.getOrDefault(status, "status " + status)));
        }
    }

    private static RuntimeException rethrown(Throwable e) {
        return e instanceof RuntimeException plain ? plain : new IllegalStateException(e);
    }

    /** Its functions, or why there are none. */
    private static final class Library {
        String reason;
        String name;
        MethodHandle create;
        MethodHandle destroy;
        MethodHandle createProduct;
        MethodHandle destroyProduct;
        MethodHandle setProduct;
        MethodHandle createLayout;
        MethodHandle destroyLayout;
        MethodHandle createPreference;
        MethodHandle destroyPreference;
        MethodHandle setPreference;
        MethodHandle heuristic;
        MethodHandle multiply;

        /** The newest that loads. */
        static Library load() {
            List<String> failures = new ArrayList<>();
            for (HostLibraries.Found found : HostLibraries.find("libcublasLt")) {
                try {
                    return new Library(SymbolLookup.libraryLookup(found.file(), Arena.global()));
                } catch (Throwable e) {
                    failures.add(found.file() + " does not load");
                }
            }
            Library none = new Library();
            none.reason =
                    failures.isEmpty()
                            ? "cuBLASLt (libcublasLt.so) is not found; RINGWORLD_CUDA_LIBRARIES may name its folder"
                            : String.join(", ", failures);
            return none;
        }

        private Library() {}

        private Library(SymbolLookup library) throws Throwable {
            create = bind(library, "cublasLtCreate", ADDRESS);
            destroy = bind(library, "cublasLtDestroy", ADDRESS);
            createProduct = bind(library, "cublasLtMatmulDescCreate", ADDRESS, JAVA_INT, JAVA_INT);
            destroyProduct = bind(library, "cublasLtMatmulDescDestroy", ADDRESS);
            setProduct =
                    bind(
                            library,
                            "cublasLtMatmulDescSetAttribute",
                            ADDRESS,
                            JAVA_INT,
                            ADDRESS,
                            JAVA_LONG);
            createLayout =
                    bind(
                            library,
                            "cublasLtMatrixLayoutCreate",
                            ADDRESS,
                            JAVA_INT,
                            JAVA_LONG,
                            JAVA_LONG,
                            JAVA_LONG);
            destroyLayout = bind(library, "cublasLtMatrixLayoutDestroy", ADDRESS);
            createPreference = bind(library, "cublasLtMatmulPreferenceCreate", ADDRESS);
            destroyPreference = bind(library, "cublasLtMatmulPreferenceDestroy", ADDRESS);
            setPreference =
                    bind(
                            library,
                            "cublasLtMatmulPreferenceSetAttribute",
                            ADDRESS,
                            JAVA_INT,
                            ADDRESS,
                            JAVA_LONG);
            heuristic =
                    bind(
                            library,
                            "cublasLtMatmulAlgoGetHeuristic",
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            JAVA_INT,
                            ADDRESS,
                            ADDRESS);
            multiply =
                    bind(
                            library,
                            "cublasLtMatmul",
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            ADDRESS,
                            JAVA_LONG,
                            ADDRESS);
            long version =
                    (long)
                            Linker.nativeLinker()
                                    .downcallHandle(
                                            library.findOrThrow("cublasLtGetVersion"),
                                            FunctionDescriptor.of(JAVA_LONG))
                                    .invokeExact();
            long unit = version >= 100_000 ? 10_000 : 1000;
            name =
                    "cuBLASLt %d.%d.%d"
                            .formatted(version / unit, version % unit / 100, version % 100);
        }

        private static MethodHandle bind(
                SymbolLookup library, String name, MemoryLayout... arguments) {
            return Linker.nativeLinker()
                    .downcallHandle(
                            library.findOrThrow(name), FunctionDescriptor.of(JAVA_INT, arguments));
        }
    }
}
