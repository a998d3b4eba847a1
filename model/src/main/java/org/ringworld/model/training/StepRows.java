package org.ringworld.model.training;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.RingPlan;
import org.ringworld.model.attention.RingShares;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowStream;

/**
 * The rows of one optimizer step on a ring. Made from data alone while an earlier step runs, once
 * for all ranks of a process; each has its own plan cut of them.
 */
public record StepRows(StepPlan step, List<MicroBatch> parts) {
    /** Those of a stage's step (from 0), a pure function of the stream. */
    public static StepRows of(
            long step,
            int stageIndex,
            Stage stage,
            long stepInStage,
            RowStream stream,
            Layout layout,
            RingShares shares,
            CausalMask mask) {
        int seqLen = stage.seqLenOf(stepInStage);
        int count = stage.rowsOf(stepInStage);
        List<Row> rows = stream.rows(stepInStage, seqLen, count);
        int pieces = Math.min(stage.microBatches(), count);
        List<MicroBatch> parts = new ArrayList<>();
        for (int p = 0; p < pieces; p++) {
            List<Row> piece = rows.subList(p * count / pieces, (p + 1) * count / pieces);
            parts.add(MicroBatch.of(piece, layout, shares, RingPlan.TILE, mask));
        }
        // Weights of documents are shared out among their targets; tasks weigh what is asked for 1.
        float answerWeight = stage.task() == Stage.Task.TEXT ? Float.MIN_VALUE : 1;
        AdamW optimizer = stage.optimizer();
        StepPlan plan =
                new StepPlan(
                        step,
                        stageIndex,
                        stage.ropeTheta(),
                        parts.stream().mapToDouble(MicroBatch::targetWeight).sum(),
                        answerWeight,
                        LossPart.targets(rows, answerWeight),
                        rows.stream().mapToLong(StepRows::visionTargets).sum(),
                        rows.stream().mapToLong(row -> visiblePairs(row, mask)).sum(),
                        (long) count * seqLen,
                        traffic(parts),
                        optimizer,
                        optimizer.learningRate().at(stepInStage % stage.steps(), stage.steps()));
        return new StepRows(plan, List.copyOf(parts));
    }

    /** Cuts what one rank needs of it. */
    public RankPlan ofRank(int rank) {
        return new RankPlan(step, parts.stream().map(part -> part.ofRank(rank)).toList());
    }

    private static long visionTargets(Row row) {
        long count = 0;
        for (int i = 0; row.visionTargets() != null && i < row.length(); i++) {
            count += row.visionTargets()[i] && row.targets()[i] >= 0 ? 1 : 0;
        }
        return count;
    }

    private static long visiblePairs(Row row, CausalMask mask) {
        long pairs = 0;
        int end;
        for (int from = 0; from < row.length(); from = end) {
            end = from + 1;
            while (end < row.length() && row.segments()[end] == row.segments()[from]) {
                end++;
            }
            for (int i = from; row.segments()[from] >= 0 && i < end; i++) {
                int position = row.positions()[i];
                int ahead = Math.min(end - 1 - i, mask.last(position) - position);
                pairs += i - from + 1 + ahead;
            }
        }
        return pairs;
    }

    private static RingPlan.Traffic traffic(List<MicroBatch> parts) {
        long keys = 0;
        long gradients = 0;
        long fewest = 0;
        for (MicroBatch part : parts) {
            RingPlan.Traffic traffic = part.plan().traffic();
            keys += traffic.keys();
            gradients += traffic.gradients();
            fewest += traffic.fewest();
        }
        return new RingPlan.Traffic(keys, gradients, fewest);
    }
}
