package org.ringworld.actors.links;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/**
 * The memory of another process of this host and user, read without its doing: one copy, where a
 * socket makes two ({@code process_vm_readv} of Linux, which containers and Yama may forbid). One
 * thread reads.
 */
final class ProcessMemory {
    private static final boolean LINUX = System.getProperty("os.name").equals("Linux");
    private static final MethodHandle READ = LINUX ? bind() : null;
    private static final VarHandle ERRNO =
            Linker.Option.captureStateLayout()
                    .varHandle(MemoryLayout.PathElement.groupElement("errno"));

    private final long process;
    private final MemorySegment errno = Arena.ofAuto().allocate(Linker.Option.captureStateLayout());

    /** Two {@code struct iovec}: where to, where from. */
    private final MemorySegment ways = Arena.ofAuto().allocate(ValueLayout.JAVA_LONG, 4);

    /**
     * @param process its number
     */
    ProcessMemory(long process) {
        this.process = process;
    }

    private static MethodHandle bind() {
        Linker linker = Linker.nativeLinker();
        FunctionDescriptor type =
                FunctionDescriptor.of(
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_INT,
                        ValueLayout.ADDRESS,
                        ValueLayout.JAVA_LONG,
                        ValueLayout.ADDRESS,
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_LONG);
        return linker.defaultLookup()
                .find("process_vm_readv")
                .map(f -> linker.downcallHandle(f, type, Linker.Option.captureCallState("errno")))
                .orElse(null);
    }

    /** Whether this process may read that one's: whether these bytes are at that address there. */
    static boolean holds(long process, long address, byte[] bytes) {
        if (READ == null || process <= 0) {
            return false;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment read = arena.allocate(bytes.length);
            new ProcessMemory(process).read(address, read);
            return read.mismatch(MemorySegment.ofArray(bytes)) == -1;
        } catch (IOException e) {
            return false;
        }
    }

    /**
     * Fills {@code to} with what is at {@code address} there.
     *
     * @throws IOException where the process is gone, or has no such memory
     */
    void read(long address, MemorySegment to) throws IOException {
        for (long done = 0; done < to.byteSize(); ) {
            ways.setAtIndex(ValueLayout.JAVA_LONG, 0, to.address() + done);
            ways.setAtIndex(ValueLayout.JAVA_LONG, 1, to.byteSize() - done);
            ways.setAtIndex(ValueLayout.JAVA_LONG, 2, address + done);
            ways.setAtIndex(ValueLayout.JAVA_LONG, 3, to.byteSize() - done);
            long read = readOnce();
            if (read <= 0) {
                throw new LinkException(
                        "the memory of process %d cannot be read (errno %d)"
                                .formatted(process, (int) ERRNO.get(errno, 0L)));
            }
            done += read;
        }
    }

    private long readOnce() {
        MemorySegment from = ways.asSlice(2 * Long.BYTES);
        try {
            return (long) READ.invokeExact(errno, (int) process, ways, 1L, from, 1L, 0L);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }
}
