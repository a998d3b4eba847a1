package org.ringworld.actors;

/**
 * One line of metrics.jsonl.
 *
 * @param step optimizer step, from 1 through all stages
 * @param loss Σ w·ce / Σ w in nats
 * @param accuracy part of the answers that were right; NaN when none was asked
 * @param tokens of this step
 * @param flopsShare useful FLOP/s as a share of what the devices can do
 * @param bytesPlanned bytes of keys, values and their gradients that crossed links
 * @param bytesMinimum bytes if each key went straight to each rank that sees it
 * @param secondsCompute device time outside waits, the mean over ranks
 * @param secondsWait waiting for neighbours, the mean over ranks
 */
public record StepMetrics(
        long step,
        int stage,
        long epoch,
        double loss,
        double accuracy,
        double learningRate,
        double gradNorm,
        long tokens,
        double targetWeight,
        double tokensPerSecond,
        double flopsShare,
        long bytesPlanned,
        long bytesMinimum,
        double secondsCompute,
        double secondsWait) {}
