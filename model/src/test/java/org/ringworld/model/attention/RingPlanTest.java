package org.ringworld.model.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.ringworld.model.training.RandomRows;
import org.ringworld.model.training.UnequalBlocks;
import org.ringworld.tokenizer.packing.Row;

class RingPlanTest {
    private static final List<Layout> LAYOUTS =
            List.of(new ZigzagLayout(), new StripedLayout(), new ContiguousLayout());

    static List<Arguments> cases() {
        List<Arguments> cases = new ArrayList<>();
        for (Layout layout : LAYOUTS) {
            for (int size : new int[] {1, 2, 3, 5, 8}) {
                for (int seqLen : new int[] {1, 7, 16, 57, 130}) {
                    cases.add(Arguments.of(layout, size, seqLen));
                }
            }
        }
        return cases;
    }

    private static boolean sees(SequenceBlock q, int i, SequenceBlock k, int j) {
        return q.segments()[i] >= 0
                && q.segments()[i] == k.segments()[j]
                && k.positions()[j] <= q.positions()[i];
    }

    @ParameterizedTest
    @MethodSource("cases")
    void everyVisiblePairIsComputedOnceAndNoTileTravelsInVain(Layout layout, int size, int seqLen) {
        SplittableRandom random = new SplittableRandom(seqLen * 31L + size);
        for (int round = 0; round < 5; round++) {
            List<Row> rows = new ArrayList<>();
            for (int r = 0; r <= round % 3; r++) {
                rows.add(RandomRows.row(random, seqLen, 50));
            }
            check(MicroBatch.of(rows, layout, RingShares.even(size), 8, CausalMask.CAUSAL), rows);
            RingShares shares = RingShares.bySpeed(random.doubles(size, 0.1, 2).toArray());
            check(MicroBatch.of(rows, layout, shares, 8, CausalMask.CAUSAL), rows);
        }
    }

    @ParameterizedTest
    @CsvSource({"2 1", "5 3 0", "0 0 1", "1 0 7 0 2"})
    void theSameHoldsForRanksOfUnequalBlocks(String list) {
        int[] shares = Arrays.stream(list.split(" ")).mapToInt(Integer::parseInt).toArray();
        SplittableRandom random = new SplittableRandom(shares.length);
        for (int seqLen : new int[] {1, 7, 57, 130}) {
            Row row = RandomRows.row(random, seqLen, 50);
            for (boolean turns : new boolean[] {false, true}) {
                check(UnequalBlocks.cut(row, shares, turns, 8), List.of(row));
            }
        }
    }

    private static void check(MicroBatch batch, List<Row> rows) {
        RingPlan plan = batch.plan();
        int size = plan.size();
        List<SequenceBlock> blocks = blocks(batch);
        long computed = 0;
        for (int origin = 0; origin < size; origin++) {
            SequenceBlock keys = blocks.get(origin);
            BitSet held = new BitSet();
            held.set(0, plan.tiles(origin));
            BitSet touched = new BitSet();
            for (int hop = 0; hop < size; hop++) {
                int rank = (origin + hop) % size;
                assertThat(plan.origin(rank, hop)).isEqualTo(origin);
                BitSet seen = plan.sees()[rank][origin];
                assertThat(contains(held, seen)).as("tiles are there when needed").isTrue();
                computed += pairs(plan, blocks.get(rank), keys, origin, seen);
                if (hop > 0) {
                    touched.or(seen);
                    assertThat(plan.gradientsSent(hop, origin)).isEqualTo(touched);
                }
                BitSet sent = plan.keysSent(hop, origin);
                assertThat(contains(held, sent)).isTrue();
                for (int t = sent.nextSetBit(0); t >= 0; t = sent.nextSetBit(t + 1)) {
                    assertThat(neededLater(plan, blocks, keys, origin, hop, t)).isTrue();
                }
                held = sent;
            }
        }
        assertThat(computed).isEqualTo(visiblePairs(rows));
    }

    private static List<SequenceBlock> blocks(MicroBatch batch) {
        return IntStream.range(0, batch.plan().size())
                .mapToObj(rank -> batch.ofRank(rank).own())
                .toList();
    }

    private static boolean contains(BitSet all, BitSet some) {
        BitSet missing = (BitSet) some.clone();
        missing.andNot(all);
        return missing.isEmpty();
    }

    private static long pairs(
            RingPlan plan, SequenceBlock queries, SequenceBlock keys, int origin, BitSet tiles) {
        int[] borders = plan.borders()[origin];
        long pairs = 0;
        for (int t = 0; t < plan.tiles(origin); t++) {
            long here = 0;
            for (int i = 0; i < queries.length(); i++) {
                for (int j = borders[t]; j < borders[t + 1]; j++) {
                    here += sees(queries, i, keys, j) ? 1 : 0;
                }
            }
            assertThat(tiles.get(t)).isEqualTo(here > 0);
            pairs += here;
        }
        return pairs;
    }

