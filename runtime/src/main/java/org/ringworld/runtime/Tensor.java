package org.ringworld.runtime;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * A dense row-major view of a device's memory. It owns nothing: the memory belongs to the {@link
 * Device} or {@link Workspace} it was taken from and is gone with it. The host never reads or
 * writes it but through {@link Device#copyIn} and {@link Device#copyOut}.
 */
public final class Tensor {
    private final Device device;
    private final DType dtype;
    private final long[] shape;
    private final MemorySegment memory;
    private final Tensor scales;
    private final ScaleGroups groups;

    /** A view of {@code memory}, whose size must be that of the shape; not for I8. */
    public Tensor(Device device, DType dtype, MemorySegment memory, long... shape) {
        this(device, dtype, memory, null, shape);
    }

    /**
     * @param scales of an I8 tensor alone: F32, as many as its {@link ScaleGroups}, with its first
     *     axis
     */
    public Tensor(Device device, DType dtype, MemorySegment memory, Tensor scales, long... shape) {
        long bytes = Math.multiplyExact(count(shape), dtype.bytes());
        if (memory.byteSize() != bytes) {
            throw new IllegalArgumentException(
                    "a tensor of %s %s is %d bytes, its memory %d"
                            .formatted(dtype, Arrays.toString(shape), bytes, memory.byteSize()));
        }
        this.groups = dtype == DType.I8 ? ScaleGroups.of(shape) : null;
        if ((groups != null) != (scales != null)
                || scales != null && scales.size() != groups.count()) {
            throw new IllegalArgumentException(
                    "%s %s with scales %s".formatted(dtype, Arrays.toString(shape), scales));
        }
        this.device = device;
        this.dtype = dtype;
        this.shape = shape;
        this.memory = memory;
        this.scales = scales;
    }

    /** Elements of a shape. */
    public static long count(long... shape) {
        long n = 1;
        for (long d : shape) {
            if (d < 0) {
                throw new IllegalArgumentException("negative size in " + Arrays.toString(shape));
            }
            n = Math.multiplyExact(n, d);
        }
        return n;
    }

    public Device device() {
        return device;
    }

    public DType dtype() {
        return dtype;
    }

    public int rank() {
        return shape.length;
    }

    /** Size of one axis; a negative axis counts from the end. */
    public long dim(int axis) {
        return shape[axis < 0 ? shape.length + axis : axis];
    }

    /** A copy of the shape. */
    public long[] shape() {
        return shape.clone();
    }

    /** Elements. */
    public long size() {
        return memory.byteSize() / dtype.bytes();
    }

    public long bytes() {
        return memory.byteSize();
    }

    /** The device's memory: for its own device alone; others have {@link Device#hostView}. */
    public MemorySegment memory() {
        return memory;
    }

    /** Its address in the device's address space. */
    public long address() {
        return memory.address();
    }

    /** What the elements of an I8 tensor are to be multiplied by, F32; null for other dtypes. */
    public Tensor scales() {
        return scales;
    }

    /** Which elements of an I8 tensor share a scale; null for other dtypes. */
    public ScaleGroups groups() {
        return groups;
    }

    /** The same elements under another shape, which for I8 has groups of the same elements. */
    public Tensor view(long... newShape) {
        Tensor same = null;
        if (scales != null) {
            same = scales.view(newShape[0], newShape[0] == 0 ? 0 : scales.size() / newShape[0]);
        }
        return new Tensor(device, dtype, memory, same, newShape);
    }

    /** The same memory as F32, whatever it means, to be copied as it is; without its scales. */
    public Tensor bits() {
        return new Tensor(device, DType.F32, memory, memory.byteSize() / DType.F32.bytes());
    }

    /** Rows [from, to) of the first axis, without a copy. */
    public Tensor rows(long from, long to) {
        if (from < 0 || to < from || to > shape[0]) {
            throw new IndexOutOfBoundsException("rows [%d, %d) of %s".formatted(from, to, this));
        }
        long row = shape[0] == 0 ? 0 : memory.byteSize() / shape[0];
        long[] s = shape.clone();
        s[0] = to - from;
        return new Tensor(
                device,
                dtype,
                memory.asSlice(from * row, (to - from) * row),
                scales == null ? null : scales.rows(from, to),
                s);
    }

    @Override
    public String toString() {
        return dtype + " " + Arrays.toString(shape);
    }
}
