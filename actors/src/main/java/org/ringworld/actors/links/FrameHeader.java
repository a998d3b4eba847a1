package org.ringworld.actors.links;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;
import org.ringworld.model.ring.Frame;

/**
 * The 64 bytes before each chunk on a wire: which frame of which epoch it belongs to and where in
 * it. Little endian: magic, version, pass | epoch | step | part, layer, hop, origin, tile | length
 * | offset | named | checksum of what is before it.
 *
 * @param named whether the bytes do not follow: the receiver reads them from the sender's memory
 * @param offset of the chunk in its frame, bytes; where it is named, its address there
 * @param length bytes of the chunk, at most {@link #CHUNK}, or {@link #NAMED} where it is named
 */
record FrameHeader(long epoch, Frame frame, boolean named, long offset, int length) {
    static final int BYTES = 64;
    static final int VERSION = 3;

    /** Bytes of a chunk at most: large enough to be cheap, small enough to stay in a cache. */
    static final int CHUNK = 2 << 20;

    /** Bytes of a named chunk at most. */
    static final int NAMED = 1 << 30;

    private static final int MAGIC = 0x4c4e_5752; // "RWNL"
    private static final Frame.Pass[] PASSES = Frame.Pass.values();

    /** Writes it to {@code to}, which is cleared first and flipped last. */
    void write(ByteBuffer to) {
        to.clear();
        to.putInt(MAGIC).putShort((short) VERSION).putShort((short) frame.pass().ordinal());
        to.putLong(epoch).putLong(frame.step());
        to.putInt(frame.part()).putInt(frame.layer()).putInt(frame.hop());
        to.putInt(frame.origin()).putInt(frame.tile());
        to.putInt(length).putLong(offset).putInt(named ? 1 : 0);
        to.putInt(checksum(to)).flip();
    }

    /**
     * Reads what {@link #write} wrote.
     *
     * @throws LinkException where it is no header of this version and epoch, or its length is none
     */
    static FrameHeader read(ByteBuffer from, long epoch) throws LinkException {
        if (from.getInt(0) != MAGIC) {
            throw new LinkException("what came is no frame of a ring");
        }
        if (from.getShort(4) != VERSION) {
            throw new LinkException(
                    "frames of version %d came, this is %d".formatted(from.getShort(4), VERSION));
        }
        if (from.getInt(BYTES - 4) != checksum(from)) {
            throw new LinkException("a frame's header is damaged");
        }
        long of = from.getLong(8);
        if (of != epoch) {
            throw new LinkException("a frame of epoch %d came in epoch %d".formatted(of, epoch));
        }
        int pass = from.getShort(6);
        int length = from.getInt(44);
        long offset = from.getLong(48);
        boolean named = from.getInt(56) == 1;
        int most = named ? NAMED : CHUNK;
        if (pass < 0 || pass >= PASSES.length || length <= 0 || length > most || offset < 0) {
            throw new LinkException(
                    "a frame of %d bytes at %d came, chunks have at most %d"
                            .formatted(length, offset, most));
        }
        Frame frame =
                new Frame(
                        from.getLong(16),
                        from.getInt(24),
                        from.getInt(28),
                        PASSES[pass],
                        from.getInt(32),
                        from.getInt(36),
                        from.getInt(40));
        return new FrameHeader(of, frame, named, offset, length);
    }

    private static int checksum(ByteBuffer header) {
        CRC32C sum = new CRC32C();
        sum.update(header.slice(0, BYTES - 4));
        return (int) sum.getValue();
    }
}
