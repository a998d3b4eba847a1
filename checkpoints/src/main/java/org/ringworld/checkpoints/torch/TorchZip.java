package org.ringworld.checkpoints.torch;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.ringworld.checkpoints.Bytes;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.StridedTensor;
import org.ringworld.checkpoints.WeightFile;
import org.ringworld.checkpoints.files.MappedFile;
import org.ringworld.checkpoints.pickle.Pickle;
import org.ringworld.checkpoints.torch.TorchObjects.TorchTensor;
import org.ringworld.runtime.DType;

/**
 * A PyTorch {@code .bin}, {@code .pt} or {@code .pth} file as {@code torch.save} writes it since
 * 1.6: a zip of a pickle and storages, each with a CRC-32. Its tensors are the state dict itself or
 * what lies under {@code state_dict}, {@code model} or {@code module}; other values beside them are
 * passed over.
 */
public final class TorchZip implements WeightFile {
    private static final String PICKLE = "data.pkl";
    // A thousand tensors take 150 KB; an opcode of one byte may cost fifty in memory.
    private static final long LARGEST_PICKLE = 4 << 20;

    private final Path file;
    private final Arena arena;
    private final Map<String, TorchTensor> tensors;

    private TorchZip(Path file, Arena arena, Map<String, TorchTensor> tensors) {
        this.file = file;
        this.arena = arena;
        this.tensors = tensors;
    }

    /**
     * Opens and checks a file; its storages are not read.
     *
     * @throws CheckpointException where it is no such file, is damaged, of the older form without
     *     zip, big-endian, or its pickle names anything that tensors do not need
     */
    public static TorchZip open(Path file) throws CheckpointException {
        return MappedFile.open(
                file,
                (arena, all) -> {
                    refuseOtherForms(file, all);
                    Map<String, StoredEntry> entries = ZipDirectory.entries(file, all);
                    return new TorchZip(file, arena, tensors(file, entries));
                });
    }

    private static void refuseOtherForms(Path file, MemorySegment all) throws CheckpointException {
        if (all.byteSize() >= 2 && (all.get(Bytes.SHORT, 0) & 0xffff) != 0x4b50) {
            boolean pickle = (all.get(Bytes.BYTE, 0) & 0xff) == 0x80;
            throw new CheckpointException(
                    pickle
                            ? file
                                    + ": is of the form that torch.save wrote before 1.6, a bare"
                                    + " pickle: load and save it with a newer PyTorch"
                            : file + ": is no zip file, as torch.save writes: convert it first");
        }
    }

    private static Map<String, TorchTensor> tensors(Path file, Map<String, StoredEntry> entries)
            throws CheckpointException {
        String folder = folder(file, entries);
        StoredEntry order = entries.get(folder + "byteorder");
        if (order != null && !text(order.data()).strip().equals("little")) {
            throw new CheckpointException(
                    file + ": was written big-endian: save it again on a little-endian machine");
        }
        StoredEntry entry = entries.get(folder + PICKLE);
        MemorySegment pickle = entry.data();
        if (pickle.byteSize() > LARGEST_PICKLE) {
            throw new CheckpointException(
                    "%s: its pickle of %d bytes is too large for a state dict"
                            .formatted(file, pickle.byteSize()));
        }
        if (!entry.isIntact()) {
            throw new CheckpointException(
                    file + ": its pickle does not match its CRC-32: copy the file again");
        }
        Object saved = Pickle.read(file, pickle, new TorchObjects(file, folder, entries));
        Map<String, TorchTensor> tensors = tensorsOf(saved);
        for (String wrapper : new String[] {"state_dict", "model", "module"}) {
            if (tensors.isEmpty() && saved instanceof Map<?, ?> map) {
                tensors = tensorsOf(map.get(wrapper));
            }
        }
        if (tensors.isEmpty()) {
            throw new CheckpointException(file + ": holds no state dict with tensors in it");
        }
        return Collections.unmodifiableMap(tensors);
    }

    /** The folder that everything lies in is named after the file that was first written. */
    private static String folder(Path file, Map<String, StoredEntry> entries)
            throws CheckpointException {
        for (String name : entries.keySet()) {
            String folder = name.substring(0, name.indexOf('/') + 1);
            if (name.equals(folder + PICKLE)) {
                return folder;
            }
        }
        throw new CheckpointException(
                file + ": is a zip file without " + PICKLE + ": not one of torch.save's");
    }

    private static Map<String, TorchTensor> tensorsOf(Object saved) {
        Map<String, TorchTensor> tensors = new LinkedHashMap<>();
        if (saved instanceof Map<?, ?> map) {
            map.forEach(
                    (key, value) -> {
                        if (key instanceof String name && value instanceof TorchTensor tensor) {
                            tensors.put(name, tensor);
                        }
                    });
        }
        return tensors;
    }

    private static String text(MemorySegment bytes) {
        long most = Math.min(bytes.byteSize(), 16);
        return new String(bytes.asSlice(0, most).toArray(Bytes.BYTE), StandardCharsets.UTF_8);
    }

    @Override
    public String format() {
        return "PyTorch zip";
    }

    @Override
    public Path file() {
        return file;
    }

    @Override
    public Set<String> names() {
        return tensors.keySet();
    }

    @Override
    public StridedTensor tensor(String name) throws CheckpointException {
        return find(name).view();
    }

    /** Checks the tensor's storage too, when it is the first to be read of it. */
    @Override
    public void read(String name, DType dtype, MemorySegment to) throws CheckpointException {
        if (!find(name).storage().isIntact()) {
            throw new CheckpointException(
                    "%s: the storage of tensor '%s' does not match its CRC-32: copy the file again"
                            .formatted(file, name));
        }
        WeightFile.super.read(name, dtype, to);
    }

    private TorchTensor find(String name) throws CheckpointException {
        TorchTensor tensor = tensors.get(name);
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
