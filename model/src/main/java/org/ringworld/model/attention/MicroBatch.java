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
        return of(blocks, SequenceBlock.chunkLength(rows, layout, size), tile);
    }

    /**
     * Of blocks that may differ in length.
     *
     * @param chunkLength the longest run of a block's tokens that are neighbours in the row
     */
    public static MicroBatch of(List<SequenceBlock> blocks, int chunkLength, int tile) {
        return new MicroBatch(blocks, RingPlan.of(positions(blocks), chunkLength, tile));
    }

    private static List<BlockPositions> positions(List<SequenceBlock> blocks) {
        return blocks.stream().map(SequenceBlock::blockPositions).toList();
    }

    /** What one rank needs of it. */
    public RankBatch ofRank(int rank) {
        return new RankBatch(rank, blocks.get(rank), positions(blocks), plan);
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
