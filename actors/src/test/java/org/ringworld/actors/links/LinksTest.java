package org.ringworld.actors.links;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.LongAdder;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Group;
import org.ringworld.model.ring.Lease;
import org.ringworld.model.ring.Ring;
import org.ringworld.model.ring.RingBrokenException;
import org.ringworld.model.ring.RingMember;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Staging;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.CpuDevice;

/** Processes are stood for by several {@link Links} of one JVM: they share nothing but sockets. */
@Timeout(120)
class LinksTest {
    private static final byte[] TOKEN = new byte[Hello.TOKEN];

    @TempDir private Path directory;
    private final List<Links> all = new ArrayList<>();

    @AfterEach
    void close() {
        all.forEach(Links::close);
    }

    /**
     * {@code unix}: one host; {@code tcp} and {@code tls}: as between hosts; {@code here}: one JVM.
     */
    private Links links(String transport, int rank) throws Exception {
        if (transport.equals("here") && !all.isEmpty()) {
            return all.getFirst();
        }
        String process = "process-" + rank;
        Links links =
                switch (transport) {
                    case "here" -> Links.inProcess();
                    case "unix" -> Links.listen(process, "127.0.0.1", 0, directory, null);
                    case "tls" -> Links.listen(process, "127.0.0.1", 0, null, tls());
                    default -> Links.listen(process, "127.0.0.1", 0, null, null);
                };
        all.add(links);
        return links;
    }

    /** One identity for all, made by the JDK's own tool and trusted by itself. */
    private SSLContext tls() throws Exception {
        Path file = directory.resolve("identity.p12");
        if (!Files.exists(file)) {
            String tool = Path.of(System.getProperty("java.home"), "bin", "keytool").toString();
            String options =
                    " -genkeypair -alias node -keyalg RSA -dname CN=node -validity 2 -storetype PKCS12 -storepass secret -keystore ";
            List<String> command = new ArrayList<>(List.of((tool + options).split(" ")));
            command.add(file.toString());
            assertThat(new ProcessBuilder(command).start().waitFor()).isZero();
        }
        KeyStore identity = KeyStore.getInstance(file.toFile(), "secret".toCharArray());
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        trusted.setCertificateEntry("node", identity.getCertificate("node"));
        KeyManagerFactory keys =
                KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(identity, "secret".toCharArray());
        TrustManagerFactory trust =
                TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLSv1.3");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    private static Frame frame(int step, int hop) {
        return new Frame(step, 0, 0, Frame.Pass.FORWARD, hop, 0, 0);
    }

    private static void fill(Tensor tensor, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        for (long i = 0; i < tensor.size(); i++) {
            tensor.memory().setAtIndex(ValueLayout.JAVA_FLOAT, i, random.nextInt());
        }
    }

    private interface Body {
        void run(Ring ring, Device device) throws Exception;
    }

    private void onRing(String transport, int size, Body body) throws Exception {
        onRing(transport, size, true, body);
    }

