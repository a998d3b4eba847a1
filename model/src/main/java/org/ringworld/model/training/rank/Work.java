package org.ringworld.model.training.rank;

import java.util.List;
import java.util.concurrent.Future;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.attention.RankBatch;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.RankPlan;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.job.SaveRequest;
import org.ringworld.runtime.DType;

/**
 * What the ranks of a ring work on, as one process knows it: orders name its steps and batches, and
 * every process finds the same under these names. A job that is trained, a saved model that is run,
 * steps for their time alone.
 */
public interface Work extends AutoCloseable {
    /** Names it among others of a cluster. */
    String id();

    LlamaConfig model();

    DType dtype();

    /** Of the optimizer's means of gradients, where it is trained. */
    default DType firstMoment() {
        return DType.F32;
    }

    /** Where its weights come from at the beginning. */
    ModelSource start();

    /** Whether steps or gradients will be asked for. */
    boolean trains();

    /** What backward finds kept. */
    Recompute.Choice recompute();

    /**
     * A rank's plan of a step (from 1), begun now if it was not asked for before.
     *
     * @param rounds as {@link Order.TrainStep} has them
     */
    Future<RankPlan> plan(long step, List<Integer> rounds, int rank, RingShares shares);

    /** A rank's part of a batch of the unseen rows that the model is evaluated by after a stage. */
    Future<RankBatch> batch(int stage, int index, int rank, RingShares shares);

    /** A rank's part of the batch of that name. */
    RankBatch batch(String name, int rank, int ringSize) throws CheckpointException;

    /**
     * What is written of it after a step.
     *
     * @param shares of the ring's devices, as {@link Order.JoinRing} says them
     */
    List<SaveRequest> toSave(long step, Order.SaveState order, List<DeviceShare> shares);

    @Override
    void close();
}
