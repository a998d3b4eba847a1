package org.ringworld.model.attention;

import java.util.List;

/**
 * What one rank needs of a micro-batch.
 *
 * @param own its tokens, maybe none
 * @param all where the tokens of every rank stand, its own among them
 * @param targetWeight Σ of the loss weights of all ranks
 * @param sources of each row
 */
public record RankBatch(
        int rank,
        SequenceBlock own,
        List<BlockPositions> all,
        RingPlan plan,
        double targetWeight,
        int[] sources) {}
