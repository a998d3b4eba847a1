package org.ringworld.actors;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Threads that leave the cores to those that compute: Linux's {@code setpriority}, which there is
 * of one thread and those that it starts. A {@link Thread}'s own priority does nothing there.
 */
final class ThreadPriority {
    private static final boolean LINUX = System.getProperty("os.name").equals("Linux");
    private static final int PRIO_PROCESS = 0;

    /** About a tenth of a core that others want whole. */
    private static final int BEHIND = 10;

    /** The lowest there is: about a sixtieth. */
    private static final int LAST = 19;

    private static final MethodHandle GETTID = LINUX ? bind("gettid", 0) : null;
    private static final MethodHandle GETPRIORITY = LINUX ? bind("getpriority", 2) : null;
    private static final MethodHandle SETPRIORITY = LINUX ? bind("setpriority", 3) : null;

    private ThreadPriority() {}

    /** Lowers the calling thread's for good; where the system cannot, nothing happens. */
    static void lower() {
        if (LINUX) {
            set(current(), BEHIND);
        }
    }

    /**
     * Lowers every thread of this process, the JVM's compilers too. Nothing happens where the
     * system would not let it raise them again: that takes CAP_SYS_NICE or a RLIMIT_NICE (systemd's
     * {@code LimitNICE=+0}).
     *
     * @return what raises them again
     */
    static Runnable lowerAll() {
        if (!LINUX || !mayRaise()) {
            return () -> {};
        }
        int before = of(current());
        threads().forEach(thread -> set(thread, LAST));
        return () -> raiseAll(before);
    }

    private static void raiseAll(int nice) {
        long raised = 1;
        // A thread that was not yet raised may just have started another, which is like it.
        while (raised > 0) {
            raised = threads().stream().filter(t -> of(t) == LAST && set(t, nice)).count();
        }
    }

    /** Tried on a thread that ends at once, for what fails cannot be undone. */
    private static boolean mayRaise() {
        return CompletableFuture.supplyAsync(
                        () -> {
                            int before = of(current());
                            set(current(), LAST);
                            return before < LAST && set(current(), before);
                        },
                        body -> Thread.ofPlatform().start(body))
                .join();
    }

    private static List<Integer> threads() {
        try (Stream<Path> files = Files.list(Path.of("/proc/self/task"))) {
            return files.map(file -> Integer.valueOf(file.getFileName().toString())).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int current() {
        try {
            return (int) GETTID.invokeExact();
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static int of(int thread) {
        try {
            return (int) GETPRIORITY.invokeExact(PRIO_PROCESS, thread);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /** Whether the system allowed it, and there is such a thread. */
    private static boolean set(int thread, int nice) {
        try {
            return (int) SETPRIORITY.invokeExact(PRIO_PROCESS, thread, nice) == 0;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /** An {@code int} of so many {@code int}s. */
    private static MethodHandle bind(String name, int arguments) {
        ValueLayout[] ints =
                IntStream.range(0, arguments)
                        .mapToObj(i -> ValueLayout.JAVA_INT)
                        .toArray(ValueLayout[]::new);
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().findOrThrow(name),
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ints));
    }
}
