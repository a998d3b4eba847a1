package org.ringworld.checkpoints.safetensors;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32C;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Json;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.files.AtomicFiles;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes a safetensors file as a stream: all tensors are declared first, then their bytes are given
 * in the same order, a tensor or a part of one at a time. The file has a temporary name until
 * {@link #finish} has synced and renamed it; closed before that, it leaves nothing behind.
 */
public final class SafeTensorsWriter implements AutoCloseable {
    private static final int CHUNK = 1 << 20;

    private final Path file;
    private final Path temporary;
    private final List<Entry> entries;
    private final FileChannel channel;
    private final CRC32C checksum = new CRC32C();
    private ByteBuffer copy;
    private int next;
    private long written;
    private boolean finished;

    /** A tensor to come. */
    public record Entry(String name, SourceType type, long[] shape) {
        /** Bytes of its data. */
        public long bytes() {
            long bits = Math.multiplyExact(new TensorSpec(name, shape).count(), type.bits());
            return bits / 8;
        }
    }

    private SafeTensorsWriter(Path file, Path temporary, List<Entry> entries, FileChannel channel) {
        this.file = file;
        this.temporary = temporary;
        this.entries = entries;
        this.channel = channel;
    }

    /**
     * Starts a file beside its final place.
     *
     * @param metadata free-form strings of the header; Transformers wants format = pt
     * @throws IllegalArgumentException where two tensors have one name
     * @throws CheckpointException where the file cannot be written
     */
    public static SafeTensorsWriter create(
            Path file, List<Entry> entries, Map<String, String> metadata)
            throws CheckpointException {
        Path temporary = AtomicFiles.temporary(file);
        try {
            FileChannel channel = AtomicFiles.open(temporary);
            SafeTensorsWriter writer =
                    new SafeTensorsWriter(file, temporary, List.copyOf(entries), channel);
            try {
                writer.writeAll(ByteBuffer.wrap(header(entries, metadata)));
                return writer;
            } catch (IOException | RuntimeException e) {
                writer.close();
                throw e;
            }
        } catch (IOException e) {
            throw cannotWrite(file, e);
        }
    }

    private static byte[] header(List<Entry> entries, Map<String, String> metadata) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        if (!metadata.isEmpty()) {
            ObjectNode strings = json.putObject("__metadata__");
            metadata.forEach(strings::put);
        }
        Set<String> names = new HashSet<>(Set.of("__metadata__"));
        long offset = 0;
        for (Entry entry : entries) {
            if (!names.add(entry.name())) {
                throw new IllegalArgumentException("two tensors are named " + entry.name());
            }
            ObjectNode info = json.putObject(entry.name()).put("dtype", entry.type().name());
            ArrayNode shape = info.putArray("shape");
            for (long d : entry.shape()) {
                shape.add(d);
            }
            info.putArray("data_offsets").add(offset).add(offset + entry.bytes());
            offset += entry.bytes();
        }
        byte[] text = json.toString().getBytes(StandardCharsets.UTF_8);
        // Spaces up to a multiple of 8 bytes, so that the data is aligned for whoever maps it.
        int padded = (text.length + 7) / 8 * 8;
        ByteBuffer header = ByteBuffer.allocate(8 + padded).order(ByteOrder.LITTLE_ENDIAN);
        header.putLong(padded).put(text);
        while (header.hasRemaining()) {
            header.put((byte) ' ');
        }
        return header.array();
    }

    /**
     * Writes the next tensor's bytes, which may be on or off the heap.
     *
     * @throws IllegalArgumentException where it is another tensor's turn or the size is wrong
     */
    public void write(String name, MemorySegment data) throws CheckpointException {
        requireNext(name, data, written == 0 && data.byteSize() == left());
        append(name, data);
    }

    /**
     * Writes more of the next tensor's bytes, until it is whole.
     *
     * @throws IllegalArgumentException where it is another tensor's turn or there are too many
     */
    public void append(String name, MemorySegment data) throws CheckpointException {
        requireNext(name, data, data.byteSize() <= left());
        try {
            for (long at = 0; at < data.byteSize(); at += CHUNK) {
                MemorySegment part = data.asSlice(at, Math.min(CHUNK, data.byteSize() - at));
                writeAll(part.isNative() ? part.asByteBuffer() : copied(part));
            }
        } catch (IOException e) {
            throw cannotWrite(file, e);
        }
        written += data.byteSize();
        if (left() == 0) {
            written = 0;
            next++;
        }
    }

    /** Bytes that the next tensor still lacks; −1 where none is to come. */
    private long left() {
        return next < entries.size() ? entries.get(next).bytes() - written : -1;
    }

    private void requireNext(String name, MemorySegment data, boolean fits) {
        Entry entry = next < entries.size() ? entries.get(next) : null;
        if (entry == null || !entry.name().equals(name) || !fits) {
            throw new IllegalArgumentException(
                    "%s: %s of %d bytes was given where %s comes next"
                            .formatted(
                                    file,
                                    name,
                                    data.byteSize(),
                                    entry == null
                                            ? "nothing"
                                            : entry.name() + " of " + entry.bytes() + " bytes"));
        }
    }

    private ByteBuffer copied(MemorySegment part) {
        if (copy == null) {
            copy = ByteBuffer.allocateDirect(CHUNK);
        }
        copy.clear().limit((int) part.byteSize());
        MemorySegment.ofBuffer(copy).copyFrom(part);
        return copy;
    }

    private void writeAll(ByteBuffer buffer) throws IOException {
        checksum.update(buffer.duplicate());
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }

    /**
     * Syncs the file and gives it its name, in place of an older one.
     *
     * @return the file's CRC-32C, of what was given and not of what the disk made of it
     * @throws IllegalStateException where tensors are still to come
     */
    public int finish() throws CheckpointException {
        if (next != entries.size()) {
            throw new IllegalStateException(
                    file + ": tensor " + entries.get(next).name() + " was declared, not written");
        }
        try {
            channel.force(true);
            channel.close();
            AtomicFiles.rename(temporary, file);
            finished = true;
            return (int) checksum.getValue();
        } catch (IOException e) {
            throw cannotWrite(file, e);
        }
    }

    public static CheckpointException cannotWrite(Path file, IOException e) {
        return e instanceof CheckpointException own
                ? own
                : new CheckpointException(file + ": cannot be written: " + Json.reason(e), e);
    }

    @Override
    public void close() throws CheckpointException {
        if (!finished) {
            try {
                channel.close();
                Files.deleteIfExists(temporary);
            } catch (IOException e) {
                throw cannotWrite(file, e);
            }
        }
    }
}