    private void onRing(String transport, int size, boolean together, Body body) throws Exception {
        List<Links> links = new ArrayList<>();
        for (int rank = 0; rank < size; rank++) {
            links.add(links(transport, rank));
        }
        RingPlaces places = new RingPlaces(3, TOKEN, links.stream().map(Links::address).toList());
        CyclicBarrier done = new CyclicBarrier(size);
        try (ExecutorService threads = Executors.newFixedThreadPool(size)) {
            List<Future<?>> futures = new ArrayList<>();
            for (int r = 0; r < size; r++) {
                int rank = r;
                futures.add(
                        threads.submit(
                                () -> {
                                    try (Device device = new CpuDevice(1);
                                            RankLinks end =
                                                    new RankLinks(
                                                            links.get(rank),
                                                            places,
                                                            rank,
                                                            device)) {
                                        Ring ring = end.open(new ReceiveBuffers(device));
                                        body.run(ring, device);
                                        if (together) {
                                            done.await(); // who leaves ends it for all
                                        }
                                    }
                                    return null;
                                }));
            }
            for (Future<?> future : futures) {
                future.get(60, TimeUnit.SECONDS);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"here", "unix", "tcp", "tls"})
    void whatIsSentArrivesAndGoesOnUnchanged(String transport) throws Exception {
        int size = 3;
        int[] sizes = {1, 17, 524_288, 524_289, 1_300_003, 3};
        onRing(
                transport,
                size,
                (ring, device) -> {
                    for (int step = 0; step < sizes.length; step++) {
                        Tensor mine = device.tensor(DType.F32, sizes[step]);
                        fill(mine, 100 * step + ring.rank());
                        Lease lease = new Lease();
                        ring.send(frame(step, 0), mine, device.record(), lease);
                        for (int hop = 0; hop < size; hop++) {
                            Ring.Transfer next =
                                    ring.receive(frame(step, hop), DType.F32, sizes[step]);
                            Tensor arrived = next.await(device);
                            int origin = Math.floorMod(ring.rank() - hop - 1, size);
                            Tensor expected = device.tensor(DType.F32, sizes[step]);
                            fill(expected, 100 * step + origin);
                            assertThat(arrived.memory().mismatch(expected.memory())).isEqualTo(-1);
                            if (hop + 1 < size) {
                                ring.send(
                                        frame(step, hop + 1),
                                        arrived,
                                        device.record(),
                                        next.lease());
                            }
                            next.lease().release(device.record());
                        }
                        lease.awaitFree(ring, device);
                    }
                });
    }

    private static Frame.Pass pass(Group group) {
        return switch (group) {
            case BLOCKS -> Frame.Pass.BACKWARD;
            case SUMS -> Frame.Pass.REDUCE;
            case COPIES -> Frame.Pass.STATE;
            case TOKENS -> Frame.Pass.DECODE;
        };
    }

    @ParameterizedTest
    @ValueSource(strings = {"here", "unix", "tcp", "tls"})
    void anyRankSendsToAnyOtherInEveryGroup(String transport) throws Exception {
        int size = 4;
        onRing(
                transport,
                size,
                (ring, device) -> {
                    List<Lease> leases = new ArrayList<>();
                    for (Group group : Group.values()) {
                        Frame name = frame(1, 0).of(pass(group), 0, 0, 0); // between all ranks
                        for (int to = 0; to < size; to++) {
                            Tensor mine = device.tensor(DType.F32, 70_001);
                            fill(mine, 100 * ring.rank() + 10 * to + group.ordinal());
                            leases.add(new Lease());
                            ring.send(to, name, mine, device.record(), leases.getLast());
                        }
                    }
                    // The last group is asked for first.
                    for (int g = Group.values().length - 1; g >= 0; g--) {
                        Frame name = frame(1, 0).of(pass(Group.values()[g]), 0, 0, 0);
                        for (int from = size - 1; from >= 0; from--) {
                            Ring.Transfer next = ring.receive(from, name, DType.F32, 70_001);
                            Tensor expected = device.tensor(DType.F32, 70_001);
                            fill(expected, 100 * from + 10 * ring.rank() + g);
                            MemorySegment arrived = next.await(device).memory();
                            assertThat(arrived.mismatch(expected.memory())).isEqualTo(-1);
                            next.lease().release(device.record());
                        }
                    }
                    leases.forEach(lease -> lease.awaitFree(ring, device));
                });
    }

    /** More of one group than any socket's window holds, and nobody who asks for it. */
    @ParameterizedTest
    @CsvSource({"here,BLOCKS", "unix,BLOCKS", "unix,SUMS", "tcp,BLOCKS", "tls,COPIES"})
    void whatNobodyExpectsOfOneGroupHoldsUpNoOther(String transport, Group stopped)
            throws Exception {
        onRing(
                transport,
                3,
                (ring, device) -> {
                    int to = (ring.rank() + 2) % 3; // against the sense of the ring
                    int from = (ring.rank() + 1) % 3;
                    Frame unexpected = frame(1, 0).of(pass(stopped), 0, 0, 0);
                    Tensor big = device.tensor(DType.F32, 8 << 20);
                    Lease lease = new Lease();
                    ring.send(to, unexpected, big, device.record(), lease);
                    for (Group group : Group.values()) {
                        if (group == stopped) {
                            continue;
                        }
                        Frame name = frame(1, 0).of(pass(group), 0, 0, 0);
                        Tensor mine = device.tensor(DType.F32, 16);
                        fill(mine, ring.rank());
                        Lease other = new Lease();
                        ring.send(to, name, mine, device.record(), other);
                        Ring.Transfer next = ring.receive(from, name, DType.F32, 16);
                        Tensor expected = device.tensor(DType.F32, 16);
                        fill(expected, from);
                        MemorySegment arrived = next.await(device).memory();
                        assertThat(arrived.mismatch(expected.memory())).isEqualTo(-1);
                        next.lease().release(device.record());
                        other.awaitFree(ring, device);
                    }
                    Ring.Transfer late = ring.receive(from, unexpected, DType.F32, 8 << 20);
                    late.await(device);
                    late.lease().release(device.record());
                    lease.awaitFree(ring, device);
                });
    }

    @Test
    void aSenderIsHeldUpUntilTheReceiverExpectsItsFrame() throws Exception {
        AtomicBoolean expected = new AtomicBoolean();
        CountDownLatch sent = new CountDownLatch(1);
        onRing(
                "unix",
                2,
                (ring, device) -> {
                    if (ring.rank() == 0) {
                        Tensor big = device.tensor(DType.F32, 8 << 20);
                        Lease lease = new Lease();
                        ring.send(frame(1, 0), big, device.record(), lease);
                        sent.countDown();
                        lease.awaitFree(ring, device);
                        assertThat(expected).isTrue();
                    } else {
                        sent.await();
                        Thread.sleep(200); // in which it would have gone
                        expected.set(true);
                        ring.receive(frame(1, 0), DType.F32, 8 << 20).await(device);
                    }
                });
    }

    @ParameterizedTest
    @ValueSource(strings = {"unix", "tcp", "tls", "here"})
    void waitsEndAtOnceWhenANeighbourLeaves(String transport) {
        assertThatThrownBy(
                        () ->
                                onRing(
                                        transport,
                                        2,
                                        false,
                                        (ring, device) -> {
                                            if (ring.rank() == 0) {
                                                ring.receive(frame(1, 0), DType.F32, 8)
                                                        .await(device);
                                            } else {
                                                Thread.sleep(100);
                                            }
                                        }))
                .hasRootCauseInstanceOf(RingBrokenException.class);
    }

    @Test
    void aFrameOfAnotherSizeThanExpectedBreaksTheLink() {
        assertThatThrownBy(
                        () ->
                                onRing(
                                        "unix",
                                        2,
                                        false,
                                        (ring, device) -> {
                                            Lease lease = new Lease();
                                            Tensor x = device.tensor(DType.F32, 9);
                                            if (ring.rank() == 0) {
                                                ring.send(frame(1, 0), x, device.record(), lease);
                                                Thread.sleep(1000);
                                            } else {
                                                ring.receive(frame(1, 0), DType.F32, 8)
                                                        .await(device);
                                            }
                                        }))
                .rootCause()
                .hasMessageContaining("36 bytes at 0")
                .hasMessageContaining("32 bytes");
    }

    @Test
    void aProcessReadsOnlyWhatIsThere() throws Exception {
        long here = ProcessHandle.current().pid();
        byte[] bytes = new byte[Hello.TOKEN];
        new SplittableRandom(7).nextBytes(bytes);
        try (Arena arena = Arena.ofConfined()) {
            long address = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes).address();
            assertThat(ProcessMemory.holds(here, address, bytes)).isTrue();
            assertThat(ProcessMemory.holds(here, address, TOKEN)).isFalse();
            assertThat(ProcessMemory.holds(here, 0, bytes)).isFalse();
            assertThat(ProcessMemory.holds(0, address, bytes)).isFalse();
            Process dead = new ProcessBuilder("true").start();
            dead.waitFor();
            assertThat(ProcessMemory.holds(dead.pid(), address, bytes)).isFalse();
        }
    }

