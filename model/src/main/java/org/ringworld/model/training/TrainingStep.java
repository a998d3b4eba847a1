package org.ringworld.model.training;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.RankBatch;
import org.ringworld.model.attention.SequenceBlock;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.layers.TokenLosses;
import org.ringworld.model.layers.Transformer;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Ring;
import org.ringworld.model.ring.StepSums;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * One optimizer step on one rank: forward and backward of every micro-batch, the sum of gradients
 * over the ring, clipping, update. The loss is Σ w·ce / Σ w over the whole global step however it
 * is cut, never a mean of means.
 */
public final class TrainingStep implements AutoCloseable {
    private static final int FEW_TOKENS = 64;
    private static final long MEASURED_NANOS = 1_000_000_000;

    private final Device device;
    private final WholeParameters parameters;
    private final Transformer transformer;
    private final Tensor sum;
    private final StepSums sums;

    public TrainingStep(Device device, WholeParameters parameters, Transformer transformer) {
        this.device = device;
        this.parameters = parameters;
        this.transformer = transformer;
        this.sum = device.tensor(DType.F32, 1);
        this.sums = new StepSums(device);
    }

    /**
     * What every rank knows after a step, the same on all.
     *
     * @param parts of the whole step, see {@link LossPart}
     * @param gradNorm norm of the whole gradient before clipping; if it is not finite nothing was
     *     updated
     * @param paramNorm norm of all weights before the update
     */
    public record Outcome(List<LossPart.Sums> parts, double gradNorm, double paramNorm) {
        /** Σ w·ce of the whole step. */
        public double lossSum() {
            return parts.stream().mapToDouble(LossPart.Sums::loss).sum();
        }

        /** Answers that were right. */
        public long hits() {
            return parts.stream().mapToLong(LossPart.Sums::hits).sum();
        }
    }

    /**
     * The gradients of one micro-batch alone, summed over the ring, without an update.
     *
     * @param logits is given this rank's logits block by block; or null
     */
    public TokenLosses gradients(
            LlamaConfig config,
            RankBatch batch,
            float gradScale,
            Ring ring,
            Transformer.LogitSink logits) {
        TokenLosses losses =
                transformer.forwardBackward(
                        config,
                        batch,
                        ring,
                        Frame.of(0, 0),
                        gradScale,
                        Recompute.ALL,
                        parameters.gradients(),
                        false,
                        true,
                        logits);
        parameters.gradients().sum(ring, 0);
        return losses;
    }

    /**
     * Tokens that forward and backward do a second on this device alone: the best of some rows,
     * each twice as long as the one before, whose code the first ones have compiled.
     *
     * @param most tokens of a row
     * @param rows of so many tokens
     */
    public double tokensPerSecond(
            LlamaConfig config, int most, IntFunction<RankBatch> rows, Ring alone) {
        double best = 0;
        long begin = System.nanoTime();
        int tokens = Math.min(most, FEW_TOKENS);
        do {
            RankBatch batch = rows.apply(tokens);
            long start = System.nanoTime();
            gradients(config, batch, 1f / tokens, alone, null);
            AdamW.norm(parameters, device, sum); // waits for all that is queued
            best = Math.max(best, tokens * 1e9 / (System.nanoTime() - start));
            tokens = Math.min(most, 2 * tokens);
        } while (System.nanoTime() - begin < MEASURED_NANOS);
        return best;
    }

    /**
     * @param config with the stage's rotary base
     * @param parts this rank's part of each micro-batch
     * @param plan of the whole step; no weight at all gives zero gradients
     */
    public Outcome run(
            LlamaConfig config,
            List<RankBatch> parts,
            StepPlan plan,
            Ring ring,
            Recompute recompute) {
        double targetWeight = plan.targetWeight();
        float gradScale = targetWeight == 0 ? 0 : (float) (1 / targetWeight);
        long step = plan.step();
        StepSums.Sums own = new StepSums.Sums(plan.parts().size());
        for (int part = 0; part < parts.size(); part++) {
            RankBatch batch = parts.get(part);
            TokenLosses losses =
                    transformer.forwardBackward(
                            config,
                            batch,
                            ring,
                            Frame.of(step, part),
                            gradScale,
                            recompute,
                            parameters.gradients(),
                            part > 0,
                            part + 1 == parts.size(),
                            null);
            add(losses, batch, plan.answerWeight(), own);
        }
        parameters.gradients().sum(ring, step);
        StepSums.Sums whole = sums.gather(ring, own, step);
        // From here on no other rank is waited for: whatever happens to them, the update is whole.
        double paramNorm = AdamW.paramNorm(parameters, device, sum);
        plan.optimizer().freeze(parameters, device);
        double norm = AdamW.norm(parameters, device, sum);
        if (Double.isFinite(norm)) {
            plan.optimizer().update(parameters, device, plan.learningRate(), step, norm);
        }
        List<LossPart.Sums> sums = new ArrayList<>();
        for (int part = 0; part < whole.parts(); part++) {
            sums.add(new LossPart.Sums(whole.loss()[part], whole.hits()[part]));
        }
        return new Outcome(sums, norm, paramNorm);
    }

    /** What a micro-batch's tokens lost, in F64, and which answers were right. */
    private static void add(
            TokenLosses losses, RankBatch batch, float answerWeight, StepSums.Sums to) {
        SequenceBlock own = batch.own();
        for (int i = 0; i < own.length(); i++) {
            int source = batch.sources()[own.rows()[i]];
            boolean vision = own.visionTargets() != null && own.visionTargets()[i];
            int part = LossPart.of(source, vision);
            to.loss()[part] += (double) own.weights()[i] * losses.ce()[i];
            to.hits()[part] += own.weights()[i] >= answerWeight ? losses.hits()[i] : 0;
        }
    }

    /** Gives back its own memory; parameters and transformer are the caller's. */
    @Override
    public void close() {
        device.free(sum);
        sums.close();
    }
}
