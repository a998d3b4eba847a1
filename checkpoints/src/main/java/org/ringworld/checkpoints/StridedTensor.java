package org.ringworld.checkpoints;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.ringworld.runtime.DType;

/**
 * A view of stored elements: [i, j, …] is element {@code offset + i·strides[0] + j·strides[1] + …}
 * of the parts laid end to end. All parts but the last hold the same number of elements.
 */
public final class StridedTensor {
    private static final int CHUNK = 8192;

    private final SourceType type;
    private final List<MemorySegment> parts;
    private final long partElements;
    private final long offset;
    private final long[] axes;
    private final long[] strides;
    private final long[] shape;

    /**
     * @throws IllegalArgumentException where the view leaves the stored elements
     */
    public StridedTensor(
            SourceType type, List<MemorySegment> parts, long offset, long[] shape, long[] strides) {
        this(type, parts, offset, shape, strides, shape);
        requireInside();
    }

    private StridedTensor(
            SourceType type,
            List<MemorySegment> parts,
            long offset,
            long[] axes,
            long[] strides,
            long[] shape) {
        this.type = type;
        this.parts = parts;
        this.partElements = elements(parts.getFirst());
        this.offset = offset;
        this.axes = axes;
        this.strides = strides;
        this.shape = shape;
    }

    /** The same elements in the same order under another shape, as many. */
    public StridedTensor withShape(long... other) {
        return new StridedTensor(type, parts, offset, axes, strides, other);
    }

    /** Elements in row-major order, without a gap. */
    public static StridedTensor contiguous(SourceType type, MemorySegment data, long[] shape) {
        return new StridedTensor(type, List.of(data), 0, shape, rowMajor(shape));
    }

    /** The strides of a tensor without gaps. */
    public static long[] rowMajor(long[] shape) {
        long[] strides = new long[shape.length];
        long stride = isEmpty(shape) ? 0 : 1;
        for (int axis = shape.length - 1; axis >= 0; axis--) {
            strides[axis] = stride;
            stride *= shape[axis];
        }
        return strides;
    }

    private static boolean isEmpty(long[] shape) {
        return Arrays.stream(shape).anyMatch(d -> d == 0);
    }

    private void requireInside() {
        long stored = 0;
        for (MemorySegment part : parts) {
            stored += elements(part);
        }
        boolean counted =
                offset >= 0
                        && axes.length == strides.length
                        && Arrays.stream(axes).allMatch(d -> d >= 0)
                        && Arrays.stream(strides).allMatch(d -> d >= 0);
        if (!counted) {
            throw new IllegalArgumentException(
                    "has a negative size or stride, or not as many of both");
        }
        if (isEmpty(axes)) {
            return;
        }
        try {
            long last = offset;
            for (int axis = 0; axis < axes.length; axis++) {
                last = Math.addExact(last, Math.multiplyExact(axes[axis] - 1, strides[axis]));
            }
            count();
            if (last >= stored) {
                throw new IllegalArgumentException("reaches outside of its " + stored);
            }
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("reaches outside of its " + stored, e);
        }
    }

    private long elements(MemorySegment part) {
        return part.byteSize() * 8 / type.bits();
    }

    public SourceType type() {
        return type;
    }

    public long[] shape() {
        return shape;
    }

    public long count() {
        return isEmpty(shape) ? 0 : new TensorSpec("", shape).count();
    }

    /** Whether both hold the same bits, without reading what is the same view of one storage. */
    boolean holdsTheSameAs(StridedTensor other) {
        if (type != other.type || !type.isValue() || !Arrays.equals(shape, other.shape)) {
            return false;
        }
        boolean sameView =
                offset == other.offset
                        && Arrays.equals(axes, other.axes)
                        && Arrays.equals(strides, other.strides);
        if (sameView && parts.equals(other.parts)) {
            return true;
        }
        int width = type.bits() / 8;
        MemorySegment mine = MemorySegment.ofArray(new byte[CHUNK * width]);
        MemorySegment others = MemorySegment.ofArray(new byte[CHUNK * width]);
        long count = count();
        for (long done = 0; done < count; done += CHUNK) {
            int n = (int) Math.min(CHUNK, count - done);
            gather(done, n, mine);
            other.gather(done, n, others);
            if (mine.mismatch(others) >= 0) {
                return false;
            }
        }
        return true;
    }

