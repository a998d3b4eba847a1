package org.ringworld.runtime;

import java.lang.foreign.MemorySegment;

/**
 * A compute device: its memory, its kernels and the order in which they run. One host thread at a
 * time drives it. It may run behind that thread: kernels are queued in order and a value reaches
 * the host only through {@link #copyOut}. A CPU is a device whose queue is always empty.
 */
public interface Device extends AutoCloseable {
    /** What it is, for logs: {@code cpu (2 threads)}. */
    String name();

    Kernels kernels();

    /** The operations of image models. */
    VisionKernels vision();

    /**
     * Its budget, bytes: what is kept and what is computed again is decided by it, and other
     * devices of the host do not count on it. Taking more is not refused as long as there is some.
     */
    long memory();

    /** How much of a sequence its kernels are best given at once. */
    BlockSizes blocks();

    /**
     * Takes zeroed memory, aligned to 64 bytes at least; it stays until {@link #free} or {@link
     * #close}.
     *
     * @throws OutOfMemoryError naming the bytes asked for
     */
    MemorySegment allocate(long bytes);

    void free(MemorySegment memory);

    /** Gives back what {@link #tensor} took. */
    default void free(Tensor tensor) {
        free(tensor.memory());
        if (tensor.scales() != null) {
            free(tensor.scales());
        }
    }

    /**
     * Gives back what its kernels keep from call to call; they take it again when they need it.
     * From the thread that drives it, between kernels.
     */
    void trim();

    /** Bytes taken and not freed. */
    long allocated();

    /** A zeroed tensor that stays until {@link #free(Tensor)} or {@link #close}. */
    default Tensor tensor(DType dtype, long... shape) {
        MemorySegment memory = allocate(Math.multiplyExact(Tensor.count(shape), dtype.bytes()));
        if (dtype != DType.I8) {
            return new Tensor(this, dtype, memory, shape);
        }
        try {
            Tensor scales = tensor(DType.F32, ScaleGroups.of(shape).scales(shape[0]));
            return new Tensor(this, dtype, memory, scales, shape);
        } catch (OutOfMemoryError e) {
            free(memory);
            throw e;
        }
    }

    /**
     * A tensor with the values of host memory: a view of it on a CPU, so that what either writes is
     * the other's too, and a copy on a device with memory of its own. It stays until {@link
     * #free(Tensor)}, which leaves {@code host} alone, or {@link #close}; until then {@code host}
     * must be there.
     *
     * @param host outside of the Java heap, of an arena that all threads may use
     * @param dtype not I8
     * @throws IllegalArgumentException where it has another size than the shape, lies on the heap,
     *     is not aligned to the dtype, or is adopted already
     */
    Tensor adopt(MemorySegment host, DType dtype, long... shape);

    /**
     * A tensor's bytes where the host may read and write them in place, for whoever carries bytes;
     * good as long as the tensor is, and while no kernel that is queued uses it.
     *
     * @throws UnsupportedOperationException on a device whose memory the host does not reach: take
     *     {@link #copyOut} and {@link #copyIn} there, or {@link #staging}
     */
    MemorySegment hostView(Tensor tensor);

    /**
     * For a thread that does not drive the device and carries bytes of its tensors, to be closed
     * before the device.
     *
     * @param most bytes at once
     */
    Staging staging(long most);

    /** Where its memory is: kernels of two devices with equal answers read each other's tensors. */
    String memorySpace();

    /** Queues a copy from the host; {@code host} may be reused when it returns. */
    void copyIn(MemorySegment host, Tensor to);

    /** Waits for everything queued, then copies to the host. */
    void copyOut(Tensor from, MemorySegment host);

    /** An event that happens when everything queued so far has run. */
    Event record();

    /** What is queued from now on runs after {@code event}, which may be another device's. */
    void await(Event event);

    /** A number that grows while kernels run: one that stands still tells of a hung device. */
    long progress();

    /** A thread to drive this device from, placed where its kernels run best; not started. */
    Thread newThread(String name, Runnable body);

    /** Gives back all memory and threads. */
    @Override
    void close();
}
