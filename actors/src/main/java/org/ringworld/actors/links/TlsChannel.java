package org.ringworld.actors.links;

import java.io.EOFException;
import java.io.IOException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;

/**
 * A TLS session over a socket, on direct buffers: a record at a time from the tensors' memory into
 * the socket's buffer and back. After the handshake one thread writes and one reads; renegotiation
 * does not exist in TLS 1.3, and its key updates are answered by the writer's next record.
 */
final class TlsChannel implements LinkChannel {
    private final SocketChannel socket;
    private final SSLEngine engine;
    private final ByteBuffer out;
    private final ByteBuffer in;
    private final ByteBuffer plain;

    /** Shakes hands. */
    TlsChannel(SocketChannel socket, SSLEngine engine) throws IOException {
        this.socket = socket;
        this.engine = engine;
        socket.setOption(StandardSocketOptions.TCP_NODELAY, true);
        int packet = engine.getSession().getPacketBufferSize();
        // Several records a write: fewer system calls.
        this.out = ByteBuffer.allocateDirect(16 * packet);
        this.in = ByteBuffer.allocateDirect(16 * packet).flip();
        this.plain =
                ByteBuffer.allocateDirect(engine.getSession().getApplicationBufferSize()).flip();
        engine.beginHandshake();
        handshake();
    }

    private void handshake() throws IOException {
        ByteBuffer nothing = ByteBuffer.allocate(0);
        while (true) {
            switch (engine.getHandshakeStatus()) {
                case NEED_WRAP -> {
                    wrap(nothing);
                    flush();
                }
                case NEED_UNWRAP, NEED_UNWRAP_AGAIN -> {
                    plain.compact();
                    unwrap(plain);
                    plain.flip();
                }
                case NEED_TASK -> runTasks();
                case FINISHED, NOT_HANDSHAKING -> {
                    return;
                }
            }
        }
    }

    private void runTasks() {
        for (Runnable task = engine.getDelegatedTask();
                task != null;
                task = engine.getDelegatedTask()) {
            task.run();
        }
    }

    private void wrap(ByteBuffer from) throws IOException {
        while (true) {
            SSLEngineResult result = engine.wrap(from, out);
            if (result.getStatus() == SSLEngineResult.Status.CLOSED) {
                throw new EOFException("the other side closed it");
            }
            if (result.getStatus() != SSLEngineResult.Status.BUFFER_OVERFLOW) {
                return;
            }
            flush();
        }
    }

    private void flush() throws IOException {
        out.flip();
        while (out.hasRemaining()) {
            socket.write(out);
        }
        out.clear();
    }

    /** One record into {@code to}; reads from the socket where a whole one is not here yet. */
    private void unwrap(ByteBuffer to) throws IOException {
        while (true) {
            SSLEngineResult result = engine.unwrap(in, to);
            switch (result.getStatus()) {
                case OK -> {
                    if (result.getHandshakeStatus() == HandshakeStatus.NEED_TASK) {
                        runTasks();
                    }
                    return;
                }
                case BUFFER_UNDERFLOW -> {
                    in.compact();
                    int read = socket.read(in);
                    in.flip();
                    if (read < 0) {
                        throw new EOFException("the other side closed it");
                    }
                }
                case CLOSED -> throw new EOFException("the other side closed it");
                case BUFFER_OVERFLOW -> throw new LinkException("a TLS record is too large");
            }
        }
    }

    @Override
    public void write(ByteBuffer header, ByteBuffer payload) throws IOException {
        while (header.hasRemaining()) {
            wrap(header);
        }
        while (payload.hasRemaining()) {
            wrap(payload);
        }
        flush();
    }

    /** A record is written whole: nothing goes at once. */
    @Override
    public boolean writeNow(ByteBuffer header, ByteBuffer payload) {
        return false;
    }

    @Override
    public void readFully(ByteBuffer to) throws IOException {
        while (to.hasRemaining()) {
            if (plain.hasRemaining()) {
                int n = Math.min(plain.remaining(), to.remaining());
                to.put(to.position(), plain, plain.position(), n);
                to.position(to.position() + n);
                plain.position(plain.position() + n);
            } else if (to.remaining() >= plain.capacity()) {
                unwrap(to); // straight to where it belongs
            } else {
                plain.clear();
                unwrap(plain);
                plain.flip();
            }
        }
    }

    @Override
    public void close() {
        LinkChannel.closeQuietly(socket);
    }
}
