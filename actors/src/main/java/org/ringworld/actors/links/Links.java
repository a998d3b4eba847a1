package org.ringworld.actors.links;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import org.ringworld.model.ring.Group;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.ring.RingMember;
import org.ringworld.runtime.Device;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The ends of rings in this JVM, and the sockets at which others reach them. Ranks of one JVM are
 * linked by reference, processes of one host over a unix-domain socket, on which frames are only
 * named where the next rank can read this process's memory, hosts over TCP, with TLS where there is
 * a context for it.
 */
public final class Links implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Links.class);

    /** How long a neighbour may take to join the same epoch. */
    static final long PATIENCE_SECONDS = 15;

    private static final int HELLO_SECONDS = 5;

    private static final long PARK_NANOS = 1_000_000;

    private static final String CLOSED = "this process takes no more links";

    /** Connections that have not yet said whom they want. */
    private static final int STRANGERS = 64;

    private static final byte WELCOME = 1;

    /** Welcome, and frames need only be named: this process reads the other one's memory. */
    private static final byte WELCOME_NAMES = 2;

    /** One rank of one epoch. */
    record Key(long epoch, int rank) {}

    /**
     * The other side of a link.
     *
     * @param process whose memory the link's receiver reads what is only named on the channel; 0:
     *     all bytes come over the channel
     */
    record Neighbour(LinkChannel channel, long process) {
        boolean readsNames() {
            return process != 0;
        }
    }

    private final LinkAddress address;
    private final UnixSockets sockets;
    private final SSLContext tls;
    private final List<ServerSocketChannel> servers = new ArrayList<>();
    private final ConcurrentHashMap<Key, CompletableFuture<Seat>> seats = new ConcurrentHashMap<>();
    private final Semaphore strangers = new Semaphore(STRANGERS);
    private final LongAdder refused = new LongAdder();
    private volatile boolean closed;

    private Links(LinkAddress address, UnixSockets sockets, SSLContext tls) {
        this.address = address;
        this.sockets = sockets;
        this.tls = tls;
    }

    /** Links within this JVM alone; no socket is opened. */
    public static Links inProcess() {
        return new Links(new LinkAddress(UUID.randomUUID().toString(), "", 0, ""), null, null);
    }

    /**
     * Links that others reach at {@code host:port}, and those of this host at a unix-domain socket
     * in {@code directory} where there can be one; null: by TCP too.
     *
     * @param process tells it from all others, also from one that had its address before; the
     *     socket's place follows from it
     * @param port 0: any
     * @param tls for TCP; null: plain
     */
    public static Links listen(
            String process, String host, int port, Path directory, SSLContext tls)
            throws IOException {
        ServerSocketChannel tcp = ServerSocketChannel.open();
        try {
            tcp.bind(new InetSocketAddress(host, port));
        } catch (IOException e) {
            tcp.close();
            throw new LinkException(
                    "links.port = %d at %s cannot be had: %s".formatted(port, host, e.getMessage()),
                    e);
        }
        int bound = ((InetSocketAddress) tcp.getLocalAddress()).getPort();
        UnixSockets sockets = directory == null ? null : new UnixSockets(directory);
        ServerSocketChannel unix = sockets == null ? null : sockets.open(process);
        String file = unix == null ? "" : sockets.of(process).toString();
        Links links =
                new Links(
                        new LinkAddress(process, host, bound, file),
                        unix == null ? null : sockets,
                        tls);
        links.serve(tcp, true);
        if (unix != null) {
            links.serve(unix, false);
        }
        return links;
    }

    public LinkAddress address() {
        return address;
    }

    /** Connections that were turned away so far. */
    long refused() {
        return refused.sum();
    }

    // ---- seats

    /** A rank of this JVM takes links. */
    Seat seat(Key key, RingMember member, Device device, byte[] token) {
        Seat seat = new Seat(member, device, token);
        seats.computeIfAbsent(key, k -> new CompletableFuture<>()).complete(seat);
        return seat;
    }

    void leave(Key key) {
        seats.remove(key);
    }

    /** Ends an epoch for all ranks of this JVM. */
    void breakUp(long epoch, String reason) {
        seats.forEach(
                (key, coming) -> {
                    Seat seat = key.epoch == epoch ? taken(coming) : null;
                    if (seat != null) {
                        seat.breakUp(reason);
                    }
                });
    }

    private static Seat taken(CompletableFuture<Seat> coming) {
        return coming.isCompletedExceptionally() ? null : coming.getNow(null);
    }

    /** Waits until no other rank of its epoch in this JVM holds what {@code own} sent it. */
    void awaitUnread(Key own) {
        seats.forEach(
                (key, coming) -> {
                    boolean other = key.epoch == own.epoch && key.rank != own.rank;
                    Seat seat = other ? taken(coming) : null;
                    while (seat != null && seat.member().holds()) {
                        LockSupport.parkNanos(this, PARK_NANOS);
                    }
                });
    }

    /** The seat of {@code key} in this JVM, once it is taken. */
    Seat seatOf(Key key) throws IOException {
        return await(seats.computeIfAbsent(key, k -> new CompletableFuture<>()), key);
    }

    /**
     * Connects a group to a rank of this JVM whose device does not reach the other's tensors: the
     * bytes go through a socket, as between processes.
     */
    Neighbour connectHere(Seat to, Group group, Seat from) throws IOException {
        try (ServerSocketChannel server = ServerSocketChannel.open()) {
            server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 1);
            SocketChannel here = SocketChannel.open(server.getLocalAddress());
            from.asks(here);
            SocketChannel there = server.accept();
            if (!there.getRemoteAddress().equals(here.getLocalAddress())) {
                LinkChannel.closeQuietly(there);
                LinkChannel.closeQuietly(here);
                throw new LinkException("somebody else took a link of this process's ranks");
            }
            LinkChannel other = new LinkChannel.Plain(there);
            if (!to.incoming(from.member().rank(), group).complete(new Neighbour(other, 0))) {
                other.close();
            }
            return new Neighbour(new LinkChannel.Plain(here), 0);
        }
    }

    static <T> T await(CompletableFuture<T> future, Key key) throws IOException {
        try {
            return future.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new LinkException(
                    "rank %d did not join epoch %d within %d s"
                            .formatted(key.rank, key.epoch, PATIENCE_SECONDS));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ClosedChannelException();
        } catch (java.util.concurrent.ExecutionException e) {
            throw new LinkException(e.getCause().getMessage(), e.getCause());
        }
    }

    // ---- sockets

    private void serve(ServerSocketChannel server, boolean overTcp) {
        servers.add(server);
        Thread.ofPlatform()
                .daemon()
                .name(overTcp ? "link-accept-tcp" : "link-accept-unix")
                .start(() -> accept(server, overTcp));
    }

    private void accept(ServerSocketChannel server, boolean overTcp) {
        while (server.isOpen()) {
            try {
                SocketChannel socket = server.accept();
                if (strangers.tryAcquire()) {
                    // A virtual one would leave the socket non-blocking: a poll before each read.
                    Thread.ofPlatform()
                            .daemon()
                            .name("link-greeter")
                            .start(() -> greet(socket, overTcp));
                } else {
                    refuse(socket, "too many connections say nothing");
                }
            } catch (ClosedChannelException e) {
                return;
            } catch (IOException e) {
                LOG.warn("a link could not be taken: {}", e.getMessage());
            }
        }
    }

    private void greet(SocketChannel socket, boolean overTcp) {
        // Whoever says nothing is cut off: closing the socket ends the read below.
        CompletableFuture<Void> deadline =
                CompletableFuture.runAsync(
                        () -> LinkChannel.closeQuietly(socket),
                        CompletableFuture.delayedExecutor(HELLO_SECONDS, TimeUnit.SECONDS));
        ByteBuffer asked = ByteBuffer.allocate(Hello.BYTES);
        try {
            LinkChannel channel = overTcp ? secured(socket, false) : new LinkChannel.Plain(socket);
            channel.readFully(asked);
            deadline.cancel(false);
            Hello hello = Hello.read(asked);
            seat(hello, channel, overTcp);
        } catch (IOException e) {
            if (e instanceof EOFException && asked.position() == 0 && socket.isOpen()) {
                LinkChannel.closeQuietly(socket); // somebody looked whether this process lives
            } else {
                refuse(socket, socket.isOpen() ? e.getMessage() : "it said nothing");
            }
        } finally {
            deadline.cancel(false);
            strangers.release();
        }
    }

    private void seat(Hello hello, LinkChannel channel, boolean overTcp) throws IOException {
        Key key = new Key(hello.epoch(), hello.to());
        if (closed) {
            throw new LinkException(CLOSED); // its connection was taken before
        }
        CompletableFuture<Seat> coming = seats.computeIfAbsent(key, k -> new CompletableFuture<>());
        try {
            Seat seat = await(coming, key);
            if (!hello.hasToken(seat.token()) || hello.from() >= seat.member().size()) {
                throw new LinkException("it is no member of epoch " + hello.epoch());
            }
            CompletableFuture<Neighbour> link = seat.incoming(hello.from(), hello.group());
            if (link.isDone()) {
                throw new LinkException("there is such a link, or the ring is broken");
            }
            boolean names =
                    !overTcp
                            && ProcessMemory.holds(hello.process(), hello.address(), hello.token());
            byte answer = names ? WELCOME_NAMES : WELCOME;
            channel.write(ByteBuffer.wrap(new byte[] {answer}), ByteBuffer.allocate(0));
            if (!link.complete(new Neighbour(channel, names ? hello.process() : 0))) {
                throw new LinkException("another link was faster, or the ring broke");
            }
        } catch (IOException e) {
            if (!coming.isDone()) {
                seats.remove(key, coming);
            }
            throw e;
        }
    }

    private void refuse(SocketChannel socket, String why) {
        refused.increment();
        String from;
        try {
            SocketAddress remote = socket.isOpen() ? socket.getRemoteAddress() : null;
            from = remote == null || remote.toString().isEmpty() ? "this host" : remote.toString();
        } catch (IOException e) {
            from = "somebody who is gone";
        }
        LOG.warn("refused a link from {}: {} ({} so far)", from, why, refused.sum());
        LinkChannel.closeQuietly(socket);
    }

    private LinkChannel secured(SocketChannel socket, boolean client) throws IOException {
        if (tls == null) {
            return new LinkChannel.Plain(socket);
        }
        SSLEngine engine = tls.createSSLEngine();
        engine.setUseClientMode(client);
        engine.setNeedClientAuth(true);
        return new TlsChannel(socket, engine);
    }

    /**
     * Connects a group to rank {@code key} of another process, which has or will have a seat there.
     */
    Neighbour connect(LinkAddress to, Key key, Group group, Seat from) throws IOException {
        SocketChannel socket = null;
        try (Arena arena = Arena.ofConfined()) {
            socket = open(to);
            from.asks(socket);
            LinkChannel channel =
                    byFile(to) ? new LinkChannel.Plain(socket) : secured(socket, true);
            MemorySegment token = arena.allocateFrom(ValueLayout.JAVA_BYTE, from.token());
            long me = ProcessHandle.current().pid();
            long address = byFile(to) ? token.address() : 0;
            int rank = from.member().rank();
            Hello hello = new Hello(key.epoch, rank, key.rank, group, from.token(), me, address);
            channel.write(hello.bytes(), ByteBuffer.allocate(0));
            ByteBuffer answer = ByteBuffer.allocate(1);
            channel.readFully(answer);
            if (answer.get(0) != WELCOME && answer.get(0) != WELCOME_NAMES) {
                throw new LinkException("it did not answer as a member does");
            }
            return new Neighbour(channel, answer.get(0) == WELCOME_NAMES ? me : 0);
        } catch (IOException e) {
            if (socket != null) {
                LinkChannel.closeQuietly(socket);
            }
            String left = from.member().broken();
            throw new LinkException(
                    left != null
                            ? left
                            : "rank %d at %s could not be reached: %s"
                                    .formatted(key.rank, to, e.getMessage()),
                    e);
        }
    }

    private boolean byFile(LinkAddress to) {
        return address.isOn(to.host()) && !to.socket().isEmpty();
    }

    private SocketChannel open(LinkAddress to) throws IOException {
        return byFile(to)
                ? SocketChannel.open(UnixDomainSocketAddress.of(to.socketPath()))
                : SocketChannel.open(new InetSocketAddress(to.host(), to.port()));
    }

    /**
     * Whether a process is proved to be dead: on one host its socket refuses when nothing but its
     * end has closed it. One that ended in order has taken its socket away, which proves nothing,
     * nor does a refusal of another host's.
     */
    public boolean isDead(String process, String host) {
        return sockets != null && address.isOn(host) && sockets.refuses(process);
    }

    @Override
    public void close() {
        closed = true;
        for (ServerSocketChannel server : servers) {
            try {
                server.close();
            } catch (IOException e) {
                // It was of no more use anyway.
            }
        }
        seats.values().forEach(coming -> coming.completeExceptionally(new LinkException(CLOSED)));
        if (!address.socket().isEmpty()) {
            UnixSockets.remove(address.socketPath());
        }
    }
}
