package org.ringworld.model.attention;

import java.util.List;
import org.ringworld.tokenizer.packing.Row;

/**
 * Rows that go through the ring together: one block a rank and the plan of their traffic. Made on
 * the host before the step, from data alone.
 */
public record MicroBatch(List<SequenceBlock> blocks, RingPlan plan) {

    /** Cuts rows for a ring of {@code size}. */
    public static MicroBatch of(List<Row> rows, Layout layout, int size) {
        return of(rows, layout, size, RingPlan.TILE);
    }

    public static MicroBatch of(List<Row> rows, Layout layout, int size, int tile) {
        List<SequenceBlock> blocks = SequenceBlock.cut(rows, layout, size);
        int chunk = SequenceBlock.chunkLength(rows, layout, size);
        return new MicroBatch(blocks, RingPlan.of(blocks, chunk, tile));
    }

    /** Σ of the loss weights of all ranks: what the step's loss is divided by. */
    public double targetWeight() {
        double sum = 0;
        for (SequenceBlock block : blocks) {
            for (float weight : block.weights()) {
                sum += weight;
            }
        }
        return sum;
    }
}
