package org.ringworld.model.attention;

import java.util.List;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import org.ringworld.tokenizer.packing.Row;

/**
 * Rows that go through the ring together: where the tokens of every rank stand, and the plan of
 * their traffic. Made on the host before the step, from data alone. The ranks of a process share
 * it, and each has nothing cut but its own block.
 */
public final class MicroBatch {
    /** Which tokens of the rows lie on which rank. */
    public interface Places {
        /**
         * The places in each row, in their order on the rank; one at or past the end of its row is
         * padding.
         */
        List<int[]> of(int rank);
    }

    private final List<Row> rows;
    private final Places places;
    private final List<BlockPositions> positions;
    private final RingPlan plan;
    private final double targetWeight;

    /**
     * Of blocks that may differ in length.
     *
     * @param size ranks
     * @param chunkLength the longest run of a rank's tokens that are neighbours in the row
     * @param tile keys of a travelling tile at most
     */
    public MicroBatch(
            List<Row> rows,
            int size,
            Places places,
            IntUnaryOperator chunkLength,
            int tile,
            CausalMask mask) {
        this.rows = rows;
        this.places = places;
        List<int[]> segments = BlockPositions.numberSegments(rows);
        this.positions =
                IntStream.range(0, size)
                        .mapToObj(rank -> BlockPositions.of(rows, segments, places.of(rank), mask))
                        .toList();
        this.plan = RingPlan.of(positions, chunkLength, tile);
        this.targetWeight = targetWeight(rows);
    }

    /** Rows on a ring of {@code size} that all ranks share alike. */
    public static MicroBatch of(List<Row> rows, Layout layout, int size) {
        return of(rows, layout, RingShares.even(size));
    }

    public static MicroBatch of(List<Row> rows, Layout layout, RingShares shares) {
        return of(rows, layout, shares, RingPlan.TILE, CausalMask.CAUSAL);
    }

    public static MicroBatch of(
            List<Row> rows, Layout layout, RingShares shares, int tile, CausalMask mask) {
        Places places =
                rank -> rows.stream().map(r -> layout.places(rank, shares, r.length())).toList();
        // Tiles end where chunks do; only rows of one length share a chunk length.
        int seqLen = rows.getFirst().length();
        boolean alike = rows.stream().allMatch(r -> r.length() == seqLen);
        IntUnaryOperator chunkLength = rank -> alike ? layout.chunkLength(rank, shares, seqLen) : 1;
        return new MicroBatch(rows, shares.size(), places, chunkLength, tile, mask);
    }

    private static double targetWeight(List<Row> rows) {
        double sum = 0;
        for (Row row : rows) {
            for (float weight : row.weights()) {
                sum += weight;
            }
        }
        return sum;
    }

    /** Cuts what one rank needs of it. */
    public RankBatch ofRank(int rank) {
        SequenceBlock own = SequenceBlock.of(rows, places.of(rank), positions.get(rank));
        int[] sources = rows.stream().mapToInt(Row::source).toArray();
        return new RankBatch(rank, own, positions, plan, targetWeight, sources);
    }

    /** The places in each row of a rank's tokens. */
    public List<int[]> places(int rank) {
        return places.of(rank);
    }

    public RingPlan plan() {
        return plan;
    }

    /** Σ of the loss weights of all ranks: what the step's loss is divided by. */
    public double targetWeight() {
        return targetWeight;
    }
}
