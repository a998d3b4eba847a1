package org.ringworld.runtime.cpu.matmul;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/**
 * A oneDNN primitive for BF16 products of one shape that are rounded to BF16 as they are written.
 * What it takes of native memory goes when nothing refers to it any more. For one thread at a time.
 */
final class MatmulPrimitive {
    /**
     * c[m,n] = op(a) · op(b), row-major, added to what c holds where {@code accumulate}; 't'
     * transposes. Leading dimensions in elements. Sums are F32 and rounded once.
     */
    record Shape(
            char opA,
            char opB,
            long m,
            long n,
            long k,
            long lda,
            long ldb,
            long ldc,
            boolean accumulate) {}

    // Of dnnl_types.h.
    private static final int CPU = 1;
    private static final int BF16 = 2;
    private static final int LIKE_THE_RESULT = 0;
    private static final int SCRATCH_BY_CALLER = 1;
    private static final int SCRATCH_DESCRIPTOR = 136;
    private static final int MOST_AXES = 12;
    private static final int[] ARGUMENTS = {1, 33, 17, 80};

    private static final OneDnn LIBRARY = OneDnn.loaded();
    private static final MethodHandle SIZE =
            LIBRARY.function(
                    "dnnl_memory_desc_get_size", FunctionDescriptor.of(JAVA_LONG, ADDRESS));
    private static final MethodHandle PLACE =
            LIBRARY.function(
                    "dnnl_memory_set_data_handle",
                    FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG));
    private static final MethodHandle EXECUTE =
            LIBRARY.function(
                    "dnnl_primitive_execute",
                    FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_INT, ADDRESS));
    private static final MethodHandle WAIT =
            LIBRARY.function("dnnl_stream_wait", FunctionDescriptor.of(JAVA_INT, ADDRESS));
    private static final Map<String, MethodHandle> FUNCTIONS = new ConcurrentHashMap<>();
    private static final MemorySegment ENGINE =
            make(Arena.global(), "dnnl_engine", "_create", CPU, 0L);

    private final long scratchBytes;
    private final MemorySegment primitive;
    private final MemorySegment stream;
    private final MemorySegment a;
    private final MemorySegment b;
    private final MemorySegment c;
    private final MemorySegment scratch;
    private final MemorySegment arguments;

    /** Made for the calling thread's number of OpenMP threads, which is one from here on. */
    MatmulPrimitive(Shape shape) {
        LIBRARY.useOneThread();
        Arena own = Arena.ofAuto();
        try (Arena now = Arena.ofConfined()) {
            var left = matrix(now, shape.m, shape.k, shape.opA == 't', shape.lda);
            var right = matrix(now, shape.k, shape.n, shape.opB == 't', shape.ldb);
            var result = matrix(now, shape.m, shape.n, false, shape.ldc);
            var plan =
                    make(
                            now,
                            "dnnl_primitive_desc",
                            "dnnl_matmul_primitive_desc_create",
                            ENGINE,
                            left,
                            right,
                            MemorySegment.NULL,
                            result,
                            attributes(now, shape.accumulate));
            var room = out(now);
            call("dnnl_primitive_desc_query", plan, SCRATCH_DESCRIPTOR, 0, room);
            var roomDescriptor = room.get(ADDRESS, 0);
            scratchBytes = size(roomDescriptor);
            primitive = make(own, "dnnl_primitive", "_create", plan);
            stream = make(own, "dnnl_stream", "_create", ENGINE, 0);
            a = memory(own, left);
            b = memory(own, right);
            c = memory(own, result);
            scratch = memory(own, roomDescriptor);
        }
        arguments = own.allocate(16L * ARGUMENTS.length, 8);
        MemorySegment[] memories = {a, b, c, scratch};
        for (int i = 0; i < ARGUMENTS.length; i++) {
            arguments.set(JAVA_INT, 16L * i, ARGUMENTS[i]);
            arguments.set(ADDRESS, 16L * i + 8, memories[i]);
        }
    }

    long scratchBytes() {
        return scratchBytes;
    }

    /** Operands and {@link #scratchBytes} of working memory by address. */
    void run(long aAt, long bAt, long cAt, long scratchAt) {
        LIBRARY.useOneThread();
        try {
            int status =
                    (int) PLACE.invokeExact(a, aAt)
                            | (int) PLACE.invokeExact(b, bAt)
                            | (int) PLACE.invokeExact(c, cAt)
                            | (int) PLACE.invokeExact(scratch, scratchAt)
                            | (int)
                                    EXECUTE.invokeExact(
                                            primitive, stream, ARGUMENTS.length, arguments)
                            | (int) WAIT.invokeExact(stream);
            check(status, "dnnl_primitive_execute");
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static MemorySegment matrix(
            Arena arena, long rows, long columns, boolean transposed, long stride) {
        return make(
                arena,
                "dnnl_memory_desc",
                "dnnl_memory_desc_create_with_strides",
                2,
                axes(arena, rows, columns),
                BF16,
                axes(arena, transposed ? 1 : stride, transposed ? stride : 1));
    }

    private static MemorySegment axes(Arena arena, long first, long second) {
        MemorySegment axes = arena.allocate(JAVA_LONG, MOST_AXES);
        axes.setAtIndex(JAVA_LONG, 0, first);
        axes.setAtIndex(JAVA_LONG, 1, second);
        return axes;
    }

    private static MemorySegment attributes(Arena arena, boolean accumulate) {
        var attributes = make(arena, "dnnl_primitive_attr", "_create");
        call("dnnl_primitive_attr_set_scratchpad_mode", attributes, SCRATCH_BY_CALLER);
        if (accumulate) {
            var after = make(arena, "dnnl_post_ops", "_create");
            call("dnnl_post_ops_append_sum", after, 1f, 0, LIKE_THE_RESULT);
            call("dnnl_primitive_attr_set_post_ops", attributes, after);
        }
        return attributes;
    }

    private static MemorySegment memory(Arena arena, MemorySegment descriptor) {
        return make(arena, "dnnl_memory", "_create", descriptor, ENGINE, MemorySegment.NULL);
    }

    private static long size(MemorySegment descriptor) {
        try {
            return (long) SIZE.invokeExact(descriptor);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static MemorySegment out(Arena arena) {
        return arena.allocate(ADDRESS);
    }

    /** A new object of {@code type}, destroyed with the arena. */
    private static MemorySegment make(
            Arena arena, String type, String function, Object... arguments) {
        try (Arena now = Arena.ofConfined()) {
            MemorySegment handle = out(now);
            call(
                    function.startsWith("_") ? type + function : function,
                    Stream.concat(Stream.of(handle), Stream.of(arguments)).toArray());
            return handle.get(ADDRESS, 0)
                    .reinterpret(arena, object -> call(type + "_destroy", object));
        }
    }

    private static void call(String function, Object... arguments) {
        MethodHandle handle =
                FUNCTIONS.computeIfAbsent(
                        function,
                        f ->
                                LIBRARY.function(
                                        f,
                                        FunctionDescriptor.of(
                                                JAVA_INT,
                                                Stream.of(arguments)
                                                        .map(MatmulPrimitive::layout)
                                                        .toArray(MemoryLayout[]::new))));
        try {
            check((int) handle.invokeWithArguments(arguments), function);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static ValueLayout layout(Object argument) {
        return switch (argument) {
            case MemorySegment _ -> ADDRESS;
            case Integer _ -> JAVA_INT;
            case Long _ -> JAVA_LONG;
            case Float _ -> JAVA_FLOAT;
            default -> throw new IllegalArgumentException(argument.toString());
        };
    }

    private static void check(int status, String function) {
        if (status != 0) {
            throw new IllegalStateException("oneDNN: status %d of %s".formatted(status, function));
        }
    }
}
