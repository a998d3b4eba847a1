package org.ringworld.checkpoints.lwm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.ringworld.checkpoints.Bytes;

/**
 * Reads MessagePack from a mapped segment, value by value; binaries and extensions are slices of
 * it. The maintained library reads from buffers of 2 GiB at most, and a stacked weight is larger.
 * What is of another type than asked for, or cut short, is an {@link IllegalArgumentException} or
 * an {@link IndexOutOfBoundsException}.
 */
final class MsgPack {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private final MemorySegment bytes;
    private long at;

    /** An application's own type. */
    record Extension(int type, MemorySegment data) {}

    MsgPack(MemorySegment bytes) {
        this.bytes = bytes;
    }

    /** Another reader at the same place. */
    MsgPack copy() {
        MsgPack copy = new MsgPack(bytes);
        copy.at = at;
        return copy;
    }

    boolean hasMore() {
        return at < bytes.byteSize();
    }

    long position() {
        return at;
    }

    /** Whether the next value is an extension; else an array, a map, … */
    boolean isExtension() {
        int tag = bytes.get(Bytes.BYTE, at) & 0xff;
        return tag >= 0xc7 && tag <= 0xc9 || tag >= 0xd4 && tag <= 0xd8;
    }

    boolean isMap() {
        int tag = bytes.get(Bytes.BYTE, at) & 0xff;
        return tag >= 0x80 && tag <= 0x8f || tag == 0xde || tag == 0xdf;
    }

    /** How many values follow. */
    long array() {
        int tag = unsigned8();
        return switch (tag) {
            case 0xdc -> unsigned16();
            case 0xdd -> unsigned32();
            default -> fixed(tag, 0x90, 15, "an array");
        };
    }

    /** How many pairs of key and value follow. */
    long map() {
        int tag = unsigned8();
        return switch (tag) {
            case 0xde -> unsigned16();
            case 0xdf -> unsigned32();
            default -> fixed(tag, 0x80, 15, "a map");
        };
    }

    String string() {
        int tag = unsigned8();
        long length =
                switch (tag) {
                    case 0xd9 -> unsigned8();
                    case 0xda -> unsigned16();
                    case 0xdb -> unsigned32();
                    default -> fixed(tag, 0xa0, 31, "a string");
                };
        return new String(take(length).toArray(Bytes.BYTE), StandardCharsets.UTF_8);
    }

    /** A non-negative integer. */
    long size() {
        int tag = unsigned8();
        long value =
                switch (tag) {
                    case 0xcc, 0xd0 -> unsigned8();
                    case 0xcd, 0xd1 -> unsigned16();
                    case 0xce, 0xd2 -> unsigned32();
                    case 0xcf, 0xd3 -> take(8).get(LONG, 0);
                    default -> fixed(tag, 0, 127, "a size");
                };
        if (value < 0) {
            throw new IllegalArgumentException("a size is over 63 bits");
        }
        return value;
    }

    boolean truth() {
        int tag = unsigned8();
        if (tag != 0xc2 && tag != 0xc3) {
            throw new IllegalArgumentException("there is 0x%02x instead of a truth".formatted(tag));
        }
        return tag == 0xc3;
    }

    MemorySegment binary() {
        int tag = unsigned8();
        return switch (tag) {
            case 0xc4 -> take(unsigned8());
            case 0xc5 -> take(unsigned16());
            case 0xc6 -> take(unsigned32());
            default ->
                    throw new IllegalArgumentException(
                            "there is 0x%02x instead of a binary".formatted(tag));
        };
    }

    Extension extension() {
        int tag = unsigned8();
        long length =
                switch (tag) {
                    case 0xc7 -> unsigned8();
                    case 0xc8 -> unsigned16();
                    case 0xc9 -> unsigned32();
                    default -> 1L << fixed(tag, 0xd4, 4, "an extension");
                };
        int type = take(1).get(Bytes.BYTE, 0);
        return new Extension(type, take(length));
    }

    private static int fixed(int tag, int first, int most, String kind) {
        if (tag < first || tag > first + most) {
            throw new IllegalArgumentException(
                    "there is 0x%02x instead of %s".formatted(tag, kind));
        }
        return tag - first;
    }

    private MemorySegment take(long length) {
        MemorySegment taken = bytes.asSlice(at, length);
        at += length;
        return taken;
    }

    private int unsigned8() {
        return take(1).get(Bytes.BYTE, 0) & 0xff;
    }

    private int unsigned16() {
        return take(2).get(SHORT, 0) & 0xffff;
    }

    private long unsigned32() {
        return take(4).get(INT, 0) & 0xffffffffL;
    }
}
