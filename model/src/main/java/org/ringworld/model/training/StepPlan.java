package org.ringworld.model.training;

import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.RingPlan;
import org.ringworld.runtime.DType;

/**
 * What all ranks know alike of one optimizer step: the update's constants, and what its rows come
 * to whichever rank holds them.
 *
 * @param step counts from 1 through all stages
 * @param targetWeight Σ w of the whole global step
 * @param answerWeight the least weight of a target that counts as an answer
 * @param parts targets of each {@link LossPart}
 * @param visionTargets targets of the vision head in the whole step
 * @param visiblePairs pairs of a query and a key that it sees, for counting FLOPs
 * @param traffic of all micro-batches over all links
 */
public record StepPlan(
        long step,
        int stage,
        double ropeTheta,
        double targetWeight,
        float answerWeight,
        List<LossPart.Targets> parts,
        long visionTargets,
        long visiblePairs,
        long tokens,
        RingPlan.Traffic traffic,
        AdamW optimizer,
        double learningRate) {

    /**
     * What a step's line of metrics says of it whatever comes of it.
     *
     * @param parts targets of each {@link LossPart}
     * @param flops useful ones, forward and backward
     */
    public record Constants(
            int stage,
            double learningRate,
            long tokens,
            double targetWeight,
            List<LossPart.Targets> parts,
            double flops,
            Bytes bytes) {}

    /** Its constants for a model of these sizes. */
    public Constants constants(LlamaConfig model, DType dtype) {
        return new Constants(
                stage,
                learningRate,
                tokens,
                targetWeight,
                parts,
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
        // Elements of the keys and values of one token, all layers together.
        long row = 2L * model.numLayers() * model.numKvHeads() * model.headDim();
        return new Bytes(
                row * (2 * traffic.keys() * dtype.bytes() + traffic.gradients() * Float.BYTES),
                row * traffic.fewest() * (2L * dtype.bytes() + Float.BYTES));
    }
}
