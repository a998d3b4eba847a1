package org.ringworld.tokenizer.packing;

import java.util.List;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.documents.PackedRows;
import org.ringworld.tokenizer.tasks.CopyTask;
import org.ringworld.tokenizer.tasks.NeedleTask;
import org.ringworld.tokenizer.tasks.SeparatorTask;

/**
 * Rows to train on: a pure function of (seed, stage, step); seed and stage are the stream's own.
 */
@FunctionalInterface
public interface RowStream {
    /**
     * The rows of one step. The same arguments give the same rows, bit for bit, in any order of
     * calls and from any thread.
     *
     * @param step of the stage, from 0
     * @param count rows a step; the same in all steps of a stage
     */
    List<Row> rows(long step, int seqLen, int count);

    /**
     * The same rows, in which text and vision count the same in the loss of a step, however many
     * tokens either has (LWM: half their sum).
     */
    default RowStream withModalityWeights() {
        return (step, seqLen, count) -> PackedRows.balanceModalities(rows(step, seqLen, count));
    }

    /**
     * The stream of a task that makes its own data, in bytes.
     *
     * @see #of(String, long, int, Tokenizer)
     */
    static RowStream of(String task, long seed, int stage) {
        return of(task, seed, stage, new ByteTokenizer());
    }

    /**
     * The stream of a task that makes its own data.
     *
     * @param task {@code copy}, {@code separators} or {@code needles}
     * @throws IllegalArgumentException for another name, listing these
     */
    static RowStream of(String task, long seed, int stage, Tokenizer tokenizer) {
        return switch (task) {
            case "copy" -> new CopyTask(seed, stage, tokenizer);
            case "separators" -> new SeparatorTask(seed, stage, tokenizer);
            case "needles" -> new NeedleTask(seed, stage, tokenizer);
            default ->
                    throw new IllegalArgumentException(
                            "task = " + task + " is not one of copy, separators, needles");
        };
    }
}
