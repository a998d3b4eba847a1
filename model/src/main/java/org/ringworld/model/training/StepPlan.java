package org.ringworld.model.training;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.RingPlan;
import org.ringworld.model.attention.SequenceBlock;
import org.ringworld.model.layers.TokenLosses;
import org.ringworld.runtime.DType;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowStream;

/**
 * All that a rank needs for one optimizer step: the rows, cut and planned, and the update's
 * constants. Made from data alone while an earlier step runs.
 *
 * @param step counts from 1 through all stages
 * @param targetWeight Σ w of the whole global step
 * @param answerWeight the least weight of a target that counts as an answer
 * @param answers such targets in the whole step
 * @param visionTargets targets of the vision head in the whole step
 * @param visiblePairs pairs of a query and a key that it sees, for counting FLOPs
 */
public record StepPlan(
        long step,
        int stage,
        double ropeTheta,
        List<MicroBatch> parts,
        double targetWeight,
        float answerWeight,
        long answers,
        long visionTargets,
        long visiblePairs,
        long tokens,
        int seqLen,
        AdamW optimizer,
        double learningRate) {

    /** The plan of a stage's step (from 0), a pure function of the stream. */
    public static StepPlan of(
            long step,
            int stageIndex,
            Stage stage,
            long stepInStage,
            RowStream stream,
            Layout layout,
            int ringSize) {
        int seqLen = stage.seqLenOf(stepInStage);
        int count = stage.rowsOf(stepInStage);
        List<Row> rows = stream.rows(stepInStage, seqLen, count);
        int pieces = Math.min(stage.microBatches(), count);
        List<MicroBatch> parts = new ArrayList<>();
        for (int p = 0; p < pieces; p++) {
            List<Row> piece = rows.subList(p * count / pieces, (p + 1) * count / pieces);
            parts.add(MicroBatch.of(piece, layout, ringSize));
        }
        double weight = parts.stream().mapToDouble(MicroBatch::targetWeight).sum();
        // Weights of documents are shared out among their targets; tasks weigh what is asked for 1.
        float answerWeight = stage.task().equals("text") ? Float.MIN_VALUE : 1;
        long answers = 0;
        for (MicroBatch part : parts) {
            for (SequenceBlock block : part.blocks()) {
                answers += TokenLosses.answers(block, answerWeight);
            }
        }
        AdamW optimizer = stage.optimizer();
        return new StepPlan(
                step,
                stageIndex,
                stage.ropeTheta(),
                parts,
                weight,
                answerWeight,
                answers,
                rows.stream().mapToLong(StepPlan::visionTargets).sum(),
                rows.stream().mapToLong(StepPlan::visiblePairs).sum(),
                (long) count * seqLen,
                seqLen,
                optimizer,
                optimizer.learningRate().at(stepInStage, stage.steps()));
    }

    private static long visionTargets(Row row) {
        long count = 0;
        for (int i = 0; row.visionTargets() != null && i < row.length(); i++) {
            count += row.visionTargets()[i] && row.targets()[i] >= 0 ? 1 : 0;
        }
        return count;
    }

    private static long visiblePairs(Row row) {
        long pairs = 0;
        long seen = 0;
        for (int i = 0; i < row.ids().length; i++) {
            boolean same = i > 0 && row.segments()[i] == row.segments()[i - 1];
            seen = row.segments()[i] < 0 ? 0 : same ? seen + 1 : 1;
            pairs += seen;
        }
        return pairs;
    }

    /**
     * What a step's line of metrics says of it whatever comes of it.
     *
     * @param flops useful ones, forward and backward
     */
    public record Constants(
            int stage,
            double learningRate,
            long tokens,
            double targetWeight,
            long answers,
            double flops,
            Bytes bytes) {}

    /** Its constants for a model of these sizes. */
    public Constants constants(LlamaConfig model, DType dtype) {
        return new Constants(
                stage,
                learningRate,
                tokens,
                targetWeight,
                answers,
                Flops.training(model, this),
                bytes(model, dtype));
    }

    /**
     * Bytes of keys, values and their gradients in a step.
     *
     * @param planned that cross links
     * @param minimum if each key went straight to each rank that sees it
     */
    public record Bytes(long planned, long minimum) {}

    /** What the ranks pass on. */
    public Bytes bytes(LlamaConfig model, DType dtype) {
        long keys = 0;
        long gradients = 0;
        long fewest = 0;
        for (MicroBatch part : parts) {
            RingPlan.Traffic traffic = part.plan().traffic();
            keys += traffic.keys();
            gradients += traffic.gradients();
            fewest += traffic.fewest();
        }
        // Elements of the keys and values of one token, all layers together.
        long row = 2L * model.numLayers() * model.numKvHeads() * model.headDim();
        return new Bytes(
                row * (2 * keys * dtype.bytes() + gradients * Float.BYTES),
                row * fewest * (2L * dtype.bytes() + Float.BYTES));
    }
}
