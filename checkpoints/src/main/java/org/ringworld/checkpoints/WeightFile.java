package org.ringworld.checkpoints;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Set;
import org.ringworld.runtime.DType;

/**
 * A file of named tensors, mapped into memory: opening checks it and reads no weight. Threads may
 * read at the same time; nothing may be read after {@link #close}.
 */
public interface WeightFile extends AutoCloseable {
    /** Where it lies. */
    Path file();

    /** What kind of file it is, for people. */
    String format();

    /** Names in the file's order. */
    Set<String> names();

    /** Whether there is such a tensor. */
    default boolean has(String name) {
        return names().contains(name);
    }

    /**
     * A tensor as it is to be read, not yet read.
     *
     * @throws CheckpointException where there is no such tensor
     */
    StridedTensor tensor(String name) throws CheckpointException;

    /**
     * Writes a tensor of F64, F32, F16 or BF16 in row-major order.
     *
     * @param dtype F32, or BF16 to nearest even
     * @param to as many elements of it as the tensor has
     */
    default void read(String name, DType dtype, MemorySegment to) throws CheckpointException {
        StridedTensor tensor = tensor(name);
        if (!tensor.type().isValue()) {
            throw new CheckpointException(
                    "%s: tensor '%s' is %s where F32, BF16, F16 or F64 is needed"
                            .formatted(file(), name, tensor.type()));
        }
        if (to.byteSize() != tensor.count() * dtype.bytes()) {
            throw new IllegalArgumentException(
                    "tensor '%s' has %d elements, the memory given for them is %d bytes of %s"
                            .formatted(name, tensor.count(), to.byteSize(), dtype));
        }
        tensor.read(dtype, to);
    }

    @Override
    void close();
}
