package org.ringworld.model.training.rank;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.job.SaveRequest;
import org.ringworld.runtime.DType;

/** Work whose plans and batches a caller of this process puts down before it gives the order. */
public class HeldWork implements Work {
    private final String id;
    private final ModelSource start;
    private final DType dtype;
    private final boolean trains;
    private final String recompute;
    private final Map<Object, StepPlan> plans = new ConcurrentHashMap<>();
    private final Map<Object, MicroBatch> batches = new ConcurrentHashMap<>();

    public HeldWork(String id, ModelSource start, DType dtype, boolean trains, String recompute) {
        this.id = id;
        this.start = start;
        this.dtype = dtype;
        this.trains = trains;
        this.recompute = recompute;
    }

    /** For the next step; those before are over. */
    public void hold(StepPlan plan) {
        plans.clear();
        plans.put(plan.step(), plan);
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
    public String recompute() {
        return recompute;
    }

    @Override
    public Future<StepPlan> plan(long step, int ringSize) {
        return CompletableFuture.completedFuture(held(plans, step));
    }

    @Override
    public Future<MicroBatch> batch(int stage, int index, int ringSize) {
        return CompletableFuture.completedFuture(held(batches, index));
    }

    @Override
    public MicroBatch batch(String name, int ringSize) {
        return held(batches, name);
    }

    private static <T> T held(Map<Object, T> all, Object name) {
        T found = all.get(name);
        if (found == null) {
            throw new IllegalStateException("nothing is held under " + name);
        }
        return found;
    }

    @Override
    public List<SaveRequest> toSave(long step, long epoch, boolean stageEnds, long fence) {
        throw new UnsupportedOperationException("steps that are only timed are not saved");
    }

    @Override
    public void close() {}
}
