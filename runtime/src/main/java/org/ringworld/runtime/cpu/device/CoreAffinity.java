package org.ringworld.runtime.cpu.device;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Which core each compute thread of this process runs on (Linux; elsewhere the system decides).
 * Left alone, schedulers sometimes keep two busy threads on one core while another idles. While the
 * threads of all devices together fit the cores this process may use, no two share one; when they
 * do not, none is pinned. Processes of one host keep apart by a locked file per core, which the
 * system unlocks however a process ends; a thread that finds no core free stays unpinned.
 */
public final class CoreAffinity implements AutoCloseable {
    private static final boolean LINUX = System.getProperty("os.name").equals("Linux");
    private static final List<CoreAffinity> DEVICES = new ArrayList<>();
    private static int[] allowed;

    private final Seat[] seats;

    /**
     * One compute thread of a device: its id in the system while it runs, its core if it has one.
     */
    private static final class Seat {
        int thread;
        int core = -1;
        FileChannel claim;
    }

    private CoreAffinity(int threads) {
        seats = new Seat[threads];
        for (int i = 0; i < threads; i++) {
            seats[i] = new Seat();
        }
    }

    /** Cores this process may run on, one of each pair of hardware threads before the others. */
    public static synchronized int[] allowedCores() {
        if (allowed == null) {
            allowed = LINUX ? readAllowed() : IntStream.range(0, processors()).toArray();
        }
        return allowed.clone();
    }

    /** How many cores the calling thread may run on. */
    static int coresOfThisThread() {
        return LINUX ? Native.affinity(0).cardinality() : processors();
    }

    private static int processors() {
        return Runtime.getRuntime().availableProcessors();
    }

    /** Claims cores for the threads of a new device. */
    public static CoreAffinity claim(int threads) {
        CoreAffinity device = new CoreAffinity(threads);
        synchronized (CoreAffinity.class) {
            DEVICES.add(device);
            seatAll();
        }
        return device;
    }

    /** A seat that is never pinned, for a device that does no work worth a core. */
    public static CoreAffinity none() {
        return new CoreAffinity(1);
    }

    /** Makes the calling thread the device's {@code seat}-th while {@code body} runs. */
    public void run(int seat, Runnable body) {
        if (!LINUX) {
            body.run();
            return;
        }
        synchronized (CoreAffinity.class) {
            seats[seat].thread = Native.currentThread();
            place(seats[seat]);
        }
        try {
            body.run();
        } finally {
            synchronized (CoreAffinity.class) {
                seats[seat].thread = 0;
            }
        }
    }

    /**
     * Lets the calling thread run on every core: one that a device's thread has started would stay
     * on that one's.
     */
    public static void leave() {
        if (LINUX) {
            Native.setAffinity(Native.currentThread(), bits(allowedCores()));
        }
    }

    /** The core of each thread, -1 where it is not pinned. */
    int[] cores() {
        synchronized (CoreAffinity.class) {
            return Arrays.stream(seats).mapToInt(s -> s.core).toArray();
        }
    }

    @Override
    public void close() {
        synchronized (CoreAffinity.class) {
            for (Seat seat : seats) {
                release(seat);
            }
            DEVICES.remove(this);
            seatAll();
        }
    }

    /** Gives every thread a core, or takes all of them away when there are too many threads. */
    private static void seatAll() {
        if (!LINUX) {
            return;
        }
        int threads = DEVICES.stream().mapToInt(d -> d.seats.length).sum();
        boolean fits = threads <= allowedCores().length;
        for (CoreAffinity device : DEVICES) {
            for (Seat seat : device.seats) {
                if (!fits) {
                    release(seat);
                } else if (seat.core < 0) {
                    take(seat);
                }
                place(seat);
            }
        }
    }

    private static void take(Seat seat) {
        for (int core : allowedCores()) {
            boolean ours =
                    DEVICES.stream()
                            .flatMap(d -> Arrays.stream(d.seats))
                            .anyMatch(s -> s.core == core);
            if (!ours && lock(seat, core)) {
                seat.core = core;
                return;
            }
        }
    }

