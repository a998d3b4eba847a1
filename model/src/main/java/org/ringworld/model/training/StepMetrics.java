package org.ringworld.model.training;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;

/**
 * One line of metrics.jsonl.
 *
 * @param step optimizer step, from 1 through all stages
 * @param loss Σ w·ce / Σ w in nats
 * @param accuracy part of the answers that were right: of texts all targets with weight, each
 *     counted once whatever it weighs; of made-up tasks those that weigh 1, which are what is asked
 *     for; NaN where there is none
 * @param tokens of this step
 * @param flopsShare useful FLOP/s as a share of what the devices can do
 * @param bytesPlanned bytes of keys, values and their gradients that crossed links
 * @param bytesMinimum bytes if each key went straight to each rank that sees it
 * @param secondsCompute device time outside waits, the mean over ranks
 * @param secondsWait waiting for neighbours, the mean over ranks
 * @param time when the step was over: ISO 8601, UTC; null in lines from before there was such a key
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
        double secondsWait,
        String time) {

    /**
     * What all ranks report of one step that took {@code seconds} since the one before.
     *
     * @param spent by each rank's device
     * @param flopsLimit FLOP/s of all devices together
     */
    public static StepMetrics of(
            long step,
            long epoch,
            StepPlan.Constants plan,
            TrainingStep.Outcome outcome,
            List<TimeSpent> spent,
            double seconds,
            double flopsLimit) {
        return new StepMetrics(
                step,
                plan.stage(),
                epoch,
                plan.targetWeight() == 0 ? 0 : outcome.lossSum() / plan.targetWeight(),
                plan.answers() == 0 ? Double.NaN : (double) outcome.hits() / plan.answers(),
                plan.learningRate(),
                outcome.gradNorm(),
                plan.tokens(),
                plan.targetWeight(),
                plan.tokens() / seconds,
                plan.flops() / seconds / flopsLimit,
                plan.bytes().planned(),
                plan.bytes().minimum(),
                spent.stream().mapToDouble(TimeSpent::computing).average().orElse(0),
                spent.stream().mapToDouble(TimeSpent::waiting).average().orElse(0),
                null);
    }

    /** The same line, of a step that was over at that time. */
    public StepMetrics at(Instant now) {
        return new StepMetrics(
                step,
                stage,
                epoch,
                loss,
                accuracy,
                learningRate,
                gradNorm,
                tokens,
                targetWeight,
                tokensPerSecond,
                flopsShare,
                bytesPlanned,
                bytesMinimum,
                secondsCompute,
                secondsWait,
                now.truncatedTo(ChronoUnit.MILLIS).toString());
    }
}
