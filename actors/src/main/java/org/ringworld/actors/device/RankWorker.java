package org.ringworld.actors.device;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import org.ringworld.actors.Faults;
import org.ringworld.actors.links.RankLinks;
import org.ringworld.actors.links.ReceiveBuffers;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.attention.RankBatch;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.decode.Made;
import org.ringworld.model.decode.ServedModel;
import org.ringworld.model.decode.ServingRank;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.ring.Ring;
import org.ringworld.model.training.RankPlan;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.TrainingStep;
import org.ringworld.model.training.coordination.FinishedSteps;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.job.SaveRequest;
import org.ringworld.model.training.job.TrainingState;
import org.ringworld.model.training.rank.ForwardedFile;
import org.ringworld.model.training.rank.Inference;
import org.ringworld.model.training.rank.ModelSource;
import org.ringworld.model.training.rank.OpenJob;
import org.ringworld.model.training.rank.RankModel;
import org.ringworld.model.training.rank.Work;
import org.ringworld.runtime.Device;

/**
 * Carries out what a {@link DeviceActor} was ordered to do: its model, its ring and its work, which
 * the device's own thread alone touches.
 */
final class RankWorker {
    private final Device device;
    private final OpenJobs jobs;
    private final ReceiveBuffers buffers;
    private final FinishedSteps finished = new FinishedSteps();
    private RankModel model;
    private volatile ServedModel served; // the actor tells it what comes next
    private volatile Work work; // the actor has plans made ahead
    // Of the devices of the ring that it was last in with this work.
    private volatile List<DeviceShare> shares = List.of();
    private Order.LoadServing servedAs;
    private Ring ring;
    private RankLinks opened;
    private TrainingState state;
    private Future<?> writing = CompletableFuture.completedFuture(null);

    /** Read by the actor. */
    private volatile boolean planning;

    // Copies of the state become files here, while the device goes on.
    private final ExecutorService writer =
            Executors.newSingleThreadExecutor(Thread.ofPlatform().name("writer").factory());

    RankWorker(Device device, OpenJobs jobs) {
        this.device = device;
        this.jobs = jobs;
        this.buffers = new ReceiveBuffers(device);
        writer.execute(ThreadPriority::lower);
    }

    /** Whether it waits for rows to be cut, however long they are. */
    boolean isPlanning() {
        return planning;
    }

    /** After which step its state stands; −1: it holds none. */
    long finishedStep() {
        return model == null ? FinishedSteps.NOTHING : finished.step();
    }

    Report held(Order.Leave leave, LinkAddress address) {
        return new Report.Held(
                leave.device(),
                leave.epoch(),
                address,
                device.name(),
                work == null ? "" : work.id(),
                finishedStep(),
                finished.records(),
                shares);
    }

    // ---- a ring

    Report host(Order.Host order) throws IOException {
        boolean known = work != null && work.id().equals(order.job());
        if (!known || finishedStep() < 0 || order.weights() != Order.Weights.PEER) {
            forget();
            work = jobs.open(order.job(), order.text());
            load(source(order), work.trains());
        }
        double speed = order.measured() == 0 ? 0 : model.tokensPerSecond(order.measured());
        return new Report.Prepared(
                order.rank(), order.epoch(), device.name(), finishedStep(), speed);
    }

    private ModelSource source(Order.Host order) {
        return switch (order.weights()) {
            case PEER -> new ModelSource.Nothing(work.model());
            case SNAPSHOT -> new ModelSource.FromSnapshot(work.model(), Path.of(order.snapshot()));
            case START -> work.start();
        };
    }

    Report loadModel(Order.LoadModel order) throws IOException {
        forget();
        work = jobs.inference(Path.of(order.model()), order.settings(), order.gradients());
        load(work.start(), work.trains());
        return new Report.Prepared(order.rank(), order.epoch(), device.name(), 0, 0);
    }

    Report loadServing(Order.LoadServing order) throws IOException {
        Order.LoadServing loaded = servedAs;
        boolean same =
                loaded != null
                        && loaded.model().equals(order.model())
                        && loaded.saved() == order.saved()
                        && loaded.settings().equals(order.settings())
                        && loaded.pages() == order.pages();
        if (!same) {
            forget();
            Inference model = jobs.inference(Path.of(order.model()), order.settings(), false);
            work = model;
            served =
                    new ServedModel(
                            device,
                            model.files(),
                            model.model(),
                            model.options(),
                            order.pages(),
                            order.open());
            servedAs = order;
        }
        return new Report.HeldPages(order.rank(), order.epoch(), served.rank().held());
    }

    private void load(ModelSource source, boolean training) throws IOException {
        model = new RankModel(device, source, work.dtype(), work.firstMoment(), training);
        finished.begin(model.startStep());
    }

    Report join(Order.JoinRing order, RankLinks links) throws IOException {
        opened = links;
        shares = order.shares();
        ring = links.open(buffers);
        if (served != null) {
            served.rank().join(ring);
        }
        return new Report.Joined(order.rank(), order.epoch());
    }

    Report synchronize(Order.Synchronize order) {
        model.synchronize(finished, ring, order);
        return new Report.Synchronized(ring.rank(), order.epoch(), order.step());
    }

    // ---- work

