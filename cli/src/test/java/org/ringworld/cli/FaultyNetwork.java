package org.ringworld.cli;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.DelayQueue;
import java.util.concurrent.Delayed;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiPredicate;
import java.util.stream.IntStream;

/**
 * Network namespaces, each like a host of its own with one TAP interface, and this process as the
 * switch between them: it loses, delays and holds back frames as a test says, which few kernels can
 * do by themselves. The machine itself is at one more port, where nothing goes wrong. Needs root.
 */
final class FaultyNetwork implements AutoCloseable {
    /**
     * What goes wrong between two namespaces.
     *
     * @param passes whether frames of one namespace reach another
     * @param loss share of frames that do not arrive
     * @param delayMillis that each frame takes longer
     * @param bytesPerSecond that leave a namespace
     */
    record Weather(
            BiPredicate<Integer, Integer> passes,
            double loss,
            long delayMillis,
            double bytesPerSecond) {
        static final Weather FAIR = new Weather((from, to) -> true, 0, 0, Double.MAX_VALUE);
    }

    private record Waiting(byte[] frame, long due, long number) implements Delayed {
        @Override
        public long getDelay(TimeUnit unit) {
            return unit.convert(due - System.nanoTime(), TimeUnit.NANOSECONDS);
        }

        @Override
        public int compareTo(Delayed other) {
            Waiting waiting = (Waiting) other;
            int order = Long.compare(due - waiting.due, 0);
            return order != 0 ? order : Long.compare(number, waiting.number);
        }
    }

    private static final int O_RDWR = 2;
    private static final long TUNSETIFF = 0x400454caL;
    private static final short TAP_WITHOUT_HEADER = 0x1002;
    private static final int FRAME_BYTES = 2048;

    /** What a slow port holds before it drops. */
    private static final long BUFFER_NANOS = 200_000_000;

