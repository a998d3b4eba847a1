package org.ringworld.cli.bench;

import java.io.IOException;
import java.net.Inet4Address;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntConsumer;
import org.ringworld.cli.bench.RingBenchSide.Done;
import org.ringworld.cli.bench.RingBenchSide.Meeting;
import org.ringworld.cli.bench.RingBenchSide.Run;
import org.ringworld.cli.bench.RingBenchSide.What;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.ring.RingPlaces;

/**
 * The links of a ring between this process and a second one that it starts, beside plain sockets
 * between the same two.
 */
final class RingBench implements AutoCloseable {
    static final String LOOPBACK = "127.0.0.1";
    private static final long CHECKED_BYTES = 8L << 20;
    private static final int CHECKED_WINDOW = 4;

    // Tensors under way: a block's tiles and the next block's, or two large ones.
    private static final long UNDER_WAY = 128L << 20;
    private static final int MOST = 16;

    enum Transport {
        unix,
        tcp,
        tls
    }

    /**
     * The better of all rounds, each of links and sockets by itself.
     *
     * @param bytes of a tensor
     * @param ways 1 or 2; the rate of both is their sum
     * @param links GB/s
     * @param sockets GB/s of plain sockets in the same seconds
     * @param linksCpu seconds for each GB, of the sender and of the receiver; both do both in two
     *     ways
     * @param socketsCpu the same of plain sockets
     */
    record Rate(
            Transport transport,
            long bytes,
            int ways,
            double links,
            double sockets,
            double[] linksCpu,
            double[] socketsCpu,
            long directBytes) {
        double share() {
            return links / sockets;
        }
    }

    /** Microseconds there and back: of half of all and of 99 % of them. */
    record Latency(
            Transport transport,
            long bytes,
            double linksMedian,
            double links99,
            double socketsMedian,
            double sockets99) {}

    /**
     * What a neighbour that stands still costs.
     *
     * @param secondsHeldUp the longest time in which nothing could be sent
     * @param residentBefore this process, when the neighbour was stopped
     * @param residentMost while it stood still
     * @param poolBefore the most memory taken for what arrives, until then
     * @param poolMost and at the end
     * @param right whether everything arrived as it was sent, both ways
     */
    record Stopped(
            Transport transport,
            int seconds,
            double secondsHeldUp,
            long residentBefore,
            long residentMost,
            long poolBefore,
            long poolMost,
            long gigabytes,
            boolean right) {}

    private final Transport transport;
    private final RingPeer peer;
    private final RingBenchSide side;
    private int runs;

    /**
     * @param directory for sockets and certificates
     */
    RingBench(Transport transport, Path directory) throws IOException {
        this.transport = transport;
        boolean tls = transport == Transport.tls;
        this.side = new RingBenchSide(0, RingPeerCommand.listen(LOOPBACK, directory, tls));
        this.peer = new RingPeer(transport, directory, List.of());
        try {
            meet();
        } catch (IOException e) {
            close();
            throw e;
        }
    }

    /** An address of this machine other than loopback. */
    static Optional<String> address() throws IOException {
        return NetworkInterface.networkInterfaces()
                .flatMap(NetworkInterface::inetAddresses)
                .filter(a -> a instanceof Inet4Address && !a.isLoopbackAddress())
                .map(a -> a.getHostAddress())
                .findFirst();
    }

    /**
     * Where the second process is: two names of one machine make two hosts of it, which are linked
     * by TCP.
     */
    static String other(Transport transport) throws IOException {
        return transport == Transport.unix ? LOOPBACK : address().orElseThrow();
    }

    static List<String> hosts() throws IOException {
        return List.of(LOOPBACK, address().orElseThrow());
    }

    private void meet() throws IOException {
        LinkAddress other = peer.answer(LinkAddress.class);
        RingPlaces places =
                new RingPlaces(1, RingPlaces.newToken(), List.of(side.address(), other));
        boolean unix = transport == Transport.unix;
        try (ServerSocketChannel server = RingBenchSide.server(side.address(), unix)) {
            LinkAddress at =
                    unix
                            ? new LinkAddress("", "", 0, server.getLocalAddress().toString())
                            : tcp((InetSocketAddress) server.getLocalAddress());
            peer.ask(new Meeting(places, at));
            side.meet(new Meeting(places, at), server);
        }
    }

    private static LinkAddress tcp(InetSocketAddress at) {
        return new LinkAddress("", at.getHostString(), at.getPort(), "");
    }

    private record Both(double seconds, Done mine, Done theirs) {
        double[] cpu(double gigabytes) {
            return new double[] {mine.cpuSeconds() / gigabytes, theirs.cpuSeconds() / gigabytes};
        }
    }

