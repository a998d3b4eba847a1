package org.ringworld.checkpoints.safetensors;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.ringworld.checkpoints.Bytes;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Json;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.StridedTensor;
import org.ringworld.checkpoints.WeightFile;
import org.ringworld.checkpoints.files.MappedFile;
import org.ringworld.runtime.DType;

/**
 * A safetensors file, mapped into memory: opening reads the header alone, and a tensor's bytes come
 * when they are touched. Threads may read at the same time; nothing may be read after {@link
 * #close}. Data need not be aligned.
 */
public final class SafeTensors implements WeightFile {
    // The limit of the reference implementation.
    private static final long LARGEST_HEADER = 100_000_000;

    private final Path file;
    private final Arena arena;
    private final MemorySegment data;
    private final Map<String, Info> tensors;
    private final Map<String, String> metadata;

    /** One tensor: element type, shape ([] holds one element), bytes [begin, end) of the data. */
    public record Info(SourceType type, long[] shape, long begin, long end) {
        /** Elements. */
        public long count() {
            return (end - begin) * 8 / type.bits();
        }
    }

    private SafeTensors(
            Path file, Arena arena, MemorySegment data, SafeTensorsHeader.Parsed header) {
        this.file = file;
        this.arena = arena;
        this.data = data;
        this.tensors = header.tensors();
        this.metadata = header.metadata();
    }

    /**
     * Opens and checks a file.
     *
     * @throws CheckpointException where the file cannot be read, is no safetensors file, or its
     *     header contradicts itself or the file's length
     */
    public static SafeTensors open(Path file) throws CheckpointException {
        if (Files.isDirectory(file)) {
            throw new CheckpointException(file + ": is a directory, not a safetensors file");
        }
        return MappedFile.open(
                file,
                (arena, all) -> {
                    long headerBytes = headerBytes(file, all);
                    String json = Json.utf8(file, all.asSlice(8, headerBytes).toArray(Bytes.BYTE));
                    MemorySegment data = all.asSlice(8 + headerBytes);
                    SafeTensorsHeader.Parsed header =
                            SafeTensorsHeader.parse(file, json, data.byteSize());
                    return new SafeTensors(file, arena, data, header);
                });
    }

    private static long headerBytes(Path file, MemorySegment all) throws CheckpointException {
        if (all.byteSize() < 8) {
            throw new CheckpointException(
                    "%s: its %d bytes are too few for a safetensors file"
                            .formatted(file, all.byteSize()));
        }
        long bytes = all.get(Bytes.LONG, 0);
        if (bytes < 0 || bytes > LARGEST_HEADER) {
            throw new CheckpointException(
                    "%s: is no safetensors file: its header would be %s bytes long"
                            .formatted(file, Long.toUnsignedString(bytes)));
        }
        if (bytes > all.byteSize() - 8) {
            throw new CheckpointException(
                    "%s: the file ends %d bytes early, in its header: fetch or copy it again"
                            .formatted(file, bytes - (all.byteSize() - 8)));
        }
        return bytes;
    }

    @Override
    public String format() {
        return "safetensors";
    }

    @Override
    public Path file() {
        return file;
    }

    /** Names in the header's order. */
    @Override
    public Set<String> names() {
        return tensors.keySet();
    }

    /** The header's free-form strings ({@code __metadata__}). */
    public Map<String, String> metadata() {
        return metadata;
    }

    @Override
    public boolean has(String name) {
        return tensors.containsKey(name);
    }

    /**
     * @throws CheckpointException where there is no such tensor
     */
    public Info info(String name) throws CheckpointException {
        Info info = tensors.get(name);
        if (info == null) {
            throw new CheckpointException(file + ": holds no tensor '" + name + "'");
        }
        return info;
    }

    /** The bytes of a tensor as they are stored: little-endian, at any alignment. */
    public MemorySegment data(String name) throws CheckpointException {
        Info info = info(name);
        return data.asSlice(info.begin(), info.end() - info.begin());
    }

    /** Writes a tensor of F64, F32, F16 or BF16 as F32, 4 bytes an element. */
    public void readF32(String name, MemorySegment to) throws CheckpointException {
        read(name, DType.F32, to);
    }

    @Override
    public StridedTensor tensor(String name) throws CheckpointException {
        Info info = info(name);
        return StridedTensor.contiguous(info.type(), data(name), info.shape());
    }

    /** The values of a tensor of F64, F32, F16 or BF16, at most 2³¹ − 9 of them. */
    public float[] readFloats(String name) throws CheckpointException {
        float[] values = new float[arraySize(name)];
        readF32(name, MemorySegment.ofArray(values));
        return values;
    }

    /**
     * The values of a tensor of any integer type or BOOL.
     *
     * @throws CheckpointException also where a value does not fit 32 bits
     */
    public int[] readInts(String name) throws CheckpointException {
        int[] values = new int[arraySize(name)];
        SourceType type = info(name).type();
        MemorySegment from = data(name);
        for (int i = 0; i < values.length; i++) {
            long value =
                    switch (type) {
                        case I64 -> from.get(Bytes.LONG, 8L * i);
                        case U64 -> // over 63 bits: any value that does not fit
                                from.get(Bytes.LONG, 8L * i) < 0
                                        ? Long.MAX_VALUE
                                        : from.get(Bytes.LONG, 8L * i);
                        case I32 -> from.get(Bytes.INT, 4L * i);
                        case U32 -> from.get(Bytes.INT, 4L * i) & 0xffffffffL;
                        case I16 -> from.get(Bytes.SHORT, 2L * i);
                        case U16 -> from.get(Bytes.SHORT, 2L * i) & 0xffff;
                        case I8 -> from.get(Bytes.BYTE, i);
                        case U8, BOOL -> from.get(Bytes.BYTE, i) & 0xff;
                        default ->
                                throw new CheckpointException(
                                        "%s: tensor '%s' is %s where integers are needed"
                                                .formatted(file, name, type));
                    };
            if (value != (int) value) {
                throw new CheckpointException(
                        "%s: tensor '%s' holds %d, which does not fit 32 bits"
                                .formatted(file, name, value));
            }
            values[i] = (int) value;
        }
        return values;
    }

    private int arraySize(String name) throws CheckpointException {
        long count = info(name).count();
        if (count > Integer.MAX_VALUE - 8) {
            throw new CheckpointException(
                    "%s: tensor '%s' has %d elements, too many for an array"
                            .formatted(file, name, count));
        }
        return (int) count;
    }

    /** Unmaps the file. */
    @Override
    public void close() {
        arena.close();
    }
}
