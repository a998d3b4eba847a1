package org.ringworld.model.attention;

import java.util.Arrays;

/**
 * Of 2N chunks of a row rank r of N holds chunk N−1−r and chunk N+r: an early and a late one, so
 * that every rank has the same causal work. The late chunk is needed by higher ranks alone, whose
 * way round the ring is the shorter one; with r and 2N−1−r it would travel nearly all of it.
 *
 * <p>With unequal shares both chunks of a rank are as long as its share. They stay mirror images:
 * with the token at place p a rank has the one at T−1−p, and the two see T+1 keys together, so in a
 * row of one document causal work is in proportion to the shares.
 */
public record ZigzagLayout() implements Layout {
    @Override
    public String name() {
        return "zigzag";
    }

    @Override
    public int blockLength(int rank, RingShares shares, int seqLen) {
        return 2 * chunkLength(rank, shares, seqLen);
    }

    @Override
    public int chunkLength(int rank, RingShares shares, int seqLen) {
        return shares.of(rank) * part(shares, seqLen);
    }

    @Override
    public int[] places(int rank, RingShares shares, int seqLen) {
        int part = part(shares, seqLen);
        int chunk = shares.of(rank) * part;
        int early = (shares.whole() - shares.before(rank + 1)) * part;
        int late = (shares.whole() + shares.before(rank)) * part;
        int[] places = new int[2 * chunk];
        Arrays.setAll(places, local -> local < chunk ? early + local : late + local - chunk);
        return places;
    }

    /** Tokens of one part of half a row. */
    private static int part(RingShares shares, int seqLen) {
        return Math.ceilDiv(seqLen, 2 * shares.whole());
    }
}
