package org.ringworld.model.attention;

import java.util.Arrays;

/**
 * Token i lies on rank i mod N (Striped Attention, Brandon et al. 2023); with shares of sixteenths
 * each rank has its own of every 16 tokens in a row, so causal work is in proportion to them.
 */
public record StripedLayout() implements Layout {
    @Override
    public String name() {
        return "striped";
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
        int own = shares.of(rank);
        int whole = shares.whole();
        int before = shares.before(rank);
        int[] places = new int[blockLength(rank, shares, seqLen)];
        Arrays.setAll(places, local -> local / own * whole + before + local % own);
        return places;
    }
}
