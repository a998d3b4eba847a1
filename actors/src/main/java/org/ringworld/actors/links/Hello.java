package org.ringworld.actors.links;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import org.ringworld.model.ring.Group;

/**
 * The first 64 bytes of a connection: from which rank of which epoch to which it leads and what
 * group it is of, and the epoch's token, which only members were told.
 *
 * @param process the sender's number
 * @param address where the token is in its memory, so that the other side can try to read it; 0:
 *     nowhere
 */
record Hello(long epoch, int from, int to, Group group, byte[] token, long process, long address) {
    static final int BYTES = 64;
    static final int TOKEN = 16;
    private static final Group[] GROUPS = Group.values();
    private static final long MAGIC = 0x316b_6e69_4c57_5201L; // "\1RWLink1"

    ByteBuffer bytes() {
        ByteBuffer bytes = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(MAGIC).putInt(FrameHeader.VERSION).putInt(to).putLong(epoch).put(token);
        bytes.putLong(process).putLong(address).putInt(from).putInt(group.ordinal());
        return bytes.position(0);
    }

    static Hello read(ByteBuffer bytes) throws LinkException {
        bytes.order(ByteOrder.LITTLE_ENDIAN).position(0);
        if (bytes.getLong() != MAGIC) {
            throw new LinkException("it does not speak this protocol");
        }
        int version = bytes.getInt();
        if (version != FrameHeader.VERSION) {
            throw new LinkException(
                    "it speaks version %d of the protocol, this is %d"
                            .formatted(version, FrameHeader.VERSION));
        }
        int to = bytes.getInt();
        long epoch = bytes.getLong();
        byte[] token = new byte[TOKEN];
        bytes.get(token);
        long process = bytes.getLong();
        long address = bytes.getLong();
        int from = bytes.getInt();
        int group = bytes.getInt();
        if (from < 0 || group < 0 || group >= GROUPS.length) {
            throw new LinkException("it names no rank and group");
        }
        return new Hello(epoch, from, to, GROUPS[group], token, process, address);
    }

    boolean hasToken(byte[] expected) {
        return MessageDigest.isEqual(token, expected);
    }
}