    /** Rank 1's link to rank 0 of an epoch, by hand: what a sender writes, a receiver reads. */
    private CompletableFuture<Links.Neighbour> greeted(
            Links a, RingMember member, Device device, SocketChannel socket, long address)
            throws IOException {
        Seat seat = a.seat(new Links.Key(8, 0), member, device, TOKEN);
        socket.write(
                new Hello(8, 1, 0, Group.BLOCKS, TOKEN, ProcessHandle.current().pid(), address)
                        .bytes());
        new LinkChannel.Plain(socket).readFully(ByteBuffer.allocate(1));
        CompletableFuture<Links.Neighbour> link = seat.incoming(1, Group.BLOCKS);
        Links.await(link, new Links.Key(8, 1));
        return link;
    }

    /** What is answered to that hello: 1 or 2 for a link, −1 for none. */
    private static int answer(Links a, int from, int group) throws IOException {
        try (SocketChannel socket = SocketChannel.open(unix(a))) {
            ByteBuffer hello = new Hello(8, from, 0, Group.BLOCKS, TOKEN, 1, 0).bytes();
            hello.putInt(Hello.BYTES - Integer.BYTES, group);
            socket.write(hello);
            ByteBuffer answer = ByteBuffer.allocate(1);
            return socket.read(answer) < 0 ? -1 : answer.get(0);
        }
    }

