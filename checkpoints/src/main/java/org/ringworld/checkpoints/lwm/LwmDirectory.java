package org.ringworld.checkpoints.lwm;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.files.AtomicFiles;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.HfDirectory;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.checkpoints.hf.TokenIds;
import org.ringworld.runtime.DType;

/**
 * Writes a model as LWM's JAX code loads it: {@code params}, the stream that {@link LwmStream}
 * reads, and {@code config.json}. It is written beside its place and renamed when complete and
 * synced.
 */
public final class LwmDirectory {
    private static final int CHUNK = 4 << 20;
    // Lengths in the stream have 32 bits; a little is left for a record's other bytes.
    private static final long LARGEST_RECORD = (1L << 32) - 4096;

    private final ModelFiles model;
    private final FileChannel channel;
    private final Map<String, TensorSpec> specs = new HashMap<>();

    private LwmDirectory(ModelFiles model, FileChannel channel) {
        this.model = model;
        this.channel = channel;
        LlamaTensors.of(model.config()).forEach(spec -> specs.put(spec.name(), spec));
    }

    /**
     * Writes a model in the dtype that it has.
     *
     * @throws CheckpointException naming all that the format cannot say, or where something cannot
     *     be written
     */
    public static void write(Path directory, ModelFiles model, HfDirectory.ExtraFiles extra)
            throws CheckpointException {
        refuseWhatCannotBeSaid(model);
        AtomicFiles.writeDirectory(
                directory,
                Fence.NONE,
                temporary -> {
                    String config = model.config().toJson(model.dtype());
                    Files.writeString(temporary.resolve("config.json"), config);
                    try (FileChannel channel =
                            FileChannel.open(
                                    temporary.resolve("params"),
                                    StandardOpenOption.WRITE,
                                    StandardOpenOption.CREATE_NEW)) {
                        new LwmDirectory(model, channel).writeAll();
                    }
                    extra.write(temporary);
                    TokenIds.complete(temporary);
                });
    }

    private static void refuseWhatCannotBeSaid(ModelFiles model) throws CheckpointException {
        LlamaConfig c = model.config();
        List<String> faults = new ArrayList<>();
        if (c.numKvHeads() != c.numHeads()) {
            faults.add("%d KV heads for %d heads (GQA)".formatted(c.numKvHeads(), c.numHeads()));
        }
        if (c.numHeads() * c.headDim() != c.hiddenSize()) {
            faults.add("a headDim of its own (%d)".formatted(c.headDim()));
        }
        if (c.tieEmbeddings()) {
            faults.add("tied embeddings");
        }
        if (!(c.ropeScaling() instanceof RopeScaling.None)) {
            faults.add("rope scaling (%s)".formatted(c.ropeScaling()));
        }
        if (!faults.isEmpty()) {
            throw new CheckpointException(
                    "%s: LWM's format cannot say: %s"
                            .formatted(model.directory(), String.join("; ", faults)));
        }
    }

    private void writeAll() throws IOException {
        LlamaConfig config = model.config();
        boolean stacked = true;
        for (LwmNames name : LwmNames.values()) {
            if (name.isOfLayer()) {
                long each = specs.get(name.name(0)).count() * model.dtype().bytes();
                stacked &= each * config.numLayers() <= LARGEST_RECORD;
            }
        }
        for (LwmNames name : LwmNames.values()) {
            if (name.isOfLayer() && !stacked) {
                for (int layer = 0; layer < config.numLayers(); layer++) {
                    writeRecord(name, "" + layer, List.of(specs.get(name.name(layer))), false);
                }
            } else if (name.isOfLayer()) {
                List<TensorSpec> layers = new ArrayList<>();
                for (int layer = 0; layer < config.numLayers(); layer++) {
                    layers.add(specs.get(name.name(layer)));
                }
                writeRecord(name, LwmNames.STACKED, layers, true);
            } else if (specs.containsKey(name.name(0))) {
                writeRecord(name, "", List.of(specs.get(name.name(0))), false);
            }
        }
    }

    private void writeRecord(LwmNames name, String layer, List<TensorSpec> tensors, boolean stacked)
            throws IOException {
        long[] shape = name.layout().inJax(tensors.getFirst().shape());
        List<Long> axes = new ArrayList<>();
        if (stacked) {
            axes.add((long) tensors.size());
        }
        for (long axis : shape) {
            axes.add(axis);
        }
        long bytes = tensors.getFirst().count() * model.dtype().bytes() * tensors.size();
        if (bytes > LARGEST_RECORD) {
            throw new CheckpointException(
                    "%s has %d bytes, LWM's format takes no more than %d"
                            .formatted(tensors.getFirst(), bytes, LARGEST_RECORD));
        }
        writeAll(ByteBuffer.wrap(header(name.path(layer), axes, bytes)));
        for (TensorSpec spec : tensors) {
            writeTensor(name.layout(), spec);
        }
    }

    private void writeTensor(LwmNames.Layout layout, TensorSpec spec) throws IOException {
        DType dtype = model.dtype();
        try (Arena arena = Arena.ofConfined()) {
            long bytes = spec.count() * dtype.bytes();
            MemorySegment ours = arena.allocate(bytes);
            model.read(spec, dtype, ours);
            MemorySegment jax = ours;
            if (layout != LwmNames.Layout.SAME) {
                jax = arena.allocate(bytes);
                SourceType type = SourceType.valueOf(dtype.name());
                layout.toJax(type, ours, spec.shape(), model.config().headDim()).read(dtype, jax);
            }
            for (long at = 0; at < bytes; at += CHUNK) {
                writeAll(jax.asSlice(at, Math.min(CHUNK, bytes - at)).asByteBuffer());
            }
        }
    }

    /** A record up to its array's bytes; every length in its widest form. */
    private byte[] header(String path, List<Long> shape, long bytes) throws IOException {
        ByteArrayOutputStream array = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(array);
        out.writeByte(0x93);
        out.writeByte(0x90 + shape.size());
        for (long axis : shape) {
            out.writeByte(0xce);
            out.writeInt(Math.toIntExact(axis));
        }
        string(out, model.dtype() == DType.BF16 ? "bfloat16" : "float32");
        length(out, 0xc6, bytes);

        ByteArrayOutputStream record = new ByteArrayOutputStream();
        out = new DataOutputStream(record);
        String[] parts = path.split("/");
        out.writeByte(0x92);
        out.writeByte(0x90 + parts.length);
        for (String part : parts) {
            string(out, part);
        }
        length(out, 0xc6, 6 + array.size() + bytes);
        length(out, 0xc9, array.size() + bytes);
        out.writeByte(1); // flax's extension for an array
        array.writeTo(out);
        return record.toByteArray();
    }

    private static void string(DataOutputStream out, String ascii) throws IOException {
        out.writeByte(0xa0 + ascii.length());
        out.write(ascii.getBytes(StandardCharsets.US_ASCII));
    }

    private static void length(DataOutputStream out, int tag, long bytes) throws IOException {
        out.writeByte(tag);
        out.writeInt((int) bytes);
    }

    private void writeAll(ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }
}
