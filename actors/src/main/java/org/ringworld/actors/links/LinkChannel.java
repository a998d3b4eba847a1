package org.ringworld.actors.links;

import java.io.EOFException;
import java.io.IOException;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/**
 * The bytes of one connection: a plain socket's, or a TLS session's over one. One thread writes,
 * one reads.
 */
sealed interface LinkChannel permits LinkChannel.Plain, TlsChannel {
    /**
     * Bytes between two processes of one host, of which the system may allow less: writer and
     * reader wake each other less often than with its own default, and it still fits a cache.
     */
    int UNIX_BUFFER = 1 << 20;

    /** Writes both whole. */
    void write(ByteBuffer header, ByteBuffer payload) throws IOException;

    /**
     * Writes as much of both as there is room for at once.
     *
     * @return whether that was all of it
     */
    boolean writeNow(ByteBuffer header, ByteBuffer payload) throws IOException;

    /**
     * Fills the buffer.
     *
     * @throws EOFException where the other side has closed the connection
     */
    void readFully(ByteBuffer to) throws IOException;

    /** Whoever writes or reads fails at once. */
    void close();

    /** A socket as it is: the kernel reads from and writes to the buffers' own memory. */
    record Plain(SocketChannel socket) implements LinkChannel {
        public Plain {
            configure(socket);
        }

        @Override
        public void write(ByteBuffer header, ByteBuffer payload) throws IOException {
            ByteBuffer[] both = {header, payload};
            while (header.hasRemaining() || payload.hasRemaining()) {
                socket.write(both);
            }
        }

        @Override
        public boolean writeNow(ByteBuffer header, ByteBuffer payload) throws IOException {
            socket.configureBlocking(false);
            socket.write(new ByteBuffer[] {header, payload});
            socket.configureBlocking(true);
            return !payload.hasRemaining();
        }

        @Override
        public void readFully(ByteBuffer to) throws IOException {
            while (to.hasRemaining()) {
                if (socket.read(to) < 0) {
                    throw new EOFException("the other side closed it");
                }
            }
        }

        @Override
        public void close() {
            closeQuietly(socket);
        }
    }

    private static void configure(SocketChannel socket) {
        try {
            if (!(socket.getRemoteAddress() instanceof UnixDomainSocketAddress)) {
                socket.setOption(StandardSocketOptions.TCP_NODELAY, true);
            } else {
                socket.setOption(StandardSocketOptions.SO_SNDBUF, UNIX_BUFFER);
            }
        } catch (IOException e) {
            // The first write or read says what is wrong with it.
        }
    }

    static void closeQuietly(SocketChannel socket) {
        try {
            socket.close();
        } catch (IOException e) {
            // Nothing more can be done with it.
        }
    }
}
