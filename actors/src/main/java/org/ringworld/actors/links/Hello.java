package org.ringworld.actors.links;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;

/**
 * The first 64 bytes of a connection: which rank of which epoch its sender wants to reach, and the
 * epoch's token, which only members were told.
 *
 * @param process the sender's number
 * @param address where the token is in its memory, so that the other side can try to read it; 0:
 *     nowhere
 */
record Hello(long epoch, int rank, byte[] token, long process, long address) {
    static final int BYTES = 64;
    static final int TOKEN = 16;
    private static final long MAGIC = 0x316b_6e69_4c57_5201L; // "\1RWLink1"

    ByteBuffer bytes() {
        ByteBuffer to = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
        to.putLong(MAGIC).putInt(FrameHeader.VERSION).putInt(rank).putLong(epoch).put(token);
        to.putLong(process).putLong(address);
        return to.position(0);
    }

    static Hello read(ByteBuffer from) throws LinkException {
        from.order(ByteOrder.LITTLE_ENDIAN).position(0);
        if (from.getLong() != MAGIC) {
            throw new LinkException("it does not speak this protocol");
        }
        int version = from.getInt();
        if (version != FrameHeader.VERSION) {
            throw new LinkException(
                    "it speaks version %d of the protocol, this is %d"
                            .formatted(version, FrameHeader.VERSION));
        }
        int rank = from.getInt();
        long epoch = from.getLong();
        byte[] token = new byte[TOKEN];
        from.get(token);
        return new Hello(epoch, rank, token, from.getLong(), from.getLong());
    }

    boolean hasToken(byte[] expected) {
        return MessageDigest.isEqual(token, expected);
    }
}
