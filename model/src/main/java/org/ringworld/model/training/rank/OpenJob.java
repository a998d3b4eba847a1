package org.ringworld.model.training.rank;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import java.util.function.Supplier;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.attention.RankBatch;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.Curriculum;
import org.ringworld.model.training.RankPlan;
import org.ringworld.model.training.StepRows;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.SaveRequest;
import org.ringworld.runtime.DType;

/**
 * A job as one JVM knows it: its data, and the plans of its next steps, which are pure functions of
 * it. Every JVM of a ring makes its own, so that a step is one short message whatever its length.
 */
public final class OpenJob implements Work {
    /** Plans kept: one running, one ready, and again as many for another ring. */
    private static final int PLANS = 4;

    private final String id;
    private final Job job;
    private final JobData data;
    private final ExecutorService planner =
            Executors.newSingleThreadExecutor(
                    Thread.ofPlatform().daemon().name("planner").factory());
    private final Map<Object, Planned> plans =
            new LinkedHashMap<>() {
                private static final long serialVersionUID = 1;

                @Override
                protected boolean removeEldestEntry(Map.Entry<Object, Planned> e) {
                    return size() > PLANS;
                }
            };

    /**
     * A step or a batch.
     *
     * @param rows made once, for all ranks of this JVM
     * @param cut for each of them
     */
    private record Planned(CompletableFuture<?> rows, Map<Integer, CompletableFuture<?>> cut) {}

    /**
     * @param id names the job among others of a cluster
     */
    public OpenJob(String id, Job job, JobData data) {
        this.id = id;
        this.job = job;
        this.data = data;
    }

    @Override
    public String id() {
        return id;
    }

    @Override
    public LlamaConfig model() {
        return job.model();
    }

    @Override
    public DType dtype() {
        return job.dtype();
    }

    @Override
    public DType firstMoment() {
        return job.curriculum().firstMoment();
    }

    @Override
    public ModelSource start() {
        return job.start() == null
                ? new ModelSource.Random(job.model(), job.seed(), job.initStd())
                : new ModelSource.Files(job.model(), job.start(), job.seed(), job.initStd());
    }

    @Override
    public boolean trains() {
        return true;
    }

    @Override
    public Recompute.Choice recompute() {
        return job.recompute();
    }

    @Override
    public RankBatch batch(String name, int rank, int ringSize) throws CheckpointException {
        throw new CheckpointException("a job has no batch " + name);
    }

    public Job job() {
        return job;
    }

    public JobData data() {
        return data;
    }

    private record StepKey(long step, List<Integer> rounds, RingShares shares) {}

    private record BatchKey(int stage, int index, RingShares shares) {}

    @Override
    public CompletableFuture<RankPlan> plan(
            long step, List<Integer> rounds, int rank, RingShares shares) {
        return planned(
                new StepKey(step, rounds, shares),
                () -> rows(step, job.with(rounds).curriculum(), shares),
                rank,
                rows -> rows.ofRank(rank));
    }

    private StepRows rows(long step, Curriculum curriculum, RingShares shares) {
        Curriculum.Place place = curriculum.place(step);
        return StepRows.of(
                step,
                place.stage(),
                curriculum.stages().get(place.stage()),
                place.stepInStage(),
                data.stream(place.stage()),
                job.layout(),
                shares,
                job.mask());
    }

    @Override
    public CompletableFuture<RankBatch> batch(int stage, int index, int rank, RingShares shares) {
        return planned(
                new BatchKey(stage, index, shares),
                () -> data.batch(stage, index, job.layout(), shares, job.mask()),
                rank,
                batch -> batch.ofRank(rank));
    }

    /** The planner has one thread, so rows are there when they are cut: nothing waits in it. */
    @SuppressWarnings("unchecked") // a key's kind says what it stands for
    private <R, C> CompletableFuture<C> planned(
            Object key, Supplier<R> make, int rank, Function<R, C> cut) {
        synchronized (plans) {
            Planned planned =
                    plans.computeIfAbsent(
                            key,
                            _ ->
                                    new Planned(
                                            CompletableFuture.supplyAsync(make, planner),
                                            new HashMap<>()));
            CompletableFuture<R> rows = (CompletableFuture<R>) planned.rows;
            return (CompletableFuture<C>)
                    planned.cut.computeIfAbsent(
                            rank,
                            _ ->
                                    CompletableFuture.supplyAsync(
                                            () -> cut.apply(rows.join()), planner));
        }
    }

    @Override
    public List<SaveRequest> toSave(long step, Order.SaveState order, List<DeviceShare> shares) {
        return SaveRequest.of(
                job.with(order.rounds()),
                step,
                order.epoch(),
                shares,
                order.models(),
                Fence.of(job.output(), order.fence()));
    }

    @Override
    public void close() {
        planner.shutdownNow();
    }
}
