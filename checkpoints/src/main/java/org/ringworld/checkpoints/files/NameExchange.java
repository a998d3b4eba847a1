package org.ringworld.checkpoints.files;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/** Two names change places in one step: Linux's {@code renameat2} with RENAME_EXCHANGE. */
public final class NameExchange {
    private static final int CURRENT_DIRECTORY = -100;
    private static final int EXCHANGE = 2;
    private static final MethodHandle RENAMEAT2 = find();

    private NameExchange() {}

    private static MethodHandle find() {
        Linker linker = Linker.nativeLinker();
        FunctionDescriptor type =
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT,
                        ValueLayout.JAVA_INT,
                        ValueLayout.ADDRESS,
                        ValueLayout.JAVA_INT,
                        ValueLayout.ADDRESS,
                        ValueLayout.JAVA_INT);
        return linker.defaultLookup()
                .find("renameat2")
                .map(address -> linker.downcallHandle(address, type))
                .orElse(null);
    }

    /** Whether it was done; where the system or the file system cannot, nothing has changed. */
    public static boolean exchange(Path a, Path b) {
        if (RENAMEAT2 == null) {
            return false;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment first = arena.allocateFrom(a.toAbsolutePath().toString());
            MemorySegment second = arena.allocateFrom(b.toAbsolutePath().toString());
            return (int)
                            RENAMEAT2.invokeExact(
                                    CURRENT_DIRECTORY, first, CURRENT_DIRECTORY, second, EXCHANGE)
                    == 0;
        } catch (Throwable e) {
            throw new IllegalStateException("renameat2 cannot be called", e);
        }
    }
}
