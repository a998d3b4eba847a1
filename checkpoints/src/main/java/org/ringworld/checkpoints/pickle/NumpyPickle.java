package org.ringworld.checkpoints.pickle;

import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.ringworld.checkpoints.Bytes;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.StridedTensor;
import org.ringworld.checkpoints.WeightFile;
import org.ringworld.checkpoints.files.MappedFile;
import org.ringworld.checkpoints.pickle.NumpyArrays.NumpyArray;

/**
 * A pickle of a nested dictionary of NumPy arrays, as LWM's VQGAN is: names are the keys on an
 * array's way, joined by dots.
 */
public final class NumpyPickle implements WeightFile {
    /** The first opcode of every pickle since 2003. */
    private static final byte PROTO = (byte) 0x80;

    private static final int DEEPEST = 64;

    private final Path file;
    private final Arena arena;
    private final Map<String, StridedTensor> tensors = new LinkedHashMap<>();

    private NumpyPickle(Path file, Arena arena) {
        this.file = file;
        this.arena = arena;
    }

    /**
     * Opens and checks a file; its arrays are not read.
     *
     * @throws CheckpointException where it is no such pickle, is damaged, or names anything that
     *     arrays do not need
     */
    public static NumpyPickle open(Path file) throws CheckpointException {
        return MappedFile.open(
                file,
                (arena, all) -> {
                    if (all.byteSize() == 0 || all.get(Bytes.BYTE, 0) != PROTO) {
                        throw new CheckpointException(
                                file + ": is no pickle, and not named as a safetensors file is");
                    }
                    Object saved = Pickle.read(file, all, new NumpyArrays(file));
                    if (!(saved instanceof Map<?, ?> map)) {
                        throw new CheckpointException(file + ": its pickle is no dictionary");
                    }
                    NumpyPickle pickle = new NumpyPickle(file, arena);
                    Set<Object> seen = Collections.newSetFromMap(new IdentityHashMap<>());
                    pickle.collect(map, "", 0, seen);
                    return pickle;
                });
    }

    /** A dictionary that holds itself, or others twice over, would have no end. */
    private void collect(Map<?, ?> map, String prefix, int depth, Set<Object> seen)
            throws CheckpointException {
        if (depth == DEEPEST || !seen.add(map)) {
            throw new CheckpointException(file + ": its dictionaries are nested without end");
        }
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            String name = prefix + entry.getKey();
            switch (entry.getValue()) {
                case Map<?, ?> inner -> collect(inner, name + ".", depth + 1, seen);
                case NumpyArray array when array.tensor != null -> tensors.put(name, array.tensor);
                default ->
                        throw new CheckpointException(
                                "%s: '%s' is neither an array nor a dictionary of them"
                                        .formatted(file, name));
            }
        }
    }

    @Override
    public Path file() {
        return file;
    }

    @Override
    public String format() {
        return "pickle of NumPy arrays";
    }

    @Override
    public Set<String> names() {
        return Collections.unmodifiableSet(tensors.keySet());
    }

    @Override
    public StridedTensor tensor(String name) throws CheckpointException {
        StridedTensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new CheckpointException(file + ": holds no tensor '" + name + "'");
        }
        return tensor;
    }

    /** Unmaps the file. */
    @Override
    public void close() {
        arena.close();
    }
}
