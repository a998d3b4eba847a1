package org.ringworld.checkpoints.pickle;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.StridedTensor;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.pickle.Pickle.Global;

/** What a pickle of NumPy arrays may construct: dtypes of floats, and arrays of them. */
final class NumpyArrays implements PickleObjects {
    private static final int MOST_AXES = 64;

    private final Path file;

    NumpyArrays(Path file) {
        this.file = file;
    }

    /** An array; null until its state comes. */
    static final class NumpyArray {
        StridedTensor tensor;
    }

    @Override
    public Object persistent(List<Object> id) throws CheckpointException {
        throw fault("its pickle refers to something outside of it");
    }

    @Override
    public Object construct(Global global, List<Object> arguments) throws CheckpointException {
        return switch (global.name()) {
            case "numpy.dtype" -> type(arguments.getFirst());
            case "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct" ->
                    new NumpyArray();
            case "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer" ->
                    array(
                            (SourceType) arguments.get(1),
                            Pickle.list(arguments.get(2)),
                            "F".equals(arguments.get(3)),
                            (MemorySegment) arguments.getFirst());
            default ->
                    throw fault(
                            "its pickle names %s, which is no part of NumPy's arrays: refused, nothing was run"
                                    .formatted(global.name()));
        };
    }

    /** Of a dtype's code, or of another package's class. */
    private SourceType type(Object name) throws CheckpointException {
        return switch (name.toString()) {
            case "f2" -> SourceType.F16;
            case "f4" -> SourceType.F32;
            case "f8" -> SourceType.F64;
            default -> throw fault("an array is of dtype '%s', not of a float's".formatted(name));
        };
    }

    /** Of a dtype: (version, byte order, …); of an array: (version, shape, dtype, order, bytes). */
    @Override
    public void build(Object made, Object state) throws CheckpointException {
        List<Object> parts = Pickle.list(state);
        if (made instanceof SourceType) {
            if (">".equals(parts.get(1))) {
                throw fault("its arrays are big-endian: save them on a little-endian machine");
            }
            return;
        }
        ((NumpyArray) made).tensor =
                array(
                                (SourceType) parts.get(2),
                                Pickle.list(parts.get(1)),
                                (Boolean) parts.get(3),
                                (MemorySegment) parts.get(4))
                        .tensor;
    }

    /**
     * @param reversed whether the first axis is the one without gaps (Fortran's order)
     */
    private NumpyArray array(
            SourceType type, List<Object> sizes, boolean reversed, MemorySegment bytes)
            throws CheckpointException {
        long[] shape = sizes.stream().mapToLong(size -> (Long) size).toArray();
        if (!fits(type, shape, bytes)) {
            throw fault("an array's shape does not fit its bytes");
        }
        long[] strides = StridedTensor.rowMajor(shape);
        if (reversed) {
            long stride = 1;
            for (int axis = 0; axis < shape.length; axis++) {
                strides[axis] = stride;
                stride *= shape[axis];
            }
        }
        NumpyArray array = new NumpyArray();
        array.tensor = new StridedTensor(type, List.of(bytes), 0, shape, strides);
        return array;
    }

    private static boolean fits(SourceType type, long[] shape, MemorySegment bytes) {
        try {
            return shape.length <= MOST_AXES
                    && new TensorSpec("", shape).count() == bytes.byteSize() / (type.bits() / 8)
                    && bytes.byteSize() % (type.bits() / 8) == 0;
        } catch (ArithmeticException e) {
            return false; // more elements than 63 bits count
        }
    }

    private CheckpointException fault(String message) {
        return new CheckpointException(file + ": " + message);
    }
}