    private Both run(Run run, IntConsumer sending) throws Exception {
        long start = System.nanoTime();
        peer.ask(run);
        Done mine = side.run(run, sending);
        Done theirs = peer.answer(Done.class);
        return new Both((System.nanoTime() - start) / 1e9, mine, theirs);
    }

    private Both run(What what, long bytes, int count, boolean back) throws Exception {
        int window = Math.clamp(UNDER_WAY / bytes, 2, MOST);
        return run(new Run(what, ++runs, bytes, count, window, true, back, false), i -> {});
    }

    /** Rates of tensors of {@code bytes}, links and sockets in turns. */
    Rate rate(long bytes, int ways, double gigabytes, int rounds) throws Exception {
        int count = (int) Math.max(1, gigabytes * 1e9 / bytes / ways);
        boolean back = ways == 2;
        Both links = null;
        Both sockets = null;
        for (int round = 0; round < rounds; round++) {
            links = better(links, run(What.LINKS, bytes, count, back));
            sockets = better(sockets, run(What.SOCKETS, bytes, count, back));
        }
        double moved = (double) bytes * count * ways / 1e9;
        return new Rate(
                transport,
                bytes,
                ways,
                moved / links.seconds,
                moved / sockets.seconds,
                links.cpu(moved),
                sockets.cpu(moved),
                Math.max(links.mine.directBytes(), links.theirs.directBytes()));
    }

    /** The shortest time, and by itself the least work: the first rounds are still compiled. */
    private static Both better(Both a, Both b) {
        return a == null
                ? b
                : new Both(
                        Math.min(a.seconds, b.seconds),
                        less(a.mine, b.mine),
                        less(a.theirs, b.theirs));
    }

    private static Done less(Done a, Done b) {
        return b.cpuSeconds() < a.cpuSeconds() ? b : a;
    }

    Latency latency(long bytes, int count) throws Exception {
        // The first time everything is compiled meanwhile.
        run(What.LINK_PINGS, bytes, count, true);
        run(What.SOCKET_PINGS, bytes, count, true);
        long[] links = run(What.LINK_PINGS, bytes, count, true).mine.nanos();
        long[] sockets = run(What.SOCKET_PINGS, bytes, count, true).mine.nanos();
        return new Latency(
                transport,
                bytes,
                micros(links, 0.5),
                micros(links, 0.99),
                micros(sockets, 0.5),
                micros(sockets, 0.99));
    }

    private static double micros(long[] nanos, double quantile) {
        long[] sorted = nanos.clone();
        Arrays.sort(sorted);
        return sorted[(int) (quantile * (sorted.length - 1))] / 1e3;
    }

    /** Stops the other process for a while in the middle of tensors that go both ways. */
    Stopped stopped(int seconds, double gigabytes) throws Exception {
        int count = (int) Math.max(4 * CHECKED_WINDOW, gigabytes * 1e9 / CHECKED_BYTES);
        Run run =
                new Run(What.LINKS, ++runs, CHECKED_BYTES, count, CHECKED_WINDOW, true, true, true);
        long[] before = new long[2];
        AtomicLong most = new AtomicLong();
        long[] last = {System.nanoTime()};
        long[] heldUp = {0};
        Both both;
        try (ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor()) {
            IntConsumer sending =
                    i -> {
                        heldUp[0] = Math.max(heldUp[0], System.nanoTime() - last[0]);
                        last[0] = System.nanoTime();
                        if (i == count / 2) {
                            before[0] = StepBench.residentBytes();
                            before[1] = side.pool();
                            signal("STOP");
                            Future<?> sampled =
                                    clock.scheduleAtFixedRate(
                                            () ->
                                                    most.accumulateAndGet(
                                                            StepBench.residentBytes(), Math::max),
                                            0,
                                            100,
                                            TimeUnit.MILLISECONDS);
                            clock.schedule(
                                    () -> {
                                        sampled.cancel(false);
                                        signal("CONT");
                                    },
                                    seconds,
                                    TimeUnit.SECONDS);
                        }
                    };
            both = run(run, sending);
        }
        return new Stopped(
                transport,
                seconds,
                heldUp[0] / 1e9,
                before[0],
                most.get(),
                before[1],
                side.pool(),
                2 * CHECKED_BYTES * count / 1_000_000_000,
                both.mine.sent() == both.theirs.arrived()
                        && both.theirs.sent() == both.mine.arrived());
    }

    private void signal(String name) {
        try {
            new ProcessBuilder("kill", "-" + name, Long.toString(peer.pid())).start().waitFor();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() throws IOException {
        peer.close();
        side.close();
    }
}
