package org.ringworld.model.training.rank;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Future;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.job.SaveRequest;
import org.ringworld.runtime.DType;

/** A saved model that is run on batches of files. */
public record Inference(
        Path path, LlamaConfig model, DType dtype, int ringSize, Layout layout, boolean trains)
        implements Work {
    @Override
    public String id() {
        return path.toString();
    }

    @Override
    public ModelSource start() {
        return new ModelSource.Files(model, path);
    }

    @Override
    public String recompute() {
        return "all";
    }

    @Override
    public Future<StepPlan> plan(long step, int size) {
        throw new UnsupportedOperationException("a saved model is run, not trained");
    }

    @Override
    public Future<MicroBatch> batch(int stage, int index, int size) {
        throw new UnsupportedOperationException("a saved model has no stages");
    }

    BatchFile file(Path batch) throws CheckpointException {
        return BatchFile.read(batch, model);
    }

    /** That of a file. */
    @Override
    public MicroBatch batch(String file, int size) throws CheckpointException {
        return MicroBatch.of(List.of(file(Path.of(file)).row()), layout, size);
    }

    @Override
    public List<SaveRequest> toSave(long step, long epoch, boolean stageEnds, long fence) {
        throw new UnsupportedOperationException("a saved model is run, not trained");
    }

    @Override
    public void close() {}
}
