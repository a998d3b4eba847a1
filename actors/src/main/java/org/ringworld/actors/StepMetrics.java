package org.ringworld.actors;

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

    /** What all ranks report of one step that took {@code seconds} since the one before. */
    static StepMetrics of(
            Job job,
            StepPlan plan,
            List<DeviceActor.Stepped> ranks,
            double seconds,
            double flopsLimit) {
        double lossSum = ranks.getFirst().outcome().lossSum();
        long hits = ranks.getFirst().outcome().hits();
        double flops = Flops.training(job.model(), plan);
        StepPlan.Bytes bytes = plan.bytes(job.model(), job.dtype());
        return new StepMetrics(
                plan.step(),
                plan.stage(),
                ranks.getFirst().epoch(),
                plan.targetWeight() == 0 ? 0 : lossSum / plan.targetWeight(),
                plan.answers() == 0 ? Double.NaN : (double) hits / plan.answers(),
                plan.learningRate(),
                ranks.getFirst().outcome().gradNorm(),
                plan.tokens(),
                plan.targetWeight(),
                plan.tokens() / seconds,
                flops / seconds / flopsLimit,
                bytes.planned(),
                bytes.minimum(),
                ranks.stream().mapToDouble(r -> r.spent().computing()).average().orElse(0),
                ranks.stream().mapToDouble(r -> r.spent().waiting()).average().orElse(0),
                Instant.now().truncatedTo(ChronoUnit.MILLIS).toString());
    }
}
