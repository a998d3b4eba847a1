package org.ringworld.model.training.rank;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.RankBatch;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.RankPlan;
import org.ringworld.model.training.StepRows;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.job.SaveRequest;
import org.ringworld.runtime.DType;

/** Work whose rows and batches a caller of this process puts down before it gives the order. */
public class HeldWork implements Work {
    private final String id;
    private final ModelSource start;
    private final DType dtype;
    private final boolean trains;
    private final Recompute.Choice recompute;
    private final Map<Object, StepRows> steps = new ConcurrentHashMap<>();
    private final Map<Object, MicroBatch> batches = new ConcurrentHashMap<>();

    public HeldWork(
            String id, ModelSource start, DType dtype, boolean trains, Recompute.Choice recompute) {
        this.id = id;
        this.start = start;
        this.dtype = dtype;
        this.trains = trains;
        this.recompute = recompute;
    }

    /** For the next step; those before are over. */
    public void hold(StepRows rows) {
        steps.clear();
        steps.put(rows.step().step(), rows);
    }

    /** For the next batch, under that number or name; those before are over. */
    public void hold(Object name, MicroBatch batch) {
        batches.clear();
        batches.put(name, batch);
    }

    @Override
    public String id() {
        return id;
    }

    @Override
    public LlamaConfig model() {
        return start.config();
    }

    @Override
    public DType dtype() {
        return dtype;
    }

    @Override
    public ModelSource start() {
        return start;
    }

    @Override
    public boolean trains() {
        return trains;
    }

    @Override
    public Recompute.Choice recompute() {
        return recompute;
    }

    @Override
    public Future<RankPlan> plan(long step, List<Integer> rounds, int rank, RingShares shares) {
        return CompletableFuture.completedFuture(held(steps, step).ofRank(rank));
    }

    @Override
    public Future<RankBatch> batch(int stage, int index, int rank, RingShares shares) {
        return CompletableFuture.completedFuture(held(batches, index).ofRank(rank));
    }

    @Override
    public RankBatch batch(String name, int rank, int ringSize) {
        return held(batches, name).ofRank(rank);
    }

    private static <T> T held(Map<Object, T> all, Object name) {
        T found = all.get(name);
        if (found == null) {
            throw new IllegalStateException("nothing is held under " + name);
        }
        return found;
    }

    @Override
    public List<SaveRequest> toSave(long step, Order.SaveState order, List<DeviceShare> shares) {
        throw new UnsupportedOperationException("steps that are only timed are not saved");
    }

    @Override
    public void close() {}
}
