package org.ringworld.actors.job;

import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.AdamW;
import org.ringworld.model.training.Curriculum;
import org.ringworld.model.training.LearningRate;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.StageData;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;

/** Small jobs for tests. */
public final class Jobs {
    private Jobs() {}

    public static final LlamaConfig MODEL =
            new LlamaConfig(
                    260, 16, 24, 2, 2, 1, 8, 1e-5, 1e4, new RopeScaling.None(), false, 64, 0);

    public static Stage stage(int seqLen, long steps, double rate, int microBatches) {
        return stage(seqLen, steps, rate, microBatches, DType.F32);
    }

    public static Stage stage(
            int seqLen, long steps, double rate, int microBatches, DType firstMoment) {
        LearningRate schedule =
                new LearningRate(rate, LearningRate.Schedule.CONSTANT, 2, 0.2, 0.05);
        AdamW optimizer =
                new AdamW(schedule, 0.9, 0.98, 1e-8, 0.01, 1, false, firstMoment, List.of());
        return new Stage(
                "copy",
                Stage.Task.COPY,
                seqLen,
                List.of(),
                1e4,
                steps,
                4L * seqLen,
                microBatches,
                optimizer);
    }

    public static Job job(
            Path output, int ringSize, String layout, DType dtype, long every, Stage... stages) {
        return job(output, MODEL, ringSize, layout, dtype, every, stages);
    }

    public static Job job(
            Path output,
            LlamaConfig model,
            int ringSize,
            String layout,
            DType dtype,
            long every,
            Stage... stages) {
        return new Job(
                "job",
                "test",
                output,
                1,
                dtype,
                Collections.nCopies(ringSize, new DeviceSpec.Cpu(1)),
                1,
                Layout.of(layout),
                RingShares.Choice.AUTO,
                CausalMask.CAUSAL,
                model,
                null,
                null,
                0.1,
                "bytes",
                Collections.nCopies(stages.length, new StageData(List.of())),
                0,
                new Curriculum(List.of(stages)),
                Recompute.Choice.NONE,
                every,
                2,
                0,
                new Job.Evaluate(0, null, 1),
                Map.of());
    }
}
