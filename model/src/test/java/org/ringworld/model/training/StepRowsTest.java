package org.ringworld.model.training;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.model.attention.BlockPositions;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.RankBatch;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.attention.SequenceBlock;
import org.ringworld.tokenizer.packing.Row;

class StepRowsTest {
    private static final int SEQ_LEN = 1 << 16;
    private static final int ROWS = 2;

    private static final AdamW OPTIMIZER =
            new AdamW(
                    new LearningRate(1e-3, LearningRate.Schedule.CONSTANT, 0, 0, 0),
                    0.9,
                    0.98,
                    1e-8,
                    0,
                    1);

    private static List<Row> rows(int seqLen) {
        SplittableRandom random = new SplittableRandom(seqLen);
        List<Row> rows = new ArrayList<>();
        for (int r = 0; r < ROWS; r++) {
            rows.add(RandomRows.withVision(random, RandomRows.row(random, seqLen, 50)));
        }
        return rows;
    }

    private static StepRows step(List<Row> rows, String layout, int ringSize) {
        int seqLen = rows.getFirst().length();
        Stage stage =
                new Stage(
                        "text",
                        Stage.Task.TEXT,
                        seqLen,
                        List.of(),
                        1e4,
                        1,
                        2L * seqLen,
                        ROWS,
                        OPTIMIZER);
        return StepRows.of(
                1,
                0,
                stage,
                0,
                (_, _, _) -> rows,
                Layout.of(layout),
                RingShares.even(ringSize),
                CausalMask.CAUSAL);
    }

    /** Bytes on the Java heap for a step as one rank of a ring makes it. */
    private static long bytes(List<Row> rows, int ringSize) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        RankPlan plan = step(rows, "zigzag", ringSize).ofRank(0);
        long bytes = threads.getCurrentThreadAllocatedBytes() - before;
        assertThat(plan.tokens()).isEqualTo(SEQ_LEN / ringSize);
        return bytes;
    }

    /** All blocks together would be as much on any ring. */
    @ParameterizedTest
    @ValueSource(ints = {2, 8, 16})
    void ofALargerRingARankCutsLessAndPositionsAlonePerRank(int ringSize) {
        List<Row> rows = rows(SEQ_LEN);
        long tokens = (long) ROWS * SEQ_LEN;
        bytes(rows, ringSize); // loads what is needed
        long alone = bytes(rows, 1);
        // An id, target, weight, row and place of each token, and what it and its target are.
        long block = tokens * (5 * Integer.BYTES + 2);
        long plans = 2_000L * ringSize * ringSize; // which tiles go where: no token is in them
        assertThat(bytes(rows, ringSize)).isLessThan(alone - block + block / ringSize + plans);
    }

    @ParameterizedTest
    @ValueSource(strings = {"zigzag", "striped", "contiguous"})
    void whatAStepComesToDoesNotDependOnTheRing(String layout) {
        List<Row> rows = rows(57);
        StepPlan alone = step(rows, layout, 1).step();
        assertThat(alone.parts().getFirst().answers()).isPositive();
        assertThat(alone.tokens()).isEqualTo(57 * ROWS);
        for (int ringSize : new int[] {2, 3, 5, 8}) {
            StepPlan ring = step(rows, layout, ringSize).step();
            assertThat(ring.targetWeight()).isEqualTo(alone.targetWeight());
            assertThat(ring.parts()).isEqualTo(alone.parts());
            assertThat(ring.visionTargets()).isEqualTo(alone.visionTargets());
            assertThat(ring.visiblePairs()).isEqualTo(alone.visiblePairs());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5, 8})
    void ranksHoldEachTokenOnceAndAgreeWhereItStands(int ringSize) {
        List<Row> rows = rows(57);
        StepRows step = step(rows, "zigzag", ringSize);
        for (int part = 0; part < ROWS; part++) {
            Row row = rows.get(part);
            boolean[] held = new boolean[row.length()];
            List<BlockPositions> all = step.parts().get(part).ofRank(0).all();
            for (int rank = 0; rank < ringSize; rank++) {
                RankBatch batch = step.ofRank(rank).parts().get(part);
                SequenceBlock own = batch.own();
                assertThat(batch.targetWeight()).isEqualTo(step.parts().get(part).targetWeight());
                assertThat(own.positions()).isEqualTo(all.get(rank).positions());
                assertThat(own.segments()).isEqualTo(all.get(rank).segments());
                for (int i = 0; i < own.length(); i++) {
                    int place = own.places()[i];
                    if (place < 0) {
                        assertThat(own.segments()[i]).isEqualTo(Row.PADDING);
                        continue;
                    }
                    assertThat(held[place]).isFalse();
                    held[place] = true;
                    assertThat(own.ids()[i]).isEqualTo(row.ids()[place]);
                    assertThat(own.positions()[i]).isEqualTo(row.positions()[place]);
                    assertThat(own.targets()[i]).isEqualTo(row.targets()[place]);
                    assertThat(own.weights()[i]).isEqualTo(row.weights()[place]);
                    assertThat(own.visionIds()[i]).isEqualTo(row.visionIds()[place]);
                    assertThat(own.visionTargets()[i]).isEqualTo(row.visionTargets()[place]);
                }
            }
            assertThat(held).doesNotContain(false);
        }
    }
}
