package org.ringworld.checkpoints.lwm;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.StridedTensor;
import org.ringworld.checkpoints.WeightFile;
import org.ringworld.checkpoints.files.MappedFile;

/**
 * LWM's JAX parameters as EasyLM's StreamingCheckpointer writes them: MessagePack records of a path
 * and a {@link FlaxArray}; or as flax's {@code to_bytes} does ({@code flax_params::}), one map of
 * maps of arrays. Layers come one by one or stacked on axis 0 or 1 ({@code param_scan_axis}). They
 * are read by our names, in our layout: projections [out, in], rotary pairs half a head apart. What
 * has no name of ours is listed by its path.
 */
public final class LwmStream implements WeightFile {
    // As many as a config may have; a stack of no bytes could claim billions.
    private static final int MOST_LAYERS = 65_536;
    private static final int LONGEST_PATH = 64;

    private final Path file;
    private final Arena arena;
    private final int numHeads;
    private final Map<String, Weight> weights = new LinkedHashMap<>();
    private final Map<LwmNames, FlaxArray> stacks = new EnumMap<>(LwmNames.class);

    /** Where the array that is being read begins. */
    private long start;

    /** One layer's part of an array; {@code kind} is null where the path is unknown. */
    private record Weight(
            LwmNames kind, FlaxArray array, long offset, long[] shape, long[] strides) {
        static Weight whole(LwmNames kind, FlaxArray array) {
            return new Weight(kind, array, 0, array.shape(), StridedTensor.rowMajor(array.shape()));
        }
    }

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
                    stream.read(new MsgPack(all));
                    return stream;
                });
    }

    private void read(MsgPack in) throws CheckpointException {
        try {
            if (in.hasMore() && in.isMap()) {
                readMaps(in, "", 0);
                require(!in.hasMore(), "bytes follow the parameters");
            } else {
                readRecords(in);
            }
            splitStacks();
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

    private void readRecords(MsgPack in) {
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
    }

    /** Maps in maps, whose leaves are arrays. */
    private void readMaps(MsgPack in, String path, int depth) {
        require(depth < LONGEST_PATH, "a path is too long");
        start = in.position();
        long pairs = in.map();
        for (long i = 0; i < pairs; i++) {
            start = in.position();
            String below = below(path, in.string());
            if (FlaxArray.isNext(in)) {
                add(below, FlaxArray.next(in));
            } else {
                require(in.isMap(), "'" + below + "' is neither an array nor a map");
                readMaps(in, below, depth + 1);
            }
        }
    }

    /** The parts of a path joined by slashes, without the {@code params} that it may start with. */
    private static String path(MsgPack in) {
        long parts = in.array();
        require(parts <= LONGEST_PATH, "a path is too long");
        String path = "";
        for (long i = 0; i < parts; i++) {
            path = below(path, in.string());
        }
        return path;
    }

    private static String below(String path, String part) {
        if (path.isEmpty()) {
            return part.equals("params") ? "" : part;
        }
        return path + "/" + part;
    }

    private void add(String path, FlaxArray array) {
        int slash = path.indexOf('/', LwmNames.LAYERS.length());
        boolean inLayers = path.startsWith(LwmNames.LAYERS) && slash > 0;
        LwmNames kind = LwmNames.of(inLayers ? path.substring(slash + 1) : path);
        if (kind == null || kind.isOfLayer() != inLayers) {
            put(path, Weight.whole(null, array));
            return;
        }
        String layer = inLayers ? path.substring(LwmNames.LAYERS.length(), slash) : "0";
        if (layer.equals(LwmNames.STACKED)) {
            require(stacks.put(kind, array) == null, "its path is there twice");
        } else {
            require(layer.matches("0|[1-9]\\d{0,4}"), "a layer has no number");
            put(kind.name(Integer.parseInt(layer)), Weight.whole(kind, array));
        }
    }

    private void splitStacks() {
        int axis = layersAxis();
        stacks.forEach((kind, array) -> split(kind, array, axis));
    }

    /** The norms show it, whose other axis is the embedding's last. */
    private int layersAxis() {
        FlaxArray norm = stacks.get(LwmNames.INPUT_NORM);
        Weight embedding = weights.get(LwmNames.EMBEDDING.name(0));
        boolean known =
                norm != null
                        && norm.shape().length == 2
                        && embedding != null
                        && embedding.shape.length == 2;
        long hidden = known ? embedding.shape[1] : 0;
        return known && norm.shape()[0] == hidden && norm.shape()[1] != hidden ? 1 : 0;
    }

    private void split(LwmNames kind, FlaxArray array, int axis) {
        long[] all = array.shape();
        require(all.length > axis, "stacked layers have no axis");
        long layers = all[axis];
        require(layers > 0 && layers <= MOST_LAYERS, layers + " layers are stacked");
        long[] apart = StridedTensor.rowMajor(all);
        for (int i = 0; i < layers; i++) {
            put(
                    kind.name(i),
                    new Weight(
                            kind,
                            array,
                            i * apart[axis],
                            without(all, axis),
                            without(apart, axis)));
        }
    }

    private static long[] without(long[] values, int axis) {
        return IntStream.range(0, values.length)
                .filter(i -> i != axis)
                .mapToLong(i -> values[i])
                .toArray();
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
        long[] strides = weight.strides();
        LwmNames.Layout layout =
                weight.kind() == null ? LwmNames.Layout.SAME : weight.kind().layout();
        if (layout == LwmNames.Layout.SAME || shape.length != 2) {
            return view(weight, shape, strides);
        }
        long in = shape[0];
        long out = shape[1];
        long headDim = headDim();
        // Where heads do not fit the rows, the shape does not fit any config either.
        if (layout == LwmNames.Layout.TRANSPOSED || headDim == 0 || out % headDim != 0) {
            return view(weight, new long[] {out, in}, new long[] {strides[1], strides[0]});
        }
        long[] headsHalvesPairsIn = {out / headDim, 2, headDim / 2, in};
        long row = strides[1];
        long[] apart = {headDim * row, row, 2 * row, strides[0]};
        return view(weight, headsHalvesPairsIn, apart).withShape(out, in);
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