    @Test
    void eachRankAndGroupHasOneLinkAndNoOtherIsTaken() throws Exception {
        Links a = links("unix", 0);
        Seat seat = a.seat(new Links.Key(8, 0), new RingMember(0, 3), null, TOKEN);
        for (int from = 1; from < 3; from++) {
            for (Group group : Group.values()) {
                assertThat(answer(a, from, group.ordinal())).isPositive();
                Links.await(seat.incoming(from, group), new Links.Key(8, from));
                assertThat(answer(a, from, group.ordinal())).isEqualTo(-1);
            }
        }
        assertThat(answer(a, 3, 0)).isEqualTo(-1);
        assertThat(answer(a, -1, 0)).isEqualTo(-1);
        assertThat(answer(a, 1, -1)).isEqualTo(-1);
        assertThat(answer(a, 1, Group.values().length)).isEqualTo(-1);
        assertThat(seat.incoming()).hasSize(2 * Group.values().length);
    }

    /** As where the system forbids to read another process's memory. */
    @Test
    void framesComeOverTheSocketOfAProcessThatCannotBeRead() throws Exception {
        Links a = links("unix", 0);
        RingMember member = new RingMember(0, 2);
        LongAdder progress = new LongAdder();
        try (Device device = new CpuDevice(1);
                SocketChannel socket = SocketChannel.open(unix(a))) {
            CompletableFuture<Links.Neighbour> from = greeted(a, member, device, socket, 64);
            assertThat(from.join().readsNames()).isFalse();
            Tensor x = device.tensor(DType.F32, 1_300_003);
            fill(x, 4);
            ReceiveBuffers buffers = new ReceiveBuffers(device);
            try (var receiver = new LinkReceiver(8, 1, from, member, device, buffers, progress);
                    var sender =
                            new SocketSender(
                                    8,
                                    0,
                                    new LinkChannel.Plain(socket),
                                    new RingMember(1, 2),
                                    progress,
                                    Staging.IN_PLACE)) {
                member.linkFrom(1, Group.BLOCKS, receiver);
                Lease lease = new Lease();
                lease.retain();
                Ring.Transfer coming = member.receive(frame(1, 0), DType.F32, x.size());
                sender.send(frame(1, 0), x, device.record(), lease);
                assertThat(coming.await(device).memory().mismatch(x.memory())).isEqualTo(-1);
                while (progress.sum() < 2 * x.bytes()) {
                    Thread.sleep(
                            1); // a sender counts what it has written, the receiver may be first
                }
                assertThat(progress.sum()).isEqualTo(2 * x.bytes());
                ByteBuffer header =
                        ByteBuffer.allocate(FrameHeader.BYTES)
                                .order(java.nio.ByteOrder.LITTLE_ENDIAN);
                long address = x.memory().address();
                new FrameHeader(8, frame(2, 0), true, address, (int) x.bytes()).write(header);
                socket.write(header);
                Ring.Transfer named = member.receive(frame(2, 0), DType.F32, x.size());
                assertThatThrownBy(() -> named.await(device)).hasMessageContaining("only named");
            }
        }
    }

