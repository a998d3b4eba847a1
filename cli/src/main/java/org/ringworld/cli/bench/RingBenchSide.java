package org.ringworld.cli.bench;

import com.sun.management.OperatingSystemMXBean;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.function.IntConsumer;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.ringworld.actors.links.Links;
import org.ringworld.actors.links.RankLinks;
import org.ringworld.actors.links.ReceiveBuffers;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Lease;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.ring.Ring;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;
import org.ringworld.runtime.Tensor;

/**
 * One of the two processes of {@link RingBench}: a rank of a ring of two, and plain blocking
 * sockets between the same two, one for each direction, to compare with. Both do the same {@link
 * Run} at the same time.
 */
final class RingBenchSide implements AutoCloseable {
    private static final int CHUNK = 2 << 20;

    enum What {
        LINKS,
        SOCKETS,
        LINK_PINGS,
        SOCKET_PINGS
    }

    /** Where both meet: the ring's places and the plain sockets' server, which is rank 0's. */
    record Meeting(RingPlaces places, LinkAddress sockets) {}

    /**
     * What to do.
     *
     * @param number of the run, which its frames are named by
     * @param bytes of a tensor
     * @param count of tensors each way
     * @param window tensors under way at once, each in memory of its own; even
     * @param forth whether rank 0 sends
     * @param back whether rank 1 sends
     * @param checked whether each tensor is filled anew and summed
     */
    record Run(
            What what,
            int number,
            long bytes,
            int count,
            int window,
            boolean forth,
            boolean back,
            boolean checked) {}

    /**
     * What it came to on one side.
     *
     * @param cpuSeconds of the whole process
     * @param directBytes that the JDK holds in buffers of its own afterwards: what is not sent from
     *     where it lies is copied there first
     * @param nanos of each round trip
     * @param sent sum over what was sent, if checked
     * @param arrived sum over what arrived, if checked
     */
    record Done(double cpuSeconds, long directBytes, long[] nanos, long sent, long arrived) {}

    private final int rank;
    private final Links links;
    private final Device device = Devices.open(new DeviceSpec.Cpu(1));
    private final ReceiveBuffers buffers = new ReceiveBuffers(device);
    private RankLinks end;
    private Ring ring;
    private SocketChannel in;
    private SocketChannel out;

    // Taken in the first round of a size and touched then; later ones measure the way alone.
    private MemorySegment from = MemorySegment.NULL;
    private MemorySegment to = MemorySegment.NULL;

    RingBenchSide(int rank, Links links) {
        this.rank = rank;
        this.links = links;
    }

    LinkAddress address() {
        return links.address();
    }

    /** A server for the plain sockets: beside the links' own socket, or at their host. */
    static ServerSocketChannel server(LinkAddress links, boolean unix) throws IOException {
        if (unix) {
            Path socket = Path.of(links.socket()).resolveSibling("plain");
            return ServerSocketChannel.open(StandardProtocolFamily.UNIX)
                    .bind(UnixDomainSocketAddress.of(socket));
        }
        return ServerSocketChannel.open().bind(new InetSocketAddress(links.host(), 0));
    }

    /** Rank 0 takes rank 1's connections at {@code server}; rank 1 has none and connects. */
    void meet(Meeting meeting, ServerSocketChannel server) throws IOException {
        SocketChannel forth = server == null ? connect(meeting.sockets()) : server.accept();
        SocketChannel back = server == null ? connect(meeting.sockets()) : server.accept();
        for (SocketChannel socket : List.of(forth, back)) {
            if (socket.supportedOptions().contains(StandardSocketOptions.TCP_NODELAY)) {
                socket.setOption(StandardSocketOptions.TCP_NODELAY, true);
            }
        }
        out = rank == 0 ? forth : back;
        in = rank == 0 ? back : forth;
        end = new RankLinks(links, meeting.places(), rank, device);
        ring = end.open(buffers);
    }

