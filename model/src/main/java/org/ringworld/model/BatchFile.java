package org.ringworld.model;

import java.nio.file.Path;
import java.util.Arrays;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.SafeTensors;
import org.ringworld.tokenizer.Row;

/**
 * One row from a safetensors file, for people who compare implementations: {@code input_ids} [seq]
 * or [1, seq], and optionally {@code positions}, {@code segments}, {@code targets}, {@code
 * loss_weights}. Absent: segments 0; positions count from 0 in each run of a segment; weights 1
 * where there is a target.
 *
 * @param hasTargets whether the file has targets, so that there is a loss
 */
public record BatchFile(Row row, boolean hasTargets) {

    /**
     * Reads a batch for a model of {@code vocabSize}.
     *
     * @throws CheckpointException naming the file and the tensor that does not fit
     */
    public static BatchFile read(Path file, int vocabSize) throws CheckpointException {
        try (SafeTensors tensors = SafeTensors.open(file)) {
            if (!tensors.has("input_ids")) {
                throw new CheckpointException(file + ": there is no tensor input_ids");
            }
            if (tensors.has("vision_mask")) {
                throw new CheckpointException(
                        file
                                + ": vision_mask needs a model with a vision vocabulary, which this one has not");
            }
            int[] ids = ints(file, tensors, "input_ids", -1);
            int length = ids.length;
            checkIds(file, "input_ids", ids, vocabSize, 0);
            int[] segments =
                    tensors.has("segments")
                            ? ints(file, tensors, "segments", length)
                            : new int[length];
            int[] positions =
                    tensors.has("positions")
                            ? ints(file, tensors, "positions", length)
                            : positions(segments);
            boolean hasTargets = tensors.has("targets");
            int[] targets = new int[length];
            Arrays.fill(targets, -100);
            float[] weights = new float[length];
            if (hasTargets) {
                targets = ints(file, tensors, "targets", length);
                checkIds(file, "targets", targets, vocabSize, -100);
                Arrays.fill(weights, 1);
            }
            if (hasTargets && tensors.has("loss_weights")) {
                weights = tensors.readFloats("loss_weights");
                checkLength(file, "loss_weights", weights.length, length);
            }
            for (int i = 0; i < length; i++) {
                boolean none = segments[i] < 0 || targets[i] == -100;
                segments[i] = Math.max(-1, segments[i]);
                targets[i] = none ? -100 : targets[i];
                weights[i] = none ? 0 : weights[i];
            }
            return new BatchFile(new Row(ids, positions, segments, targets, weights), hasTargets);
        }
    }

    private static int[] ints(Path file, SafeTensors tensors, String name, int length)
            throws CheckpointException {
        long[] shape = tensors.info(name).shape();
        boolean row = shape.length == 1 || (shape.length == 2 && shape[0] == 1);
        if (!row) {
            throw new CheckpointException(
                    "%s: %s has the shape %s; it must be [seq] or [1, seq]"
                            .formatted(file, name, Arrays.toString(shape)));
        }
        int[] values = tensors.readInts(name);
        checkLength(file, name, values.length, length);
        return values;
    }

    private static void checkLength(Path file, String name, int has, int length)
            throws CheckpointException {
        if (length >= 0 && has != length) {
            throw new CheckpointException(
                    "%s: %s has %d elements, input_ids %d".formatted(file, name, has, length));
        }
        if (has == 0) {
            throw new CheckpointException(file + ": " + name + " is empty");
        }
    }

    private static void checkIds(Path file, String name, int[] ids, int vocabSize, int none)
            throws CheckpointException {
        for (int i = 0; i < ids.length; i++) {
            if ((ids[i] < 0 || ids[i] >= vocabSize) && (none == 0 || ids[i] != none)) {
                throw new CheckpointException(
                        "%s: %s[%d] = %d is outside the model's vocabulary of %d"
                                .formatted(file, name, i, ids[i], vocabSize));
            }
        }
    }

    private static int[] positions(int[] segments) {
        int[] positions = new int[segments.length];
        for (int i = 1; i < segments.length; i++) {
            positions[i] = segments[i] == segments[i - 1] ? positions[i - 1] + 1 : 0;
        }
        return positions;
    }
}
