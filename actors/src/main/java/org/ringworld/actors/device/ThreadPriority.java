package org.ringworld.actors.device;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Threads that leave the cores to those that compute: Linux's {@code setpriority} and {@code
 * sched_setscheduler}, which there are of one thread and those that it starts. A {@link Thread}'s
 * own priority does nothing there.
 */
public final class ThreadPriority {
    private static final boolean LINUX = System.getProperty("os.name").equals("Linux");
    private static final int PRIO_PROCESS = 0;

    /** About a tenth of a core that others want whole. */
    private static final int BEHIND = 10;

    private static final int SCHED_OTHER = 0;

    /**
     * Gives a core up as soon as another thread wants it. One of nice 19 may end its slice of some
     * milliseconds first, in which a rank waits that has just got its block.
     */
    private static final int SCHED_IDLE = 5;

    private static final MethodHandle GETTID = LINUX ? bind("gettid") : null;
    private static final MethodHandle SETPRIORITY =
            LINUX
                    ? bind(
                            "setpriority",
                            ValueLayout.JAVA_INT,
                            ValueLayout.JAVA_INT,
                            ValueLayout.JAVA_INT)
                    : null;
    private static final MethodHandle GETSCHEDULER =
            LINUX ? bind("sched_getscheduler", ValueLayout.JAVA_INT) : null;
    private static final MethodHandle SETSCHEDULER =
            LINUX
                    ? bind(
                            "sched_setscheduler",
                            ValueLayout.JAVA_INT,
                            ValueLayout.JAVA_INT,
                            ValueLayout.ADDRESS)
                    : null;

    /** The only priority there is in both: 0. */
    private static final MemorySegment SCHED_PARAM = Arena.global().allocate(Integer.BYTES);

    private ThreadPriority() {}

    /** Lowers the calling thread's for good; where the system cannot, nothing happens. */
    static void lower() {
        if (LINUX) {
            setNice(current(), BEHIND);
        }
    }

    /**
     * Has every thread of this process, the JVM's compilers too, run when no other wants the core.
     * Nothing happens where the system would not let it raise them again: that takes CAP_SYS_NICE
     * or a RLIMIT_NICE (systemd's {@code LimitNICE=+0}).
     *
     * @param atMost seconds, after which they are raised anyway: others may never leave a core
     * @return what raises them again
     */
    public static Runnable lowerAll(int atMost) {
        if (!LINUX || !mayRaise()) {
            return () -> {};
        }
        threads().forEach(thread -> schedule(thread, SCHED_OTHER, SCHED_IDLE));
        CompletableFuture.delayedExecutor(atMost, TimeUnit.SECONDS)
                .execute(ThreadPriority::raiseAll);
        return ThreadPriority::raiseAll;
    }

    private static void raiseAll() {
        long raised = 1;
        // A thread that was not yet raised may just have started another, which is like it.
        while (raised > 0) {
            raised = threads().stream().filter(t -> schedule(t, SCHED_IDLE, SCHED_OTHER)).count();
        }
    }

    /** Tried on a thread that ends at once, for what fails cannot be undone. */
    private static boolean mayRaise() {
        return CompletableFuture.supplyAsync(
                        () ->
                                schedule(current(), SCHED_OTHER, SCHED_IDLE)
                                        && schedule(current(), SCHED_IDLE, SCHED_OTHER),
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

    private static void setNice(int thread, int nice) {
        try {
            int ignored = (int) SETPRIORITY.invokeExact(PRIO_PROCESS, thread, nice);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /** Whether there is such a thread, it had the one policy, and was allowed the other. */
    private static boolean schedule(int thread, int from, int to) {
        try {
            return (int) GETSCHEDULER.invokeExact(thread) == from
                    && (int) SETSCHEDULER.invokeExact(thread, to, SCHED_PARAM) == 0;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /** An {@code int} of such arguments. */
    private static MethodHandle bind(String name, MemoryLayout... arguments) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().findOrThrow(name),
                FunctionDescriptor.of(ValueLayout.JAVA_INT, arguments));
    }
}
