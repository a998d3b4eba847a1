package org.ringworld.cli;

import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** A DNS server of one name and its IPv4 addresses (RFC 1035, section 4), on loopback. */
final class NameServer implements AutoCloseable {
    private static final int HEADER = 12;
    private static final short ANSWER = (short) 0x8580; // a response with authority
    private static final short NO_SUCH_NAME = 3;
    private static final short TYPE_A = 1;
    private static final short CLASS_IN = 1;
    private static final short NAME_OF_THE_QUESTION = (short) 0xC00C;
    private static final int SECONDS = 5;

    private final DatagramSocket socket;
    private final String name;
    private final List<InetAddress> addresses;

    NameServer(String name, List<InetAddress> addresses) throws IOException {
        this.name = name;
        this.addresses = addresses;
        this.socket = new DatagramSocket(new InetSocketAddress("127.0.0.1", 0));
        Thread.ofPlatform().daemon().name("name-server").start(this::serve);
    }

    int port() {
        return socket.getLocalPort();
    }

    private void serve() {
        byte[] buffer = new byte[512];
        try {
            while (true) {
                DatagramPacket packet = new DatagramPacket(buffer, buffer.length);
                socket.receive(packet);
                ByteBuffer answer = answer(ByteBuffer.wrap(buffer, 0, packet.getLength()));
                socket.send(
                        new DatagramPacket(
                                answer.array(), answer.position(), packet.getSocketAddress()));
            }
        } catch (IOException e) {
            if (!socket.isClosed()) {
                throw new AssertionError(e);
            }
        }
    }

    private ByteBuffer answer(ByteBuffer query) {
        short id = query.getShort();
        query.position(HEADER);
        StringBuilder asked = new StringBuilder();
        for (int length = query.get(); length > 0; length = query.get()) {
            byte[] label = new byte[length];
            query.get(label);
            asked.append(asked.isEmpty() ? "" : ".")
                    .append(new String(label, StandardCharsets.US_ASCII));
        }
        short type = query.getShort();
        query.getShort();
        boolean known = asked.toString().equals(name);
        List<InetAddress> told = known && type == TYPE_A ? addresses : List.of();
        ByteBuffer answer = ByteBuffer.allocate(512);
        answer.putShort(id).putShort((short) (ANSWER | (known ? 0 : NO_SUCH_NAME)));
        answer.putShort((short) 1).putShort((short) told.size()).putInt(0);
        answer.put(query.array(), HEADER, query.position() - HEADER);
        for (InetAddress address : told) {
            answer.putShort(NAME_OF_THE_QUESTION).putShort(TYPE_A).putShort(CLASS_IN);
            answer.putInt(SECONDS).putShort((short) 4).put(address.getAddress());
        }
        return answer;
    }

    @Override
    public void close() {
        socket.close();
    }
}