    private static SocketChannel connect(LinkAddress to) throws IOException {
        return to.socket().isEmpty()
                ? SocketChannel.open(new InetSocketAddress(to.host(), to.port()))
                : SocketChannel.open(UnixDomainSocketAddress.of(to.socket()));
    }

    /**
     * @param sending told the number of each tensor just before it is sent
     */
    Done run(Run run, IntConsumer sending) throws Exception {
        prepare(run.bytes * run.window);
        long cpu = cpuNanos();
        long[] sums = new long[2];
        long[] nanos = new long[0];
        switch (run.what) {
            case LINKS -> sums = exchange(run, sending);
            case SOCKETS -> sockets(run);
            case LINK_PINGS -> nanos = linkPings(run);
            case SOCKET_PINGS -> nanos = socketPings(run);
        }
        return new Done((cpuNanos() - cpu) / 1e9, directBytes(), nanos, sums[0], sums[1]);
    }

    private boolean sends(Run run) {
        return rank == 0 ? run.forth : run.back;
    }

    private boolean receives(Run run) {
        return rank == 0 ? run.back : run.forth;
    }

    private static Frame frame(Run run, int i) {
        return new Frame(run.number, 0, 0, Frame.Pass.FORWARD, i, 0, 0);
    }

    // ---- over the ring

    /**
     * Half a window at a time, as a rank waits for a block and not for each of its tiles: the other
     * half is under way meanwhile.
     */
    private long[] exchange(Run run, IntConsumer sending) {
        int half = run.window / 2;
        Lease[] leases = Stream.generate(Lease::new).limit(run.window).toArray(Lease[]::new);
        List<Ring.Transfer> before = List.of();
        long[] sums = new long[2];
        for (int from = 0; from < run.count; from += half) {
            int to = Math.min(run.count, from + half);
            List<Ring.Transfer> coming = new ArrayList<>();
            for (int i = from; receives(run) && i < to; i++) {
                coming.add(ring.receive(frame(run, i), DType.F32, run.bytes / Float.BYTES));
            }
            for (int i = to - 1; i >= from; i--) {
                leases[i % run.window].awaitFree(ring, device);
            }
            for (int i = from; sends(run) && i < to; i++) {
                int slot = i % run.window;
                Tensor mine = tensor(run, slot);
                if (run.checked) {
                    fill(device.hostView(mine), i);
                    sums[0] = 31 * sums[0] + sum(device.hostView(mine));
                }
                sending.accept(i);
                ring.send(frame(run, i), mine, device.record(), leases[slot]);
            }
            sums[1] = take(run, before, sums[1]);
            before = coming;
        }
        sums[1] = take(run, before, sums[1]);
        for (Lease lease : leases) {
            lease.awaitFree(ring, device);
        }
        return sums;
    }

    private long take(Run run, List<Ring.Transfer> transfers, long sum) {
        if (!transfers.isEmpty()) {
            transfers.getLast().await(device); // the others came before it
        }
        long sums = sum;
        for (Ring.Transfer transfer : transfers) {
            Tensor arrived = transfer.await(device);
            if (run.checked) {
                sums = 31 * sums + sum(device.hostView(arrived));
            }
            transfer.lease().release(device.record());
        }
        return sums;
    }

    private void prepare(long bytes) {
        if (from.byteSize() != bytes) {
            free();
            from = device.allocate(bytes);
            to = device.allocate(bytes);
            from.fill((byte) 1);
            to.fill((byte) 1);
        }
    }

    private void free() {
        if (from.byteSize() > 0) {
            device.free(from);
            device.free(to);
        }
    }

    private Tensor tensor(Run run, int slot) {
        MemorySegment memory = from.asSlice(slot * run.bytes, run.bytes);
        return new Tensor(device, DType.F32, memory, run.bytes / Float.BYTES);
    }

