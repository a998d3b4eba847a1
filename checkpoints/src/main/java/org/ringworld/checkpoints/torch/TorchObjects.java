package org.ringworld.checkpoints.torch;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.StridedTensor;
import org.ringworld.checkpoints.pickle.Pickle;
import org.ringworld.checkpoints.pickle.Pickle.Global;
import org.ringworld.checkpoints.pickle.PickleObjects;

/** What a {@code torch.save} pickle may construct: ordered dictionaries, storages and tensors. */
final class TorchObjects implements PickleObjects {
    private static final Map<String, SourceType> STORAGES =
            Map.of(
                    "torch.DoubleStorage", SourceType.F64,
                    "torch.FloatStorage", SourceType.F32,
                    "torch.HalfStorage", SourceType.F16,
                    "torch.BFloat16Storage", SourceType.BF16,
                    "torch.LongStorage", SourceType.I64,
                    "torch.IntStorage", SourceType.I32,
                    "torch.ShortStorage", SourceType.I16,
                    "torch.CharStorage", SourceType.I8,
                    "torch.ByteStorage", SourceType.U8,
                    "torch.BoolStorage", SourceType.BOOL);
    // PyTorch froze its typed storages; element types it has gained since lie on untyped ones.
    private static final String UNTYPED = "torch.storage.UntypedStorage";
    private static final Map<String, SourceType> NEWER_DTYPES =
            Map.of(
                    "torch.float8_e4m3fn", SourceType.F8_E4M3,
                    "torch.float8_e5m2", SourceType.F8_E5M2,
                    "torch.float8_e8m0fnu", SourceType.F8_E8M0,
                    "torch.uint16", SourceType.U16,
                    "torch.uint32", SourceType.U32,
                    "torch.uint64", SourceType.U64);
    private static final int MOST_AXES = 64;

    private final Path file;
    private final String folder;
    private final Map<String, StoredEntry> entries;

    /** Elements of a storage; of no type where the tensors on it say theirs. */
    private record Storage(String key, SourceType type, MemorySegment data, StoredEntry entry) {}

    /** A tensor and the entry of the zip that its elements lie in. */
    record TorchTensor(StridedTensor view, StoredEntry storage) {}

    /**
     * @param folder of the zip, with its slash: storages are its {@code data/<key>}
     */
    TorchObjects(Path file, String folder, Map<String, StoredEntry> entries) {
        this.file = file;
        this.folder = folder;
        this.entries = entries;
    }

    /** Of a persistent id: ('storage', type, key, device, elements). */
    @Override
    public Object persistent(List<Object> id) throws CheckpointException {
        if (id.size() != 5 || !"storage".equals(id.get(0))) {
            throw fault("its pickle refers to something other than a storage");
        }
        String typeName = ((Global) id.get(1)).name();
        String key = (String) id.get(2);
        long elements = (Long) id.get(4);
        boolean untyped = typeName.equals(UNTYPED);
        SourceType type = STORAGES.get(typeName);
        if (type == null && !untyped) {
            throw refused(typeName);
        }
        StoredEntry entry = entries.get(folder + "data/" + key);
        if (entry == null) {
            throw fault("storage %s is missing: fetch or copy it again".formatted(key));
        }
        MemorySegment data = entry.data();
        int width = untyped ? 1 : type.bits() / 8;
        if (elements < 0 || elements > data.byteSize() / width) {
            throw fault(
                    "storage %s has %d bytes, too few for its %d elements of %d"
                            .formatted(key, data.byteSize(), elements, width));
        }
        return new Storage(key, type, data.asSlice(0, elements * width), entry);
    }

    /** What {@code name(*arguments)} makes, for the few names that state dicts are made of. */
    @Override
    public Object construct(Global global, List<Object> arguments) throws CheckpointException {
        return switch (global.name()) {
            case "collections.OrderedDict" -> orderedDict(arguments);
            case "torch._utils._rebuild_tensor_v2" -> tensor(arguments, null);
            case "torch._utils._rebuild_tensor_v3" ->
                    tensor(arguments, dtype((Global) arguments.get(6)));
            case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state" ->
                    (TorchTensor) arguments.getFirst();
            case "torch.Size" -> Pickle.list(arguments.getFirst());
            default -> throw refused(global.name());
        };
    }

    /** An OrderedDict's attributes ({@code _metadata}): versions of modules, not weights. */
    @Override
    public void build(Object made, Object state) {
        Pickle.map(made);
    }

    private Map<Object, Object> orderedDict(List<Object> arguments) throws CheckpointException {
        if (!arguments.isEmpty()) {
            throw fault("its pickle fills an OrderedDict in an unknown way");
        }
        return new LinkedHashMap<>();
    }

    private SourceType dtype(Global global) throws CheckpointException {
        SourceType type = NEWER_DTYPES.get(global.name());
        if (type == null) {
            throw refused(global.name());
        }
        return type;
    }

    /** Arguments: storage, offset, shape, strides (both in elements), and nothing of interest. */
    private TorchTensor tensor(List<Object> arguments, SourceType dtype)
            throws CheckpointException {
        Storage storage = (Storage) arguments.get(0);
        SourceType type = dtype == null ? storage.type() : dtype;
        if (type == null) {
            throw fault("a tensor on the untyped storage %s has no type".formatted(storage.key()));
        }
        refuseLazyViews(storage, arguments.subList(dtype == null ? 6 : 7, arguments.size()));
        long offset = (Long) arguments.get(1);
        try {
            StridedTensor view =
                    new StridedTensor(
                            type,
                            List.of(storage.data()),
                            offset,
                            longs(arguments.get(2)),
                            longs(arguments.get(3)));
            return new TorchTensor(view, storage.entry());
        } catch (IllegalArgumentException e) {
            throw fault(
                    "a tensor on storage %s %s elements".formatted(storage.key(), e.getMessage()));
        }
    }

    /** Of a view that is negated only when used, the values before that are stored. */
    private void refuseLazyViews(Storage storage, List<Object> metadata)
            throws CheckpointException {
        for (Object states : metadata) {
            if (Pickle.map(states).containsValue(true)) {
                throw fault(
                        "a tensor on storage %s is a view yet to be negated: save its resolve_neg()"
                                .formatted(storage.key()));
            }
        }
    }

    private static long[] longs(Object tuple) {
        List<Object> values = new ArrayList<>(Pickle.list(tuple));
        if (values.size() > MOST_AXES) {
            throw new IllegalArgumentException("has more axes than any array and too many");
        }
        return values.stream().mapToLong(v -> (Long) v).toArray();
    }

    private CheckpointException refused(String name) {
        return fault(
                "its pickle names %s, which is no part of a state dict: refused, nothing was run"
                        .formatted(name));
    }

    private CheckpointException fault(String message) {
        return new CheckpointException(file + ": " + message);
    }
}
