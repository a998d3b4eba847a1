package org.ringworld.model.training.rank;

import java.nio.file.Path;
import java.util.Arrays;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.safetensors.SafeTensors;
import org.ringworld.model.attention.Modality;
import org.ringworld.tokenizer.packing.Row;

/**
 * One row from a safetensors file, for people who compare implementations: {@code input_ids} [seq]
 * or [1, seq], and optionally {@code positions}, {@code segments}, {@code targets}, {@code
 * loss_weights}, {@code vision_mask}, {@code target_vision_mask} (1 for a vision code). Absent:
 * segments 0; positions count from 0 in each run of a segment; weights 1 where there is a target;
 * all tokens text; a target of the kind that the next id in its segment is.
 *
 * @param hasTargets whether the file has targets, so that there is a loss
 */
public record BatchFile(Row row, boolean hasTargets) {

    /**
     * Reads a batch for a model.
     *
     * @throws CheckpointException naming the file and the tensor that does not fit
     */
    public static BatchFile read(Path file, LlamaConfig config) throws CheckpointException {
        try (SafeTensors tensors = SafeTensors.open(file)) {
            if (!tensors.has("input_ids")) {
                throw new CheckpointException(file + ": there is no tensor input_ids");
            }
            int[] ids = ints(file, tensors, "input_ids", -1);
            int length = ids.length;
            boolean[] visionIds = mask(file, tensors, "vision_mask", length, config);
            checkIds(file, "input_ids", ids, visionIds, config, 0);
            int[] segments =
                    tensors.has("segments")
                            ? ints(file, tensors, "segments", length)
                            : new int[length];
            int[] positions =
                    tensors.has("positions")
                            ? ints(file, tensors, "positions", length)
                            : positions(segments);
            boolean[] visionTargets = visionTargets(file, tensors, visionIds, segments, config);
            boolean hasTargets = tensors.has("targets");
            int[] targets = new int[length];
            Arrays.fill(targets, Row.NO_TARGET);
            if (hasTargets) {
                targets = ints(file, tensors, "targets", length);
                checkIds(file, "targets", targets, visionTargets, config, Row.NO_TARGET);
            }
            float[] weights = weights(file, tensors, targets, segments);
            return new BatchFile(
                    new Row(ids, positions, segments, targets, weights, visionIds, visionTargets),
                    hasTargets);
        }
    }

    /** Loss weights, without a target 0; a target of padding is taken away. */
    private static float[] weights(Path file, SafeTensors tensors, int[] targets, int[] segments)
            throws CheckpointException {
        float[] weights = new float[targets.length];
        Arrays.fill(weights, 1);
        if (tensors.has("targets") && tensors.has("loss_weights")) {
            weights = tensors.readFloats("loss_weights");
            checkLength(file, "loss_weights", weights.length, targets.length);
        }
        for (int i = 0; i < weights.length; i++) {
            segments[i] = Math.max(Row.PADDING, segments[i]);
            targets[i] = segments[i] < 0 ? Row.NO_TARGET : targets[i];
            weights[i] = targets[i] == Row.NO_TARGET ? 0 : weights[i];
        }
        return weights;
    }

    /** Which tokens are vision codes; null where the file does not say, or the model has none. */
    private static boolean[] mask(
            Path file, SafeTensors tensors, String name, int length, LlamaConfig config)
            throws CheckpointException {
        if (!tensors.has(name)) {
            return null;
        }
        int[] values = ints(file, tensors, name, length);
        boolean[] mask = new boolean[length];
        for (int i = 0; i < length; i++) {
            mask[i] = values[i] != 0;
            if (mask[i] && config.visionVocabSize() == 0) {
                throw new CheckpointException(
                        "%s: %s[%d] says vision code, but the model has no vision tables: its visionVocabSize is 0"
                                .formatted(file, name, i));
            }
        }
        return config.visionVocabSize() == 0 ? null : mask;
    }

    private static boolean[] visionTargets(
            Path file, SafeTensors tensors, boolean[] visionIds, int[] segments, LlamaConfig config)
            throws CheckpointException {
        if (visionIds == null) {
            return null;
        }
        if (tensors.has("target_vision_mask")) {
            return mask(file, tensors, "target_vision_mask", segments.length, config);
        }
        boolean[] next = new boolean[segments.length];
        for (int i = 0; i + 1 < next.length; i++) {
            next[i] = visionIds[i + 1] && segments[i] == segments[i + 1];
        }
        return next;
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

    private static void checkIds(
            Path file, String name, int[] ids, boolean[] vision, LlamaConfig config, int none)
            throws CheckpointException {
        for (int i = 0; i < ids.length; i++) {
            boolean code = vision != null && vision[i];
            int vocabSize = (code ? Modality.VISION : Modality.TEXT).vocabSize(config);
            if ((ids[i] < 0 || ids[i] >= vocabSize) && (none == 0 || ids[i] != none)) {
                throw new CheckpointException(
                        "%s: %s[%d] = %d is outside the model's %svocabulary of %d"
                                .formatted(
                                        file, name, i, ids[i], code ? "vision " : "", vocabSize));
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