    private static void fill(MemorySegment memory, long seed) {
        for (long i = 0; i < memory.byteSize() / Integer.BYTES; i++) {
            memory.setAtIndex(
                    ValueLayout.JAVA_INT, i, (int) ((seed + 1) * 0x9e37_79b9 + i * 0x85eb_ca6b));
        }
    }

    private static long sum(MemorySegment memory) {
        CRC32C sum = new CRC32C();
        sum.update(memory.asByteBuffer());
        return sum.getValue();
    }

    private long[] linkPings(Run run) {
        long[] nanos = new long[run.count];
        Tensor mine = tensor(run, 0);
        Lease lease = new Lease();
        Ring.Transfer next = ring.receive(frame(run, 0), DType.F32, run.bytes / Float.BYTES);
        for (int i = 0; i < run.count; i++) {
            long start = System.nanoTime();
            if (rank == 0) {
                ring.send(frame(run, i), mine, device.record(), lease);
            }
            Ring.Transfer now = next;
            if (i + 1 < run.count) {
                next = ring.receive(frame(run, i + 1), DType.F32, run.bytes / Float.BYTES);
            }
            Tensor arrived = now.await(device);
            nanos[i] = System.nanoTime() - start;
            if (rank == 1) {
                ring.send(frame(run, i), arrived, device.record(), now.lease());
            }
            now.lease().release(device.record());
            lease.awaitFree(ring, device);
        }
        return nanos;
    }

    // ---- over plain sockets

    private void sockets(Run run) throws Exception {
        FutureTask<Void> receiving = new FutureTask<>(() -> read(run));
        if (receives(run)) {
            Thread.ofPlatform().daemon().name("plain-in").start(receiving);
        }
        if (sends(run)) {
            for (long at = 0; at < run.bytes * run.count; ) {
                long within = at % run.bytes;
                ByteBuffer chunk = chunk(from, at, Math.min(CHUNK, run.bytes - within));
                at += chunk.remaining();
                writeFully(chunk);
            }
        }
        if (receives(run)) {
            receiving.get();
        }
    }

    private Void read(Run run) throws IOException {
        for (long at = 0; at < run.bytes * run.count; ) {
            long within = at % run.bytes;
            ByteBuffer chunk = chunk(to, at, Math.min(CHUNK, run.bytes - within));
            at += chunk.remaining();
            readFully(chunk);
        }
        return null;
    }

    private static ByteBuffer chunk(MemorySegment of, long at, long bytes) {
        return of.asSlice(at % of.byteSize(), bytes).asByteBuffer();
    }

    private long[] socketPings(Run run) throws IOException {
        long[] nanos = new long[run.count];
        for (int i = 0; i < run.count; i++) {
            long start = System.nanoTime();
            if (rank == 0) {
                writeFully(chunk(from, 0, run.bytes));
            }
            readFully(chunk(to, 0, run.bytes));
            nanos[i] = System.nanoTime() - start;
            if (rank == 1) {
                writeFully(chunk(from, 0, run.bytes));
            }
        }
        return nanos;
    }

    private void writeFully(ByteBuffer from) throws IOException {
        while (from.hasRemaining()) {
            out.write(from);
        }
    }

    private void readFully(ByteBuffer to) throws IOException {
        while (to.hasRemaining()) {
            if (in.read(to) < 0) {
                throw new EOFException("the other process ended");
            }
        }
    }

    // ---- what it takes

    /** The most that was set aside at once for what comes, bytes. */
    long pool() {
        return buffers.most();
    }

    private static long cpuNanos() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
                .getProcessCpuTime();
    }

    private static long directBytes() {
        return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .filter(pool -> pool.getName().equals("direct"))
                .mapToLong(BufferPoolMXBean::getMemoryUsed)
                .sum();
    }

    @Override
    public void close() throws IOException {
        if (end != null) {
            end.close();
            in.close();
            out.close();
        }
        links.close();
        device.close();
    }
}