    /** Its memory may hold anything then, though it can still be read. */
    @Test
    void whatASenderNamedIsNotTakenOnceItHasLeft() throws Exception {
        Links a = links("unix", 0);
        RingMember member = new RingMember(0, 2);
        LongAdder progress = new LongAdder();
        try (Device device = new CpuDevice(1);
                SocketChannel socket = SocketChannel.open(unix(a));
                Arena arena = Arena.ofConfined()) {
            long token = arena.allocateFrom(ValueLayout.JAVA_BYTE, TOKEN).address();
            CompletableFuture<Links.Neighbour> from = greeted(a, member, device, socket, token);
            assertThat(from.join().readsNames()).isTrue();
            ReceiveBuffers buffers = new ReceiveBuffers(device);
            try (var receiver = new LinkReceiver(8, 1, from, member, device, buffers, progress)) {
                member.linkFrom(1, Group.BLOCKS, receiver);
                Tensor x = device.tensor(DType.F32, 100_000);
                try (var sender = new NamingSender(8, 0, socket, new RingMember(1, 2), progress)) {
                    Lease lease = new Lease();
                    lease.retain();
                    sender.send(frame(1, 0), x, device.record(), lease);
                }
                // Its name is in the socket; only now somebody asks for it.
                Ring.Transfer coming = member.receive(frame(1, 0), DType.F32, 100_000);
                assertThatThrownBy(() -> coming.await(device))
                        .isInstanceOf(RingBrokenException.class)
                        .hasMessageContaining("link from rank 1 broke");
                assertThat(progress.sum()).isEqualTo(2 * x.bytes()); // it was read
            }
        }
    }

    private static UnixDomainSocketAddress unix(Links links) {
        return UnixDomainSocketAddress.of(links.address().socketPath());
    }

