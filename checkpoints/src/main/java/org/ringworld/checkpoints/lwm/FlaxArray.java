package org.ringworld.checkpoints.lwm;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.TensorSpec;

/**
 * An array as flax's {@code msgpack_serialize} writes it: an extension of type 1 with shape, name
 * of the dtype and bytes; over 1 GiB a map of such chunks. Row-major.
 *
 * @param parts the chunks, of equal length but for the last
 */
record FlaxArray(SourceType type, long[] shape, List<MemorySegment> parts) {
    private static final String CHUNKED = "__msgpack_chunked_array__";
    private static final int MOST_AXES = 64;
    private static final int MOST_CHUNKS = 1 << 16;

    /**
     * @throws IllegalArgumentException saying what is not as flax writes it
     */
    static FlaxArray read(MemorySegment value) {
        MsgPack in = new MsgPack(value);
        FlaxArray array = next(in);
        require(!in.hasMore(), "bytes follow an array");
        return array;
    }

    /** Whether the next value is an array, by its first bytes, and no map of other things. */
    static boolean isNext(MsgPack in) {
        if (in.isExtension() || !in.isMap()) {
            return in.isExtension();
        }
        MsgPack ahead = in.copy();
        return ahead.map() > 0 && ahead.string().equals(CHUNKED);
    }

    /** {@link #read} of the next value. */
    static FlaxArray next(MsgPack in) {
        FlaxArray array = in.isExtension() ? whole(in) : chunked(in);
        long bytes = 0;
        for (MemorySegment part : array.parts) {
            bytes += part.byteSize();
        }
        require(array.bytesNeeded() == bytes, "an array's shape does not fit its bytes");
        return array;
    }

    private long bytesNeeded() {
        try {
            return Math.multiplyExact(new TensorSpec("", shape).count(), type.bits() / 8);
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("an array has more elements than 64 bits count", e);
        }
    }

    private static FlaxArray whole(MsgPack in) {
        MsgPack.Extension extension = in.extension();
        require(extension.type() == 1, "there is an extension that is no array");
        MsgPack payload = new MsgPack(extension.data());
        require(payload.array() == 3, "an array is not (shape, dtype, bytes)");
        long axes = payload.array();
        require(axes <= MOST_AXES, "an array has too many axes");
        long[] shape = new long[(int) axes];
        for (int i = 0; i < axes; i++) {
            shape[i] = payload.size();
        }
        SourceType type = type(payload.string());
        return new FlaxArray(type, shape, List.of(payload.binary()));
    }

    private static FlaxArray chunked(MsgPack in) {
        long[] shape = null;
        List<FlaxArray> chunks = List.of();
        long pairs = in.map();
        for (long i = 0; i < pairs; i++) {
            switch (in.string()) {
                case CHUNKED -> require(in.truth(), "an array is chunked and is not");
                case "shape" -> shape = numberedSizes(in);
                case "chunks" -> chunks = numberedArrays(in);
                default -> throw new IllegalArgumentException("a record is no array");
            }
        }
        require(shape != null && !chunks.isEmpty(), "a chunked array has no shape or no chunks");
        SourceType type = chunks.getFirst().type;
        List<MemorySegment> parts = new ArrayList<>();
        for (FlaxArray chunk : chunks) {
            MemorySegment part = chunk.parts.getFirst();
            require(chunk.type == type, "chunks of an array differ in type");
            require(part.byteSize() % (type.bits() / 8) == 0, "a chunk cuts an element");
            require(
                    parts.isEmpty() || parts.getLast().byteSize() == parts.getFirst().byteSize(),
                    "chunks of an array differ in length");
            parts.add(part);
        }
        require(
                parts.getLast().byteSize() <= parts.getFirst().byteSize(),
                "chunks of an array differ in length");
        return new FlaxArray(type, shape, List.copyOf(parts));
    }

    /** {'0': 4096, '1': 32, …}: flax's tuples. */
    private static long[] numberedSizes(MsgPack in) {
        long count = in.map();
        require(count <= MOST_AXES, "an array has too many axes");
        long[] sizes = new long[(int) count];
        for (int i = 0; i < count; i++) {
            require(in.string().equals("" + i), "a tuple is out of order");
            sizes[i] = in.size();
        }
        return sizes;
    }

    private static List<FlaxArray> numberedArrays(MsgPack in) {
        long count = in.map();
        require(count <= MOST_CHUNKS, "an array has too many chunks");
        List<FlaxArray> arrays = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            require(in.string().equals("" + i), "a tuple is out of order");
            arrays.add(whole(in));
        }
        return arrays;
    }

    private static SourceType type(String dtype) {
        return switch (dtype) {
            case "float32" -> SourceType.F32;
            case "bfloat16", "V2" -> SourceType.BF16;
            case "float16" -> SourceType.F16;
            case "float64" -> SourceType.F64;
            default ->
                    throw new IllegalArgumentException(
                            "an array is of dtype " + shortened(dtype) + ", not of a float's");
        };
    }

    private static String shortened(String text) {
        return text.length() <= 40 ? text : text.substring(0, 40) + "…";
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }
}
