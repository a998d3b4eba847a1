package org.ringworld.checkpoints.lwm;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.StridedTensor;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.WeightFile;
import org.ringworld.checkpoints.files.MappedFile;

/**
 * LWM's JAX parameters as EasyLM's StreamingCheckpointer writes them: MessagePack records of a path
 * and a {@link FlaxArray}, layers stacked on axis 0 or one by one. They are read by our names, in
 * our layout: projections [out, in], rotary pairs half a head apart. What has no name of ours is
 * listed by its path.
 */
public final class LwmStream implements WeightFile {
    // As many as a config may have; a stack of no bytes could claim billions.
    private static final int MOST_LAYERS = 65_536;
    private static final int LONGEST_PATH = 64;

    private final Path file;
    private final Arena arena;
    private final int numHeads;
    private final Map<String, Weight> weights = new LinkedHashMap<>();

    /** One layer's part of an array; {@code kind} is null where the path is unknown. */
    private record Weight(LwmNames kind, FlaxArray array, long offset, long[] shape) {}

    private LwmStream(Path file, Arena arena, int numHeads) {
        this.file = file;
        this.arena = arena;
        this.numHeads = numHeads;
    }

    /**
     * Opens and checks a file; its arrays are not read.
     *
     * @param numHeads of the model, by which the rows of q and k are ordered
     * @throws CheckpointException where it is no such stream or cut short
     */
    public static LwmStream open(Path file, int numHeads) throws CheckpointException {
        return MappedFile.open(
                file,
                (arena, all) -> {
                    LwmStream stream = new LwmStream(file, arena, numHeads);
                    stream.readRecords(new MsgPack(all));
                    return stream;
                });
    }

    private void readRecords(MsgPack in) throws CheckpointException {
        long start = 0;
        try {
            while (in.hasMore()) {
                start = in.position();
                require(in.array() == 2, "a record is not (path, value)");
                String path = path(in);
                MemorySegment value = in.binary();
                // A whole training state: only its parameters are a model.
                if (!path.startsWith("opt_state/") && !path.equals("step")) {
                    add(path, FlaxArray.read(value));
                }
            }
        } catch (IndexOutOfBoundsException e) {
            throw new CheckpointException(
                    "%s: ends inside the record at byte %d: fetch or copy it again"
                            .formatted(file, start),
                    e);
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(
                    "%s: the record at byte %d is not as LWM writes it: %s"
                            .formatted(file, start, e.getMessage()),
                    e);
        }
        if (weights.isEmpty()) {
            throw new CheckpointException(file + ": holds no parameters");
        }
    }

    /** The parts of a path joined by slashes, without the {@code params} that it may start with. */
    private static String path(MsgPack in) {
        long parts = in.array();
        require(parts <= LONGEST_PATH, "a path is too long");
        StringBuilder path = new StringBuilder();
        for (long i = 0; i < parts; i++) {
            String part = in.string();
            if (!(path.isEmpty() && part.equals("params"))) {
                path.append(path.isEmpty() ? "" : "/").append(part);
            }
        }
        return path.toString();
    }

    private void add(String path, FlaxArray array) {
        int slash = path.indexOf('/', LwmNames.LAYERS.length());
        boolean inLayers = path.startsWith(LwmNames.LAYERS) && slash > 0;
        LwmNames kind = LwmNames.of(inLayers ? path.substring(slash + 1) : path);
        if (kind == null || kind.isOfLayer() != inLayers) {
            put(path, new Weight(null, array, 0, array.shape()));
            return;
        }
        String layer = inLayers ? path.substring(LwmNames.LAYERS.length(), slash) : "0";
        if (layer.equals(LwmNames.STACKED)) {
            addStacked(kind, array);
        } else {
            require(layer.matches("0|[1-9]\\d{0,4}"), "a layer has no number");
            put(kind.name(Integer.parseInt(layer)), new Weight(kind, array, 0, array.shape()));
        }
    }

    private void addStacked(LwmNames kind, FlaxArray array) {
        require(array.shape().length > 0, "stacked layers have no axis");
        long layers = array.shape()[0];
        require(layers > 0 && layers <= MOST_LAYERS, layers + " layers are stacked");
        long[] shape = Arrays.copyOfRange(array.shape(), 1, array.shape().length);
        long each = new TensorSpec("", shape).count();
        for (int i = 0; i < layers; i++) {
            put(kind.name(i), new Weight(kind, array, i * each, shape));
        }
    }

    private void put(String name, Weight weight) {
        require(weights.put(name, weight) == null, "its path is there twice");
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }

    @Override
    public String format() {
        return "LWM JAX stream";
    }

    @Override
    public Path file() {
        return file;
    }

    @Override
    public Set<String> names() {
        return Collections.unmodifiableSet(weights.keySet());
    }

    @Override
    public StridedTensor tensor(String name) throws CheckpointException {
        Weight weight = weights.get(name);
        if (weight == null) {
            throw new CheckpointException(file + ": holds no tensor '" + name + "'");
        }
        long[] shape = weight.shape();
        LwmNames.Layout layout =
                weight.kind() == null ? LwmNames.Layout.SAME : weight.kind().layout();
        if (layout == LwmNames.Layout.SAME || shape.length != 2) {
            return view(weight, shape, StridedTensor.rowMajor(shape));
        }
        long in = shape[0];
        long out = shape[1];
        long headDim = headDim();
        // Where heads do not fit the rows, the shape does not fit any config either.
        if (layout == LwmNames.Layout.TRANSPOSED || headDim == 0 || out % headDim != 0) {
            return view(weight, new long[] {out, in}, new long[] {1, out});
        }
        long[] headsHalvesPairsIn = {out / headDim, 2, headDim / 2, in};
        return view(weight, headsHalvesPairsIn, new long[] {headDim, 1, 2, out}).withShape(out, in);
    }

    /** Of the query's rows; 0 where they are no multiple of the heads, in pairs. */
    private long headDim() {
        Weight query = weights.get(LwmNames.QUERY.name(0));
        boolean isMatrix = query != null && query.shape().length == 2;
        long rows = isMatrix ? query.shape()[1] : 0;
        return rows % (2L * numHeads) == 0 ? rows / numHeads : 0;
    }

    private static StridedTensor view(Weight weight, long[] shape, long[] strides) {
        FlaxArray array = weight.array();
        return new StridedTensor(array.type(), array.parts(), weight.offset(), shape, strides);
    }

    /** Unmaps the file. */
    @Override
    public void close() {
        arena.close();
    }
}