    /** Its bytes where they lie, if they are what {@link #read} would write, and aligned. */
    Optional<MemorySegment> inPlace(DType dtype) {
        boolean same =
                switch (type) {
                    case F32 -> dtype == DType.F32;
                    case BF16 -> dtype == DType.BF16;
                    default -> false;
                };
        if (!same || !isOneRun()) {
            return Optional.empty();
        }
        MemorySegment bytes = run();
        return bytes.address() % dtype.bytes() == 0 ? Optional.of(bytes) : Optional.empty();
    }

    private boolean isOneRun() {
        return parts.size() == 1 && Arrays.equals(strides, rowMajor(axes));
    }

    private MemorySegment run() {
        long width = type.bits() / 8;
        return parts.getFirst().asSlice(offset * width, count() * width);
    }

    /** Writes all elements in row-major order as F32 or BF16. */
    public void read(DType dtype, MemorySegment to) {
        long count = count();
        if (count == 0) {
            return;
        }
        if (isOneRun()) {
            Conversion.convert(run(), type, to, dtype);
            return;
        }
        int width = type.bits() / 8;
        MemorySegment raw = MemorySegment.ofArray(new byte[(int) Math.min(count, CHUNK) * width]);
        for (long done = 0; done < count; done += CHUNK) {
            int n = (int) Math.min(CHUNK, count - done);
            MemorySegment some = raw.asSlice(0, (long) n * width);
            gather(done, n, some);
            long size = (long) n * dtype.bytes();
            Conversion.convert(some, type, to.asSlice(done * dtype.bytes(), size), dtype);
        }
    }

    /** Elements {@code from} to {@code from + n} in row-major order, as they are stored. */
    public void gather(long from, int n, MemorySegment to) {
        long[] index = new long[axes.length];
        long rest = from;
        long at = offset;
        for (int axis = axes.length - 1; axis >= 0; axis--) {
            index[axis] = rest % axes[axis];
            rest /= axes[axis];
            at += index[axis] * strides[axis];
        }
        long rowLength = axes.length == 0 ? 1 : axes[axes.length - 1];
        long stride = axes.length == 0 ? 1 : strides[axes.length - 1];
        for (int done = 0; done < n; ) {
            long column = axes.length == 0 ? 0 : index[axes.length - 1];
            int run = (int) Math.min(n - done, rowLength - column);
            copyRun(at, stride, run, to, done);
            done += run;
            at += run * stride;
            if (axes.length > 0) {
                index[axes.length - 1] += run;
                at += carry(index);
            }
        }
    }

    /** Starts the next row where one has ended; returns how far that is from the row's end. */
    private long carry(long[] index) {
        long move = 0;
        for (int axis = index.length - 1; axis >= 0 && index[axis] == axes[axis]; axis--) {
            move -= axes[axis] * strides[axis];
            index[axis] = 0;
            if (axis > 0) {
                index[axis - 1]++;
                move += strides[axis - 1];
            }
        }
        return move;
    }

    private void copyRun(long at, long stride, int run, MemorySegment to, int done) {
        int part = (int) (at / Math.max(1, partElements));
        long first = at - part * partElements;
        if (first + (run - 1) * stride < elements(parts.get(part))) {
            copy(parts.get(part), first, stride, run, to, done);
            return;
        }
        for (int i = 0; i < run; i++) {
            long element = at + i * stride;
            int of = (int) (element / partElements);
            copy(parts.get(of), element - of * partElements, 1, 1, to, done + i);
        }
    }

    private void copy(
            MemorySegment part, long first, long stride, int run, MemorySegment to, int done) {
        int width = type.bits() / 8;
        if (stride == 1) {
            long bytes = (long) run * width;
            MemorySegment.copy(part, first * width, to, (long) done * width, bytes);
            return;
        }
        switch (width) {
            case 1 -> {
                for (int i = 0; i < run; i++) {
                    to.set(Bytes.BYTE, done + i, part.get(Bytes.BYTE, first + i * stride));
                }
            }
            case 2 -> {
                for (int i = 0; i < run; i++) {
                    short bits = part.get(Bytes.SHORT, (first + i * stride) * 2);
                    to.set(Bytes.SHORT, (done + i) * 2L, bits);
                }
            }
            case 4 -> {
                for (int i = 0; i < run; i++) {
                    int bits = part.get(Bytes.INT, (first + i * stride) * 4);
                    to.set(Bytes.INT, (done + i) * 4L, bits);
                }
            }
            default -> {
                for (int i = 0; i < run; i++) {
                    long bits = part.get(Bytes.LONG, (first + i * stride) * 8);
                    to.set(Bytes.LONG, (done + i) * 8L, bits);
                }
            }
        }
    }
}