    private static boolean neededLater(
            RingPlan plan,
            List<SequenceBlock> blocks,
            SequenceBlock keys,
            int origin,
            int hop,
            int tile) {
        int[] borders = plan.borders()[origin];
        for (int later = hop + 1; later < plan.size(); later++) {
            SequenceBlock queries = blocks.get((origin + later) % plan.size());
            for (int i = 0; i < queries.length(); i++) {
                for (int j = borders[tile]; j < borders[tile + 1]; j++) {
                    if (sees(queries, i, keys, j)) {
                        return true;
                    }
                }
            }
        }
        return false;
    }

    private static long visiblePairs(List<Row> rows) {
        long pairs = 0;
        for (Row row : rows) {
            for (int i = 0; i < row.ids().length; i++) {
                for (int j = 0; j < row.ids().length; j++) {
                    boolean same = row.segments()[i] >= 0 && row.segments()[i] == row.segments()[j];
                    pairs += same && row.positions()[j] <= row.positions()[i] ? 1 : 0;
                }
            }
        }
        return pairs;
    }

    @Test
    void everyTokenLiesOnOneRankOnly() {
        for (Layout layout : LAYOUTS) {
            for (int size = 1; size < 9; size++) {
                double[] speeds = new SplittableRandom(size).doubles(size, 0.01, 1).toArray();
                for (int seqLen = 1; seqLen < 80; seqLen++) {
                    checkPlaces(layout, RingShares.even(size), seqLen);
                    checkPlaces(layout, RingShares.bySpeed(speeds), seqLen);
                }
            }
        }
    }

    private static void checkPlaces(Layout layout, RingShares shares, int seqLen) {
        BitSet places = new BitSet();
        for (int rank = 0; rank < shares.size(); rank++) {
            int[] own = layout.places(rank, shares, seqLen);
            assertThat(own).hasSize(layout.blockLength(rank, shares, seqLen));
            for (int place : own) {
                if (place < seqLen) {
                    assertThat(places.get(place)).isFalse();
                    places.set(place);
                }
            }
        }
        assertThat(places.cardinality()).isEqualTo(seqLen);
    }

    @ParameterizedTest
    @CsvSource({"3 13", "1 1 14", "5 4 6 1"})
    void workIsInProportionToShares(String list) {
        List<Integer> parts = Arrays.stream(list.split(" ")).map(Integer::valueOf).toList();
        int seqLen = 4096;
        Row row = document(seqLen);
        RingShares shares = new RingShares(parts);
        long pairs = (long) seqLen * (seqLen + 1) / 2;
        for (int rank = 0; rank < parts.size(); rank++) {
            double share = parts.get(rank) / 16.0;
            assertThat(work(row, new ZigzagLayout(), shares, rank))
                    .isEqualTo((long) (pairs * share));
            assertThat((double) work(row, new StripedLayout(), shares, rank))
                    .isCloseTo(pairs * share, within(pairs * 0.004));
        }
    }

    private static long work(Row row, Layout layout, RingShares shares, int rank) {
        MicroBatch batch = MicroBatch.of(List.of(row), layout, shares);
        return Arrays.stream(batch.ofRank(rank).own().positions()).mapToLong(p -> p + 1L).sum();
    }

    private static Row document(int seqLen) {
        int[] none = new int[seqLen];
        Arrays.fill(none, -100);
        int[] positions = IntStream.range(0, seqLen).toArray();
        return new Row(new int[seqLen], positions, new int[seqLen], none, new float[seqLen]);
    }

    @Test
    void zigzagGivesEveryRankTheSameWorkAndSendsTheFewestTiles() {
        int seqLen = 4096;
        Row row = document(seqLen);
        int size = 4;
        MicroBatch zigzag =
                MicroBatch.of(
                        List.of(row),
                        new ZigzagLayout(),
                        RingShares.even(size),
                        64,
                        CausalMask.CAUSAL);
        long expected = (long) seqLen * (seqLen + 1) / 2 / size;
        for (SequenceBlock block : blocks(zigzag)) {
            long work = Arrays.stream(block.positions()).mapToLong(p -> p + 1L).sum();
            assertThat(work).isEqualTo(expected);
        }
        // The early chunk of rank r goes all the way round, the late one only to the ranks above.
        long chunk = seqLen / (2 * size);
        long links = (long) size * (size - 1) + (long) size * (size - 1) / 2;
        assertThat(zigzag.plan().traffic().keys()).isEqualTo(chunk * links);
        MicroBatch striped =
                MicroBatch.of(
                        List.of(row),
                        new StripedLayout(),
                        RingShares.even(size),
                        64,
                        CausalMask.CAUSAL);
        assertThat(zigzag.plan().traffic().keys()).isLessThan(striped.plan().traffic().keys());
    }
}