    /** Has the plan of a step made while an earlier one runs. */
    void planAhead(Order.TrainStep order, int rank, int ringSize) {
        Work of = work;
        if (of instanceof OpenJob) {
            of.plan(order.step(), order.rounds(), rank, ringShares(ringSize));
        }
    }

    private RingShares ringShares(int ringSize) {
        List<DeviceShare> of = shares;
        return of.isEmpty()
                ? RingShares.even(ringSize)
                : new RingShares(of.stream().map(DeviceShare::sixteenths).toList());
    }

    Report step(Order.TrainStep order) throws Exception {
        RankPlan plan =
                planned(
                        work.plan(
                                order.step(),
                                order.rounds(),
                                ring.rank(),
                                ringShares(ring.size())));
        long start = System.nanoTime();
        Ring.Times before = ring.times();
        TrainingStep.Outcome outcome = model.train(plan, ring, work.recompute());
        TimeSpent spent = TimeSpent.of(System.nanoTime() - start, ring.times().since(before));
        StepPlan.Constants constants = plan.step().constants(work.model(), work.dtype());
        Report.Stepped stepped =
                new Report.Stepped(
                        ring.rank(), order.epoch(), order.step(), constants, outcome, spent);
        finished.trained(stepped);
        return stepped;
    }

    /** Long rows take long to cut: that is no device that hangs. */
    private <T> T planned(Future<T> plan) throws Exception {
        planning = true;
        try {
            return plan.get();
        } finally {
            planning = false;
        }
    }

    Report evaluate(Order.EvaluateBatch order) throws Exception {
        return model.evaluate(
                planned(
                        work.batch(
                                order.stage(),
                                order.index(),
                                ring.rank(),
                                ringShares(ring.size()))),
                order.ropeTheta(),
                ring,
                order.epoch(),
                order.index());
    }

    Report forward(Order.Forward order) throws IOException {
        RankBatch batch = work.batch(order.batch(), ring.rank(), ring.size());
        Report.Forwarded made = model.forward(batch, order.gradients(), ring);
        if (order.out().isEmpty()) {
            return made;
        }
        Path part = ForwardedFile.part(Path.of(order.out()), ring.rank());
        ForwardedFile.write(made, part);
        return new Report.Saved(ring.rank(), part, 0);
    }

    /** From the actor's thread: what is to be done from some step on. */
    void take(Order.Serve order) {
        ServedModel model = served;
        if (model != null) {
            model.rank().take(order.serve());
        }
    }

    /** Serves until there is nothing more to do; each step is answered. */
    Report serve(long epoch, Consumer<Report> answer) {
        ServingRank rank = served.rank();
        while (rank.hasWork()) {
            Made made = rank.step();
            if (made != null) {
                answer.accept(new Report.Served(ring.rank(), epoch, made));
            }
        }
        return null;
    }

    Report measure() {
        return new Report.Measured(ring.rank(), model.memory());
    }

    // ---- saving

    /**
     * Copies the state out of the device and has the copy written, of which the answers tell in
     * this order: copied, then what became of it.
     */
    void save(Order.SaveState order, int rank, Consumer<Report> answer) {
        long step = finished.step();
        List<SaveRequest> requests = work.toSave(step, order, shares);
        // The last one's writing must be over: there is one copy of the state.
        long start = System.nanoTime();
        awaitWriting();
        if (state == null) {
            state = new TrainingState(model.trained());
        }
        state.take(device, step);
        double seconds = (System.nanoTime() - start) / 1e9;
        TrainingState copy = state;
        writing =
                writer.submit(
                        () -> {
                            Path snapshot = requests.getLast().path();
                            answer.accept(new Report.Copied(rank, step, seconds, snapshot));
                            write(copy, requests, rank, step, answer);
                        });
    }

    private static void write(
            TrainingState state,
            List<SaveRequest> requests,
            int rank,
            long step,
            Consumer<Report> answer) {
        int left = requests.size();
        try {
            for (SaveRequest request : requests) {
                state.write(request);
                left--;
                answer.accept(new Report.Saved(rank, request.path(), step));
            }
        } catch (Exception | Error e) {
            boolean takenOver = isTakenOver(requests.getFirst().fence());
            answer.accept(new Report.NotSaved(rank, step, left, takenOver, Faults.sentence(e)));
        }
    }

    private static boolean isTakenOver(Fence fence) {
        try {
            fence.check();
            return false;
        } catch (CheckpointException e) {
            return true;
        }
    }

    private void awaitWriting() {
        try {
            writing.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        }
    }

    // ---- the end

    /** Lets go of the work and gives all memory back: what it kept would be the next job's lack. */
    void forget() {
        awaitWriting();
        if (opened != null) {
            opened.awaitUnread();
        }
        if (state != null) {
            state.close();
            state = null;
        }
        if (served != null) {
            served.close();
            served = null;
            servedAs = null;
        }
        if (model != null) {
            RankModel old = model;
            model = null;
            old.close();
        }
        buffers.trim();
        device.trim();
        if (work != null) {
            jobs.done(work);
            work = null;
        }
        shares = List.of();
        finished.begin(FinishedSteps.NOTHING);
    }

    /** Forgets all and gives back the device. */
    void close() {
        try {
            forget();
        } finally {
            device.close();
            writer.shutdown();
        }
    }
}