    private static final MethodHandle OPEN =
            libc(
                    "open",
                    FunctionDescriptor.of(
                            ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT),
                    2);
    private static final MethodHandle IOCTL =
            libc(
                    "ioctl",
                    FunctionDescriptor.of(
                            ValueLayout.JAVA_INT,
                            ValueLayout.JAVA_INT,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.ADDRESS),
                    2);
    private static final MethodHandle READ =
            libc(
                    "read",
                    FunctionDescriptor.of(
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_INT,
                            ValueLayout.ADDRESS,
                            ValueLayout.JAVA_LONG),
                    3);
    private static final MethodHandle WRITE =
            libc(
                    "write",
                    FunctionDescriptor.of(
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_INT,
                            ValueLayout.ADDRESS,
                            ValueLayout.JAVA_LONG),
                    3);
    private static final MethodHandle CLOSE =
            libc("close", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT), 1);

    private final int spaces;
    private final String subnet;
    private final String name;
    private final int[] files;
    private final List<DelayQueue<Waiting>> queues = new ArrayList<>();
    private final List<Thread> writers = new ArrayList<>();
    private final AtomicLong frames = new AtomicLong();
    private volatile Weather weather = Weather.FAIR;

    FaultyNetwork(int spaces) throws Exception {
        int number = ThreadLocalRandom.current().nextInt(1, 250);
        this.spaces = spaces;
        this.subnet = "10.77." + number + ".";
        this.name = "rw" + number + "-";
        this.files = new int[spaces + 1];
        for (int port = 0; port <= spaces; port++) {
            queues.add(new DelayQueue<>());
        }
        try {
            for (int port = 0; port <= spaces; port++) {
                plug(port);
            }
        } catch (Exception e) {
            close();
            throw e;
        }
    }

    /** Whether this process may make namespaces and interfaces. */
    static boolean isPossible() {
        String probe = "rw-probe-" + ProcessHandle.current().pid();
        try {
            return run("ip", "netns", "add", probe) == 0
                    && run("ip", "netns", "del", probe) == 0
                    && run("ip", "tuntap", "add", "dev", "rwprobe", "mode", "tap") == 0
                    && run("ip", "link", "del", "rwprobe") == 0;
        } catch (IOException e) {
            return false; // there is no such command
        }
    }

    List<LocalCluster.Place> places() {
        return IntStream.range(0, spaces)
                .mapToObj(
                        i ->
                                new LocalCluster.Place(
                                        address(i), List.of("ip", "netns", "exec", name + i)))
                .toList();
    }

    void set(Weather now) {
        weather = now;
    }

    private String address(int port) {
        return subnet + (port + 1);
    }

    private void plug(int port) throws Exception {
        String device = name + port;
        files[port] = tap(device);
        String[] in = port < spaces ? new String[] {"ip", "-n", name + port} : new String[] {"ip"};
        if (port < spaces) {
            must("ip", "netns", "add", name + port);
            must("ip", "link", "set", device, "netns", name + port);
            must(with(in, "link", "set", "lo", "up"));
        }
        must(with(in, "link", "set", device, "address", "02:77:00:00:00:0" + port));
        must(with(in, "addr", "add", address(port) + "/24", "dev", device));
        must(with(in, "link", "set", device, "up"));
        writers.add(Thread.ofPlatform().daemon().name("to-" + device).start(() -> write(port)));
        Thread.ofPlatform().daemon().name("from-" + device).start(() -> read(port));
    }

    private static int tap(String device) throws Exception {
        try (Arena arena = Arena.ofConfined()) {
            int file = (int) call(OPEN, arena.allocateFrom("/dev/net/tun"), O_RDWR);
            MemorySegment request = arena.allocate(40, 8);
            byte[] bytes = device.getBytes(StandardCharsets.US_ASCII);
            MemorySegment.copy(bytes, 0, request, ValueLayout.JAVA_BYTE, 0, bytes.length);
            request.set(ValueLayout.JAVA_SHORT, 16, TAP_WITHOUT_HEADER);
            if (file < 0 || (int) call(IOCTL, file, TUNSETIFF, request) < 0) {
                throw new IOException(device + ": /dev/net/tun gives no interface");
            }
            return file;
        }
    }

    private void read(int port) {
        long free = System.nanoTime();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(FRAME_BYTES);
            long length;
            while ((length = (long) call(READ, files[port], buffer, (long) FRAME_BYTES)) > 0) {
                byte[] frame = buffer.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
                Weather now = weather;
                long time = System.nanoTime();
                long sent = Math.max(free, time) + (long) (length * 1e9 / now.bytesPerSecond);
                if (sent - time < BUFFER_NANOS) {
                    free = sent;
                    forward(port, frame, now, sent);
                }
            }
        }
    }

    /** To the port that its address names, or to all. */
    private void forward(int from, byte[] frame, Weather now, long sent) {
        boolean toAll = (frame[0] & 1) != 0;
        for (int to = 0; to <= spaces; to++) {
            boolean faulty = from < spaces && to < spaces;
            boolean lost =
                    faulty
                            && (!now.passes.test(from, to)
                                    || ThreadLocalRandom.current().nextDouble() < now.loss);
            if (to != from && (toAll || frame[5] == to) && !lost) {
                long delay = faulty ? TimeUnit.MILLISECONDS.toNanos(now.delayMillis) : 0;
                queues.get(to).add(new Waiting(frame, sent + delay, frames.incrementAndGet()));
            }
        }
    }

    private void write(int port) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(FRAME_BYTES);
            while (true) {
                byte[] frame = queues.get(port).take().frame;
                MemorySegment.copy(frame, 0, buffer, ValueLayout.JAVA_BYTE, 0, frame.length);
                call(WRITE, files[port], buffer, (long) frame.length);
            }
        } catch (InterruptedException e) {
            // The network is gone.
        }
    }

    private static MethodHandle libc(String function, FunctionDescriptor type, int fixed) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().findOrThrow(function),
                type,
                fixed < type.argumentLayouts().size()
                        ? new Linker.Option[] {Linker.Option.firstVariadicArg(fixed)}
                        : new Linker.Option[0]);
    }

    private static Object call(MethodHandle function, Object... arguments) {
        try {
            return function.invokeWithArguments(arguments);
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static String[] with(String[] begin, String... more) {
        List<String> all = new ArrayList<>(List.of(begin));
        all.addAll(List.of(more));
        return all.toArray(String[]::new);
    }

    private static void must(String... command) throws Exception {
        if (run(command) != 0) {
            throw new IOException(String.join(" ", command) + " failed");
        }
    }

    private static int run(String... command) throws IOException {
        try {
            return new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start()
                    .waitFor();
        } catch (InterruptedException e) {
            throw new InterruptedIOException();
        }
    }

    @Override
    public void close() throws IOException {
        writers.forEach(Thread::interrupt);
        for (int port = 0; port <= spaces; port++) {
            // Ends the reader too: its interface is gone.
            if (port < spaces) {
                run("ip", "-n", name + port, "link", "del", name + port);
                run("ip", "netns", "del", name + port);
            } else {
                run("ip", "link", "del", name + port);
            }
            if (files[port] > 0) {
                call(CLOSE, files[port]);
            }
        }
    }
}
