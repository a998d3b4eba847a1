package org.ringworld.model.attention;

import java.util.stream.IntStream;

/**
 * Rank r holds the r-th of N blocks (RingAttention, §3), as long as its share: simple, and the last
 * rank works most for it.
 */
public record ContiguousLayout() implements Layout {
    @Override
    public String name() {
        return "contiguous";
    }

    @Override
    public int blockLength(int rank, RingShares shares, int seqLen) {
        return shares.of(rank) * Math.ceilDiv(seqLen, shares.whole());
    }

    @Override
    public int chunkLength(int rank, RingShares shares, int seqLen) {
        return blockLength(rank, shares, seqLen);
    }

    @Override
    public int[] places(int rank, RingShares shares, int seqLen) {
        int from = shares.before(rank) * Math.ceilDiv(seqLen, shares.whole());
        return IntStream.range(from, from + blockLength(rank, shares, seqLen)).toArray();
    }
}
