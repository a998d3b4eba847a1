package org.ringworld.model.training.coordination;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.nio.file.Path;
import java.util.List;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.job.Moment;
import org.ringworld.model.training.job.Probe;
import org.ringworld.model.training.job.StageExam;

/** What a job tells whoever watches it; as JSON, too, where that is another process. */
@JsonTypeInfo(use = JsonTypeInfo.Id.SIMPLE_NAME)
public sealed interface Progress {
    /** Whether nothing follows it. */
    @JsonIgnore
    default boolean isLast() {
        return this instanceof Completed || this instanceof Interrupted || this instanceof Failed;
    }

    /** A new ring is being formed of some of these; others are not used any more. */
    record Regrouping(List<DeviceId> devices) implements Progress {}

    /** Too few devices are there. */
    record Waiting(int devices, int needed) implements Progress {}

    /**
     * The ring stands.
     *
     * @param step the last finished one when a run goes on, else 0
     * @param earlier what is on record of the steps up to it; null: what was told before
     */
    record Formed(long epoch, int size, String device, long step, List<StepMetrics> earlier)
            implements Progress {}

    record StageBegun(int index, Stage stage) implements Progress {}

    /** A step is over, on all ranks. */
    record Stepped(StepMetrics metrics, List<RankTime> ranks) implements Progress {}

    /** What one rank's device spent on a step. */
    record RankTime(String device, TimeSpent spent) {}

    /** One rank takes much longer than the others, whom it holds up. */
    record Straggler(String device, double timesMedian) implements Progress {}

    /** So many batches of unseen rows are evaluated, and the next one begins. */
    record Evaluating(int batches, int of) implements Progress {}

    /** Unseen rows evaluated at a {@link Moment}, after a step. */
    record Evaluated(int moment, long step, List<Probe.Result> results) implements Progress {}

    /**
     * What came of a stage's {@link StageExam}.
     *
     * @param round of the stage, from 1
     * @param score the mean of what was asked
     * @param advance what it had to be
     * @param again whether the stage is done once more
     * @param rounds of each stage from now on
     */
    record Examined(
            int stage, int round, double score, double advance, boolean again, List<Integer> rounds)
            implements Progress {}

    /** The state was copied for writing, for which training waited so long. */
    record Copied(long step, double seconds) implements Progress {}

    /** A snapshot could not be written; training goes on, and the next one is tried. */
    record NotSaved(String sentence, long step) implements Progress {}

    /** A model or snapshot stands on disk. */
    record Saved(Path path, long step) implements Progress {}

    /** All stages are done. */
    record Completed(Path model) implements Progress {}

    /** Stopped on request; the state is at {@code snapshot}, null before the first step. */
    record Interrupted(long step, Path snapshot) implements Progress {}

    /**
     * Stopped by a fault, said in one sentence; the last good state is at {@code snapshot}, or null
     * if none could be written.
     */
    record Failed(String sentence, long step, Path snapshot) implements Progress {}
}
