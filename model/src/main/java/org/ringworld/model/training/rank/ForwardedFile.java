package org.ringworld.model.training.rank;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.tokenizer.packing.Row;

/**
 * What one rank made of a batch, as a file that all members reach: too much for messages. Whoever
 * asked puts the parts together and removes them.
 */
public final class ForwardedFile {
    private ForwardedFile() {}

    /** The part of a rank beside the file that is asked for. */
    public static Path part(Path out, int rank) {
        return out.resolveSibling("." + out.getFileName() + ".part-" + rank);
    }

    /** Writes the part of a rank. */
    public static void write(Report.Forwarded made, Path file) throws IOException {
        try (DataOutputStream out =
                new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(file)))) {
            out.writeDouble(made.lossSum());
            out.writeInt(made.logits().size());
            for (Map.Entry<Modality, float[]> head : made.logits().entrySet()) {
                out.writeUTF(head.getKey().name());
                write(head.getValue(), out);
            }
            out.writeInt(made.gradients().size());
            for (Map.Entry<String, float[]> gradient : made.gradients().entrySet()) {
                out.writeUTF(gradient.getKey());
                write(gradient.getValue(), out);
            }
        }
    }

    private static Report.Forwarded read(int rank, Path file) throws IOException {
        try (DataInputStream in =
                new DataInputStream(new BufferedInputStream(Files.newInputStream(file)))) {
            double loss = in.readDouble();
            Map<Modality, float[]> logits = new EnumMap<>(Modality.class);
            for (int heads = in.readInt(); heads > 0; heads--) {
                logits.put(Modality.valueOf(in.readUTF()), floats(in, file));
            }
            Map<String, float[]> gradients = new LinkedHashMap<>();
            for (int left = in.readInt(); left > 0; left--) {
                gradients.put(in.readUTF(), floats(in, file));
            }
            return new Report.Forwarded(rank, loss, logits, gradients);
        }
    }

    /** Puts the parts of all ranks together, and removes them. */
    public static RowResult gather(Inference on, Path batch, Path out) throws IOException {
        List<Report.Forwarded> ranks = new ArrayList<>();
        for (int rank = 0; rank < on.ringSize(); rank++) {
            ranks.add(read(rank, part(out, rank)));
        }
        Row row = on.row(batch);
        RowResult result = RowResult.of(row, on.onRing(row, on.ringSize()), ranks);
        for (int rank = 0; rank < on.ringSize(); rank++) {
            Files.delete(part(out, rank));
        }
        return result;
    }

    private static void write(float[] values, DataOutputStream out) throws IOException {
        out.writeInt(values.length);
        ByteBuffer bytes = ByteBuffer.allocate(Math.min(values.length, 1 << 16) * Float.BYTES);
        for (int at = 0; at < values.length; at += 1 << 16) {
            int n = Math.min(1 << 16, values.length - at);
            bytes.asFloatBuffer().put(values, at, n);
            out.write(bytes.array(), 0, n * Float.BYTES);
        }
    }

    private static float[] floats(DataInputStream in, Path file) throws IOException {
        int length = in.readInt();
        if (length < 0 || (long) length * Float.BYTES > Files.size(file)) {
            throw new IOException(file + " is no part of a result");
        }
        float[] values = new float[length];
        byte[] bytes = new byte[Math.min(length, 1 << 16) * Float.BYTES];
        for (int at = 0; at < length; at += 1 << 16) {
            int n = Math.min(1 << 16, length - at);
            in.readFully(bytes, 0, n * Float.BYTES);
            ByteBuffer.wrap(bytes).asFloatBuffer().get(values, at, n);
        }
        return values;
    }
}
