package org.ringworld.checkpoints.files;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Json;

/** Files of weights mapped into memory, for the readers of their formats. */
public final class MappedFile {
    private static final byte[] GIT_LFS =
            "version https://git-lfs".getBytes(StandardCharsets.US_ASCII);

    private MappedFile() {}

    /** Makes what a format's reader is of a file's bytes. */
    @FunctionalInterface
    public interface Reader<T> {
        /**
         * @param arena unmaps the file when closed: the reader's from now on, unless it throws
         */
        T read(Arena arena, MemorySegment bytes) throws CheckpointException;
    }

    /**
     * Maps a file; it is unmapped again where the reader refuses it.
     *
     * @throws CheckpointException the reader's, or where the file cannot be read or only stands for
     *     one that Git LFS has
     */
    public static <T> T open(Path file, Reader<T> reader) throws CheckpointException {
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            MemorySegment bytes =
                    plain(
                            channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena),
                            arena);
            refuseLfsPointer(file, bytes);
            return reader.read(arena, bytes);
        } catch (CheckpointException | RuntimeException e) {
            arena.close();
            throw e;
        } catch (IOException e) {
            arena.close();
            throw new CheckpointException(file + ": cannot be read: " + Json.reason(e), e);
        }
    }

    /**
     * The same bytes as a segment of the class that a device's own memory has: kernels that are
     * given segments of two classes run at half of their rate.
     */
    private static MemorySegment plain(MemorySegment mapped, Arena arena) {
        return MemorySegment.ofAddress(mapped.address())
                .reinterpret(mapped.byteSize(), arena, null)
                .asReadOnly();
    }

    private static void refuseLfsPointer(Path file, MemorySegment bytes)
            throws CheckpointException {
        boolean isPointer =
                bytes.byteSize() >= GIT_LFS.length
                        && bytes.asSlice(0, GIT_LFS.length).mismatch(MemorySegment.ofArray(GIT_LFS))
                                < 0;
        if (isPointer) {
            throw new CheckpointException(
                    file + ": is a Git LFS pointer, not the file itself: run git lfs pull there");
        }
    }
}
