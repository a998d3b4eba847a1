package org.ringworld.runtime.cpu.device;

import com.sun.management.OperatingSystemMXBean;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.management.ManagementFactory;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The memory of one CPU device: on Linux anonymous mappings, which the kernel zeroes a page at a
 * time when first touched and gives in huge pages where they are large; elsewhere {@link
 * Arena#ofShared()}.
 */
public final class HostMemory implements AutoCloseable {
    private static final long HUGE_PAGE = 2L << 20;
    private static final long PAGE = 4096;
    private static final int READ_WRITE = 3;
    private static final int PRIVATE_ANONYMOUS = 0x22;
    private static final int ADVISE_HUGE_PAGES = 14;
    private static final boolean LINUX = System.getProperty("os.name").equals("Linux");

    /**
     * @param arena null where the memory is another's
     */
    private record Mapping(Arena arena, long bytes) {
        void end() {
            if (arena != null) {
                arena.close();
            }
        }
    }

    private final Map<Long, Mapping> mappings = new ConcurrentHashMap<>();

    /** Bytes of memory that this host, or the container we run in, has. */
    public static long physical() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
                .getTotalMemorySize();
    }

    /** Zeroed memory, aligned to a page. */
    public MemorySegment allocate(long bytes) {
        Arena arena = Arena.ofShared();
        MemorySegment memory;
        try {
            memory = LINUX ? map(bytes, arena) : arena.allocate(Math.max(bytes, 1), 64);
        } catch (OutOfMemoryError e) {
            arena.close();
            throw new OutOfMemoryError("%d bytes for a tensor on the CPU".formatted(bytes));
        }
        mappings.put(memory.address(), new Mapping(arena, memory.byteSize()));
        return memory.asSlice(0, bytes);
    }

    /** Takes memory that another owns; free and close leave it to that one. */
    public void adopt(MemorySegment memory) {
        if (mappings.putIfAbsent(memory.address(), new Mapping(null, 0)) != null) {
            throw new IllegalArgumentException("%s is this device's already".formatted(memory));
        }
    }

    /**
     * @throws IllegalArgumentException for memory that is not, or no longer, of this device
     */
    public void free(MemorySegment memory) {
        Mapping mapping = mappings.remove(memory.address());
        if (mapping == null) {
            throw new IllegalArgumentException("%s is not of this device".formatted(memory));
        }
        mapping.end();
    }

    /** Bytes that are mapped. */
    public long allocated() {
        return mappings.values().stream().mapToLong(Mapping::bytes).sum();
    }

    @Override
    public void close() {
        mappings.values().forEach(Mapping::end);
        mappings.clear();
    }

    /** Maps one huge page more than needed, so that the part kept can begin on a huge page. */
    private static MemorySegment map(long bytes, Arena arena) {
        long size = Math.max(PAGE, Math.addExact(bytes, PAGE - 1) & -PAGE);
        long spare = size < HUGE_PAGE ? 0 : HUGE_PAGE;
        try {
            long address =
                    (long)
                            Native.MMAP.invokeExact(
                                    0L, size + spare, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0L);
            if (address == -1) {
                throw new OutOfMemoryError();
            }
            if (spare > 0) {
                long start = (address + HUGE_PAGE - 1) & -HUGE_PAGE;
                unmap(address, start - address);
                unmap(start + size, address + spare - start);
                address = start;
                // A kernel without huge pages refuses, and ordinary ones it is.
                int _ = (int) Native.MADVISE.invokeExact(address, size, ADVISE_HUGE_PAGES);
            }
            return MemorySegment.ofAddress(address)
                    .reinterpret(size, arena, m -> unmap(m.address(), size));
        } catch (Error | RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static void unmap(long address, long bytes) {
        if (bytes == 0) {
            return;
        }
        try {
            int _ = (int) Native.MUNMAP.invokeExact(address, bytes);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /** Loaded on Linux alone. */
    private static final class Native {
        static final MethodHandle MMAP =
                bind(
                        "mmap",
                        FunctionDescriptor.of(
                                ValueLayout.JAVA_LONG,
                                ValueLayout.JAVA_LONG,
                                ValueLayout.JAVA_LONG,
                                ValueLayout.JAVA_INT,
                                ValueLayout.JAVA_INT,
                                ValueLayout.JAVA_INT,
                                ValueLayout.JAVA_LONG));
        static final MethodHandle MUNMAP =
                bind(
                        "munmap",
                        FunctionDescriptor.of(
                                ValueLayout.JAVA_INT,
                                ValueLayout.JAVA_LONG,
                                ValueLayout.JAVA_LONG));
        static final MethodHandle MADVISE =
                bind(
                        "madvise",
                        FunctionDescriptor.of(
                                ValueLayout.JAVA_INT,
                                ValueLayout.JAVA_LONG,
                                ValueLayout.JAVA_LONG,
                                ValueLayout.JAVA_INT));

        private static MethodHandle bind(String name, FunctionDescriptor type) {
            Linker linker = Linker.nativeLinker();
            return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type);
        }
    }
}
