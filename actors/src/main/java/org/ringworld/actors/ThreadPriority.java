package org.ringworld.actors;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Threads that leave the cores to those that compute: Linux's {@code setpriority} of one thread. A
 * {@link Thread}'s own priority does nothing there.
 */
final class ThreadPriority {
    private static final boolean LINUX = System.getProperty("os.name").equals("Linux");
    private static final int PRIO_PROCESS = 0;

    /** Of 19: about a tenth of a core that others want whole. */
    private static final int NICE = 10;

    private ThreadPriority() {}

    /** Lowers the calling thread's; where the system cannot, nothing happens. */
    static void lower() {
        if (!LINUX) {
            return;
        }
        try {
            MethodHandle gettid = bind("gettid", FunctionDescriptor.of(ValueLayout.JAVA_INT));
            MethodHandle setpriority =
                    bind(
                            "setpriority",
                            FunctionDescriptor.of(
                                    ValueLayout.JAVA_INT,
                                    ValueLayout.JAVA_INT,
                                    ValueLayout.JAVA_INT,
                                    ValueLayout.JAVA_INT));
            int thread = (int) gettid.invokeExact();
            int _ = (int) setpriority.invokeExact(PRIO_PROCESS, thread, NICE);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static MethodHandle bind(String name, FunctionDescriptor type) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type);
    }
}
