package org.ringworld.model.training;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.tokenizer.packing.Row;

/** Rows cut so that the ranks of a ring hold different numbers of tokens, some of them none. */
public final class UnequalBlocks {
    private UnequalBlocks() {}

    /**
     * @param shares of each rank in the row
     * @param turns whether ranks take their shares in turn, else each all at once
     */
    public static MicroBatch cut(Row row, int[] shares, boolean turns, int tile) {
        MicroBatch.Places places = rank -> List.of(places(row.length(), shares, rank, turns));
        return new MicroBatch(List.of(row), shares.length, places, _ -> 1, tile, CausalMask.CAUSAL);
    }

    private static int[] places(int seqLen, int[] shares, int rank, boolean turns) {
        int whole = Arrays.stream(shares).sum();
        int from = Arrays.stream(shares, 0, rank).sum();
        int end = from + shares[rank];
        return IntStream.range(0, seqLen)
                .filter(
                        place -> {
                            int share = turns ? place % whole : place * whole / seqLen;
                            return share >= from && share < end;
                        })
                .toArray();
    }
}
