package org.ringworld.model.training.job;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.ModelCard;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.training.Curriculum;
import org.ringworld.model.training.Stage;

/**
 * What to write.
 *
 * @param config with the rotary base and context length that the weights were last trained with
 * @param tokenizer saved beside the weights
 * @param training what a run needs to go on, or null for the model alone
 * @param card of a model alone, or null: a snapshot has none
 * @param fence whose owner alone may write into the run
 */
public record SaveRequest(
        Path path,
        LlamaConfig config,
        String tokenizer,
        Training training,
        ModelCard card,
        Fence fence) {
    /** Beside the model and the optimizer's state. */
    public record Training(
            Job job,
            int stage,
            long stepInStage,
            long tokens,
            long epoch,
            List<DeviceShare> shares) {}

    /**
     * All that is written after {@code step}: models, then a snapshot.
     *
     * @param models as {@link org.ringworld.model.training.coordination.Order.SaveState} has them
     */
    public static List<SaveRequest> of(
            Job job, long step, long epoch, List<DeviceShare> shares, int models, Fence fence) {
        List<SaveRequest> requests = new ArrayList<>();
        requests.addAll(models(job, step, fence).subList(0, models));
        requests.add(snapshot(job, step, epoch, shares, fence));
        return requests;
    }

    /** The state after {@code step}: {@code snapshots/step-<n>}. */
    public static SaveRequest snapshot(
            Job job, long step, long epoch, List<DeviceShare> shares, Fence fence) {
        Curriculum.Place place =
                job.curriculum().place(Math.clamp(step, 1, job.curriculum().steps()));
        return new SaveRequest(
                job.output().resolve("snapshots").resolve("step-" + step),
                trained(job, place.stage()),
                job.tokenizer(),
                new Training(
                        job,
                        place.stage(),
                        place.stepInStage() + 1,
                        job.curriculum().tokens(step),
                        epoch,
                        shares),
                null,
                fence);
    }

    /**
     * The models of a stage's end: {@code stages/<i>-<seqLen>}, and after the last {@code final},
     * which says that the job is done.
     */
    static List<SaveRequest> models(Job job, long step, Fence fence) {
        int stage = job.curriculum().place(step).stage();
        LlamaConfig config = trained(job, stage);
        ModelCard card = TrainingCard.of(job, stage, config, List.of());
        return directories(job, stage).stream()
                .map(path -> new SaveRequest(path, config, job.tokenizer(), null, card, fence))
                .toList();
    }

    /** Where a stage's model lies, the last one's twice. */
    private static List<Path> directories(Job job, int stage) {
        List<Stage> stages = job.curriculum().stages();
        String name = stage + "-" + stages.get(stage).seqLen();
        Path own = job.output().resolve("stages").resolve(name);
        return stage == stages.size() - 1
                ? List.of(own, job.output().resolve("final"))
                : List.of(own);
    }

    /** Writes the scores of a stage's models into the cards of those that stand already. */
    public static void writeScores(Job job, int stage, List<Probe.Result> scores)
            throws IOException {
        ModelCard card = TrainingCard.of(job, stage, trained(job, stage), scores);
        for (Path directory : directories(job, stage)) {
            if (Files.exists(directory)) {
                card.write(directory);
            }
        }
    }

    /**
     * The model as a stage left it: with its rotary base, and the longest context of this and
     * earlier stages and of the model it started from.
     */
    private static LlamaConfig trained(Job job, int stage) {
        List<Stage> done = job.curriculum().stages().subList(0, stage + 1);
        int longest = job.start() == null ? 1 : job.model().maxPositionEmbeddings();
        for (Stage one : done) {
            longest = Math.max(longest, one.seqLen());
            for (Stage.Mix other : one.mix()) {
                longest = Math.max(longest, other.seqLen());
            }
        }
        return job.model()
                .withRopeTheta(done.getLast().ropeTheta())
                .withMaxPositionEmbeddings(longest);
    }
}
