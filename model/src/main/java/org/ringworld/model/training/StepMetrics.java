package org.ringworld.model.training;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;

/**
 * One line of metrics.jsonl.
 *
 * @param step optimizer step, from 1 through all stages
 * @param loss Σ w·ce / Σ w in nats
 * @param accuracy part of the answers that were right: of texts all targets with weight, each
 *     counted once whatever it weighs; of made-up tasks those that weigh 1, which are what is asked
 *     for; NaN where there is none
 * @param paramNorm L2 norm of all weights before the step
 * @param tokens of this step
 * @param flopsShare useful FLOP/s as a share of what the devices can do
 * @param bytesPlanned bytes of keys, values and their gradients that crossed links
 * @param bytesMinimum bytes if each key went straight to each rank that sees it
 * @param secondsCompute device time outside waits, the mean over ranks
 * @param secondsWait waiting for neighbours, the mean over ranks
 * @param parts of several sources and modalities, each with targets; null: there is only one
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
        double paramNorm,
        long tokens,
        double targetWeight,
        double tokensPerSecond,
        double flopsShare,
        long bytesPlanned,
        long bytesMinimum,
        double secondsCompute,
        double secondsWait,
        List<Part> parts,
        String time) {

    /**
     * What a step came to for one source's targets of one modality.
     *
     * @param source as the job names it; null: the stage makes its own data
     * @param modality text or vision
     * @param loss Σ w·ce / Σ w in nats
     * @param accuracy part of the answers that were right
     * @param answers how many there were
     */
    public record Part(
            String source, String modality, double loss, double accuracy, long answers) {}

    /**
     * What all ranks report of one step that took {@code seconds} since the one before.
     *
     * @param spent by each rank's device
     * @param flopsLimit FLOP/s of all devices together
     * @param sources names of the stage's
     */
    public static StepMetrics of(
            long step,
            long epoch,
            StepPlan.Constants plan,
            TrainingStep.Outcome outcome,
            List<TimeSpent> spent,
            double seconds,
            double flopsLimit,
            List<String> sources) {
        long answers = plan.parts().stream().mapToLong(LossPart.Targets::answers).sum();
        return new StepMetrics(
                step,
                plan.stage(),
                epoch,
                plan.targetWeight() == 0 ? 0 : outcome.lossSum() / plan.targetWeight(),
                answers == 0 ? Double.NaN : (double) outcome.hits() / answers,
                plan.learningRate(),
                outcome.gradNorm(),
                outcome.paramNorm(),
                plan.tokens(),
                plan.targetWeight(),
                plan.tokens() / seconds,
                plan.flops() / seconds / flopsLimit,
                plan.bytes().planned(),
                plan.bytes().minimum(),
                spent.stream().mapToDouble(TimeSpent::computing).average().orElse(0),
                spent.stream().mapToDouble(TimeSpent::waiting).average().orElse(0),
                parts(plan.parts(), outcome.parts(), sources),
                null);
    }

    private static List<Part> parts(
            List<LossPart.Targets> targets, List<LossPart.Sums> sums, List<String> sources) {
        List<Part> parts = new ArrayList<>();
        for (int i = 0; i < targets.size(); i++) {
            LossPart.Targets of = targets.get(i);
            if (of.weight() == 0) {
                continue;
            }
            int source = LossPart.source(i);
            parts.add(
                    new Part(
                            source < sources.size() ? sources.get(source) : null,
                            LossPart.modality(i),
                            sums.get(i).loss() / of.weight(),
                            of.answers() == 0
                                    ? Double.NaN
                                    : (double) sums.get(i).hits() / of.answers(),
                            of.answers()));
        }
        return parts.size() > 1 ? parts : null;
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
                paramNorm,
                tokens,
                targetWeight,
                tokensPerSecond,
                flopsShare,
                bytesPlanned,
                bytesMinimum,
                secondsCompute,
                secondsWait,
                parts,
                now.truncatedTo(ChronoUnit.MILLIS).toString());
    }
}
