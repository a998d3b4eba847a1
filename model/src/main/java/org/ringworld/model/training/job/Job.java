package org.ringworld.model.training.job;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.Curriculum;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;

/**
 * A training job, whole: what CONTRACT's job file says, resolved and checked.
 *
 * @param text the resolved job as HOCON, kept beside the results and compared when a run goes on
 * @param output where everything it writes goes
 * @param devices of its ring, at most and to begin with; a cluster takes as many of its nodes'
 * @param ringMinSize devices that it goes on with after losses
 * @param mask who sees whom while it is trained
 * @param model sizes of the model; its rotary base is each stage's, and its context length that of
 *     the model it starts from, 1 where it starts from none
 * @param start a model to start from, or null for random weights N(0, initStd)
 * @param continued a run whose newest snapshot, with all its steps, it goes on from, or null
 * @param data documents of each stage
 * @param heldOut part of the documents that is never trained on
 * @param snapshotSteps steps between snapshots
 * @param snapshotsKept how many stay
 * @param milestoneSteps snapshots at multiples of these steps stay too; 0: none does
 * @param evaluate by what it is evaluated inside stages
 * @param exams by what more at the end of which stages
 */
public record Job(
        String text,
        String name,
        Path output,
        long seed,
        DType dtype,
        List<DeviceSpec> devices,
        int ringMinSize,
        Layout layout,
        RingShares.Choice shares,
        CausalMask mask,
        LlamaConfig model,
        Path start,
        Path continued,
        double initStd,
        String tokenizer,
        List<StageData> data,
        double heldOut,
        Curriculum curriculum,
        Recompute.Choice recompute,
        long snapshotSteps,
        int snapshotsKept,
        long milestoneSteps,
        Evaluate evaluate,
        Map<Integer, StageExam> exams) {

    /**
     * How a model is evaluated inside stages.
     *
     * @param everySteps 0: not at all
     * @param documents that are not trained on; null: those that are held out of each source
     * @param tokens of each source
     */
    public record Evaluate(long everySteps, StageData.Source documents, int tokens) {
        public boolean isDue(long step) {
            return everySteps > 0 && step % everySteps == 0;
        }
    }

    /**
     * The job when its stages are done so often.
     *
     * @param rounds of each stage; empty: as they are
     */
    public Job with(List<Integer> rounds) {
        return rounds.isEmpty() ? this : with(new Curriculum(curriculum.stages(), rounds));
    }

    private Job with(Curriculum other) {
        return new Job(
                text,
                name,
                output,
                seed,
                dtype,
                devices,
                ringMinSize,
                layout,
                shares,
                mask,
                model,
                start,
                continued,
                initStd,
                tokenizer,
                data,
                heldOut,
                other,
                recompute,
                snapshotSteps,
                snapshotsKept,
                milestoneSteps,
                evaluate,
                exams);
    }

    /** Whether a stage is done again where its model does not reach what it must. */
    public boolean mayRepeat(int stage) {
        return exams.containsKey(stage) && exams.get(stage).advance() > 0;
    }

    /** The job when it is known that a stage is done once more. */
    public Job again(int stage) {
        return with(curriculum.again(stage));
    }

    /**
     * The job as it goes on after these steps, all there were: they tell which stages are repeated.
     */
    public Job after(List<StepMetrics> steps) {
        Job job = with(new Curriculum(curriculum.stages()));
        for (int stage : exams.keySet()) {
            long done = steps.stream().filter(step -> step.stage() == stage).count();
            long once = curriculum.stages().get(stage).steps();
            int most = exams.get(stage).times();
            for (int round = 1; round < most && done > round * once; round++) {
                job = job.again(stage);
            }
        }
        return job;
    }

    /** The names of a stage's sources, as metrics have them. */
    public List<String> sources(int stage) {
        return data.get(stage).sources().stream().map(s -> s.path().toString()).toList();
    }

    /** Devices at most, and to begin with. */
    public int ringSize() {
        return devices.size();
    }
}
