package org.ringworld.model.training;

import java.util.List;
import java.util.function.IntFunction;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.RankBatch;
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
     * @param lossSum Σ w·ce of the whole step
     * @param hits answers that were right
     * @param gradNorm norm of the whole gradient before clipping; if it is not finite nothing was
     *     updated
     */
    public record Outcome(double lossSum, long hits, double gradNorm) {}

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
     * @param targetWeight Σ w of all ranks and micro-batches; 0 gives zero gradients
     * @param answerWeight the least weight of a target that is counted where it is right
     * @param rate learning rate of this update
     * @param step counts from 1
     */
    public Outcome run(
            LlamaConfig config,
            List<RankBatch> parts,
            double targetWeight,
            float answerWeight,
            Ring ring,
            AdamW optimizer,
            double rate,
            long step,
            Recompute recompute) {
        float gradScale = targetWeight == 0 ? 0 : (float) (1 / targetWeight);
        double lossSum = 0;
        long hits = 0;
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
            lossSum += losses.weightedSum(batch.own());
            hits += losses.hits(batch.own(), answerWeight);
        }
        parameters.gradients().sum(ring, step);
        StepSums.Sums whole = sums.gather(ring, new StepSums.Sums(lossSum, hits), step);
        // From here on no other rank is waited for: whatever happens to them, the update is whole.
        double norm = AdamW.norm(parameters, device, sum);
        if (Double.isFinite(norm)) {
            optimizer.update(parameters, device, rate, step, norm);
        }
        return new Outcome(whole.loss(), whole.hits(), norm);
    }

    /** Gives back its own memory; parameters and transformer are the caller's. */
    @Override
    public void close() {
        device.free(sum);
        sums.close();
    }
}