    @Test
    void strangersAreRefusedAndTheRingGoesOn() throws Exception {
        Links a = links("unix", 0);
        Links b = links("unix", 1);
        InetSocketAddress tcp = new InetSocketAddress(a.address().host(), a.address().port());
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 20; i++) {
            byte[] garbage = new byte[random.nextInt(1, 300)];
            random.nextBytes(garbage);
            try (SocketChannel socket =
                    i % 2 == 0
                            ? SocketChannel.open(tcp)
                            : SocketChannel.open(
                                    UnixDomainSocketAddress.of(a.address().socketPath()))) {
                socket.write(ByteBuffer.wrap(garbage));
            }
        }
        // A member of another epoch's ring, with a token of its own.
        byte[] other = TOKEN.clone();
        other[3] = 1;
        RingPlaces places = new RingPlaces(3, TOKEN, List.of(a.address(), b.address()));
        try (Device device = new CpuDevice(1);
                RankLinks one = new RankLinks(a, places, 0, device);
                RankLinks two = new RankLinks(b, places, 1, device)) {
            Seat stranger = b.seat(new Links.Key(4, 1), new RingMember(1, 2), device, other);
            assertThatThrownBy(
                            () -> b.connect(a.address(), new Links.Key(3, 0), Group.SUMS, stranger))
                    .hasMessageContaining("could not be reached");
            ReceiveBuffers buffers = new ReceiveBuffers(device);
            CompletableFuture<Ring> first = CompletableFuture.supplyAsync(() -> open(one, buffers));
            Ring second = open(two, buffers);
            Tensor x = device.tensor(DType.F32, 5);
            fill(x, 9);
            second.send(frame(1, 0), x, device.record(), new Lease());
            MemorySegment arrived =
                    first.get().receive(frame(1, 0), DType.F32, 5).await(device).memory();
            assertThat(arrived.mismatch(x.memory())).isEqualTo(-1);
        }
        // Each is turned away by a thread of its own, some maybe after the ring is done.
        for (int i = 0; i < 1000 && a.refused() < 21; i++) {
            Thread.sleep(10);
        }
        assertThat(a.refused()).isGreaterThanOrEqualTo(21);
    }

    private static Ring open(RankLinks end, ReceiveBuffers buffers) {
        try {
            return end.open(buffers);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"unix", "tcp"})
    void aNeighbourThatDiedBeforeTheRingStoodIsTheRingsFault(String transport) throws Exception {
        Links a = links(transport, 0);
        Links b = links(transport, 1);
        RingPlaces places = new RingPlaces(5, TOKEN, List.of(a.address(), b.address()));
        b.close();
        try (Device device = new CpuDevice(1);
                RankLinks one = new RankLinks(a, places, 0, device)) {
            // Not any fault: only those of links end an epoch and not the job.
            assertThatThrownBy(() -> one.open(new ReceiveBuffers(device)))
                    .isInstanceOf(LinkException.class)
                    .hasMessageContaining("rank 1")
                    .hasMessageContaining("could not be reached"); // and was not waited for
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"unix", "tcp"})
    void whoLeavesWaitsForNoNeighbourThatDoesNotCome(String transport) throws Exception {
        Links a = links(transport, 0);
        Links b = links(transport, 1);
        RingPlaces places = new RingPlaces(6, TOKEN, List.of(a.address(), b.address()));
        try (Device device = new CpuDevice(1);
                RankLinks one = new RankLinks(a, places, 0, device)) {
            ReceiveBuffers buffers = new ReceiveBuffers(device);
            CompletableFuture<Ring> opening =
                    CompletableFuture.supplyAsync(() -> open(one, buffers));
            Thread.sleep(300);
            assertThat(opening).isNotDone();
            one.breakUp("it leaves");
            // Not for its patience: that would say who did not join.
            assertThat(opening)
                    .failsWithin(Duration.ofSeconds(4 * Links.PATIENCE_SECONDS))
                    .withThrowableThat()
                    .withMessageContaining("it leaves");
        }
    }

    @Test
    void aProcessOfThisHostIsDeadOnlyWhenItsSocketRefuses() throws Exception {
        Links a = links("unix", 0);
        Links b = links("unix", 1);
        assertThat(a.isDead("process-1", "127.0.0.1")).isFalse();
        Path file = Path.of(b.address().socket());
        b.close();
        assertThat(a.isDead("process-1", "127.0.0.1")).as("it ended in order").isFalse();
        // What a killed one leaves.
        Files.createDirectory(file.getParent());
        try (ServerSocketChannel left = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            left.bind(UnixDomainSocketAddress.of(file));
        }
        assertThat(a.isDead("process-1", "127.0.0.1")).isTrue();
        assertThat(a.isDead("process-1", "127.1.2.3")).as("this host too").isTrue();
        assertThat(a.isDead("process-1", "192.0.2.1")).as("another host's").isFalse();
        assertThat(links("tcp", 2).isDead("process-1", "127.0.0.1")).isFalse();
    }

    @Test
    void aProcessThatTakesNoConnectionsIsNeitherDeadNorWaitedFor() throws Exception {
        Links a = links("unix", 0);
        Path file = Path.of(links("unix", 1).address().socket());
        Files.delete(file);
        try (ServerSocketChannel stopped = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            stopped.bind(UnixDomainSocketAddress.of(file), 2);
            for (int i = 0; i < 20; i++) {
                assertThat(a.isDead("process-1", "127.0.0.1")).isFalse();
            }
        }
        assertThat(a.isDead("process-1", "127.0.0.1")).isTrue();
    }

    @Test
    void headersThatWereTamperedWithAreRefused() throws Exception {
        ByteBuffer header =
                ByteBuffer.allocate(FrameHeader.BYTES).order(java.nio.ByteOrder.LITTLE_ENDIAN);
        FrameHeader named = new FrameHeader(5, frame(7, 2), true, 0x7f12_3456_7890L, 1 << 30);
        named.write(header);
        assertThat(FrameHeader.read(header, 5)).isEqualTo(named);
        FrameHeader written = new FrameHeader(5, frame(7, 2), false, 64, 100);
        written.write(header);
        assertThat(FrameHeader.read(header, 5)).isEqualTo(written);
        assertThatThrownBy(() -> FrameHeader.read(header, 6)).hasMessageContaining("epoch 5");
        for (int bit = 0; bit < 8 * FrameHeader.BYTES; bit++) {
            header.put(bit / 8, (byte) (header.get(bit / 8) ^ (1 << bit % 8)));
            assertThatThrownBy(() -> FrameHeader.read(header, 5)).isInstanceOf(LinkException.class);
            header.put(bit / 8, (byte) (header.get(bit / 8) ^ (1 << bit % 8)));
        }
    }
}
