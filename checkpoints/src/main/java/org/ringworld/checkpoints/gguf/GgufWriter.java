package org.ringworld.checkpoints.gguf;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.LongConsumer;
import org.ringworld.checkpoints.Bytes;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.files.AtomicFiles;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;

/**
 * Writes a GGUF file (version 3) as a stream: all tensors are declared first, then their values are
 * given in the same order, one tensor at a time. The file has a temporary name until {@link
 * #finish} has synced and renamed it; closed before that, it leaves nothing behind.
 */
final class GgufWriter implements AutoCloseable {
    private static final int VERSION = 3;
    private static final int ALIGNMENT = 32;

    /** Values stored at once: whole blocks of every type. */
    private static final int CHUNK = 1 << 16;

    private final Path file;
    private final Path temporary;
    private final GgufType type;
    private final List<TensorSpec> tensors;
    private final LongConsumer written;
    private final FileChannel channel;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment stored = arena.allocate(CHUNK * 4L);
    private final float[] values = new float[CHUNK];
    private int next;
    private boolean finished;

    private GgufWriter(
            Path file,
            Path temporary,
            GgufType type,
            List<TensorSpec> tensors,
            LongConsumer written,
            FileChannel channel) {
        this.file = file;
        this.temporary = temporary;
        this.type = type;
        this.tensors = tensors;
        this.written = written;
        this.channel = channel;
    }

    /**
     * Starts a file beside its final place.
     *
     * @param type of the matrices, where their rows are whole blocks
     * @param tensors by GGUF's names, the last axis contiguous
     * @param written told the bytes that were written, some at a time
     */
    static GgufWriter create(
            Path file,
            GgufType type,
            GgufMetadata metadata,
            List<TensorSpec> tensors,
            LongConsumer written)
            throws CheckpointException {
        Path temporary = AtomicFiles.temporary(file);
        try {
            FileChannel channel = AtomicFiles.open(temporary);
            GgufWriter writer = new GgufWriter(file, temporary, type, tensors, written, channel);
            try {
                writer.writeAll(ByteBuffer.wrap(header(type, metadata, tensors)));
                writer.align();
                return writer;
            } catch (IOException | RuntimeException e) {
                writer.close();
                throw e;
            }
        } catch (IOException e) {
            throw SafeTensorsWriter.cannotWrite(file, e);
        }
    }

    private static byte[] header(GgufType type, GgufMetadata metadata, List<TensorSpec> tensors) {
        GgufMetadata.Output out = new GgufMetadata.Output();
        out.writeBytes(new byte[] {'G', 'G', 'U', 'F'});
        out.number(VERSION);
        out.number((long) tensors.size());
        out.number((long) metadata.size());
        out.writeBytes(metadata.bytes());
        long offset = 0;
        for (TensorSpec tensor : tensors) {
            long[] shape = tensor.shape();
            out.text(tensor.name());
            out.number(shape.length);
            for (int axis = shape.length - 1; axis >= 0; axis--) {
                out.number(shape[axis]);
            }
            GgufType own = type.of(shape);
            out.number(own.number());
            out.number(offset);
            offset += own.bytes(tensor.count());
            offset += padding(offset);
        }
        return out.toByteArray();
    }

    private static long padding(long position) {
        return -position & (ALIGNMENT - 1);
    }

    /**
     * Writes the next tensor.
     *
     * @param f32 its values, row-major
     * @throws IllegalArgumentException where it is another tensor's turn or the size is wrong
     * @throws CheckpointException where a value cannot be stored, or the file not be written
     */
    void write(String name, MemorySegment f32) throws CheckpointException {
        TensorSpec tensor = next < tensors.size() ? tensors.get(next) : null;
        if (tensor == null
                || !tensor.name().equals(name)
                || tensor.count() * Float.BYTES != f32.byteSize()) {
            throw new IllegalArgumentException(
                    "%s of %d bytes was given where %s comes next"
                            .formatted(name, f32.byteSize(), tensor));
        }
        GgufType own = type.of(tensor.shape());
        try {
            for (long at = 0; at < tensor.count(); at += CHUNK) {
                int n = (int) Math.min(CHUNK, tensor.count() - at);
                MemorySegment.copy(f32, Bytes.FLOAT, at * Float.BYTES, values, 0, n);
                own.store(values, n, stored);
                writeAll(stored.asSlice(0, own.bytes(n)).asByteBuffer());
                written.accept(own.bytes(n));
            }
            align();
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(
                    "%s cannot be stored as %s: %s".formatted(tensor, own, e.getMessage()), e);
        } catch (IOException e) {
            throw SafeTensorsWriter.cannotWrite(file, e);
        }
        next++;
    }

    private void align() throws IOException {
        writeAll(ByteBuffer.allocate((int) padding(channel.position())));
    }

    private void writeAll(ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }

    /**
     * Syncs the file and gives it its name.
     *
     * @throws IllegalStateException where tensors are still to come
     */
    void finish() throws CheckpointException {
        if (next != tensors.size()) {
            throw new IllegalStateException(tensors.get(next) + " was declared, not written");
        }
        try {
            channel.force(true);
            channel.close();
            AtomicFiles.rename(temporary, file);
            finished = true;
        } catch (IOException e) {
            throw SafeTensorsWriter.cannotWrite(file, e);
        }
    }

    @Override
    public void close() throws CheckpointException {
        arena.close();
        if (!finished) {
            try {
                channel.close();
                Files.deleteIfExists(temporary);
            } catch (IOException e) {
                throw SafeTensorsWriter.cannotWrite(file, e);
            }
        }
    }
}
