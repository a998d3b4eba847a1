package org.ringworld.model.training.rank;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Future;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.RankBatch;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.decode.ServedModel;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.RankPlan;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.job.SaveRequest;
import org.ringworld.runtime.DType;
import org.ringworld.tokenizer.packing.Row;

/**
 * A saved model that is run: on batches of files, or to write texts.
 *
 * @param mirrored whether full pages of what a cluster serves lie on two ranks
 */
public record Inference(
        Path path,
        LlamaConfig model,
        ServedModel.Options options,
        int ringSize,
        Layout layout,
        boolean trains,
        boolean mirrored)
        implements Work {
    @Override
    public DType dtype() {
        return options.compute();
    }

    @Override
    public String id() {
        return path.toString();
    }

    @Override
    public ModelSource start() {
        return new ModelSource.Files(model, path);
    }

    @Override
    public Recompute.Choice recompute() {
        return Recompute.Choice.ALL;
    }

    @Override
    public Future<RankPlan> plan(long step, List<Integer> rounds, int rank, RingShares shares) {
        throw new UnsupportedOperationException("a saved model is run, not trained");
    }

    @Override
    public Future<RankBatch> batch(int stage, int index, int rank, RingShares shares) {
        throw new UnsupportedOperationException("a saved model has no stages");
    }

    /** Opens the model's files. */
    public ModelFiles files() throws CheckpointException {
        return new ModelSource.Files(model, path).open();
    }

    /** The row of a file. */
    Row row(Path file) throws CheckpointException {
        return BatchFile.read(file, model).row();
    }

    /** A row on a ring. */
    MicroBatch onRing(Row row, int size) {
        return MicroBatch.of(List.of(row), layout, size);
    }

    /** That of a file. */
    @Override
    public RankBatch batch(String file, int rank, int size) throws CheckpointException {
        return onRing(row(Path.of(file)), size).ofRank(rank);
    }

    @Override
    public List<SaveRequest> toSave(long step, Order.SaveState order, List<DeviceShare> shares) {
        throw new UnsupportedOperationException("a saved model is run, not trained");
    }

    @Override
    public void close() {}
}