    private static boolean lock(Seat seat, int core) {
        Path file =
                Path.of(System.getProperty("java.io.tmpdir"), "ringworld-core-" + core + ".lock");
        try {
            FileChannel channel = open(file);
            if (channel.tryLock() != null) {
                seat.claim = channel;
                return true;
            }
            channel.close();
        } catch (IOException e) {
            // Another user's file, or no place for one: this core cannot be claimed.
        }
        return false;
    }

    private static FileChannel open(Path file) throws IOException {
        if (Files.exists(file)) {
            return FileChannel.open(file, StandardOpenOption.WRITE);
        }
        return FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE);
    }

    private static void release(Seat seat) {
        seat.core = -1;
        if (seat.claim != null) {
            try {
                seat.claim.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            seat.claim = null;
        }
    }

    /** Tells the system. A thread whose seat has no core may use them all. */
    private static void place(Seat seat) {
        if (seat.thread != 0) {
            int[] cores = seat.core >= 0 ? new int[] {seat.core} : allowedCores();
            Native.setAffinity(seat.thread, bits(cores));
        }
    }

    private static BitSet bits(int[] cores) {
        BitSet bits = new BitSet();
        Arrays.stream(cores).forEach(bits::set);
        return bits;
    }

    private static int[] readAllowed() {
        BitSet cores = Native.affinity((int) ProcessHandle.current().pid());
        if (cores.isEmpty()) {
            return IntStream.range(0, processors()).toArray();
        }
        int[] first = cores.stream().filter(c -> firstOfItsCore(c, cores)).toArray();
        int[] others = cores.stream().filter(c -> !firstOfItsCore(c, cores)).toArray();
        return IntStream.concat(IntStream.of(first), IntStream.of(others)).toArray();
    }

    /** Whether no hardware thread before this one shares its core. */
    private static boolean firstOfItsCore(int cpu, BitSet cores) {
        Path siblings =
                Path.of("/sys/devices/system/cpu/cpu" + cpu + "/topology/thread_siblings_list");
        try {
            String first = Files.readString(siblings).strip().split("[,-]")[0];
            return Integer.parseInt(first) == cpu || !cores.get(Integer.parseInt(first));
        } catch (IOException | NumberFormatException e) {
            return true;
        }
    }

    /** Loaded on Linux alone. */
    private static final class Native {
        private static final int MASK_BYTES = 1024;
        private static final MethodHandle GETTID =
                bind("gettid", FunctionDescriptor.of(ValueLayout.JAVA_INT));
        private static final MethodHandle GET = bind("sched_getaffinity", affinityType());
        private static final MethodHandle SET = bind("sched_setaffinity", affinityType());

        private static FunctionDescriptor affinityType() {
            return FunctionDescriptor.of(
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.ADDRESS);
        }

        private static MethodHandle bind(String name, FunctionDescriptor type) {
            Linker linker = Linker.nativeLinker();
            return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type);
        }

        static int currentThread() {
            try {
                return (int) GETTID.invokeExact();
            } catch (Throwable e) {
                throw new AssertionError(e);
            }
        }

        /** Empty where the system does not say. */
        static BitSet affinity(int thread) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment mask = arena.allocate(MASK_BYTES, 8);
                int rc = (int) GET.invokeExact(thread, (long) MASK_BYTES, mask);
                return rc < 0 ? new BitSet() : BitSet.valueOf(mask.toArray(ValueLayout.JAVA_LONG));
            } catch (Throwable e) {
                throw new AssertionError(e);
            }
        }

        /**
         * May be refused, by a container that has lost the core: then the thread stays where it is.
         */
        static void setAffinity(int thread, BitSet cores) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment mask = arena.allocate(MASK_BYTES, 8);
                MemorySegment.copy(
                        MemorySegment.ofArray(cores.toLongArray()),
                        0,
                        mask,
                        0,
                        cores.toLongArray().length * 8L);
                int _ = (int) SET.invokeExact(thread, (long) MASK_BYTES, mask);
            } catch (Throwable e) {
                throw new AssertionError(e);
            }
        }
    }
}
