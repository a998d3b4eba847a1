package org.ringworld.actors;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.ChildFailed;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Fence;
import org.ringworld.model.Curriculum;
import org.ringworld.model.Layout;
import org.ringworld.model.Stage;
import org.ringworld.runtime.Device;

/**
 * Runs one job on a ring of devices: a small state machine.
 *
 * <pre>
 * FORMING → JUDGING → STEPPING → SAVING → JUDGING → STEPPING → … → SAVING → ended
 *     any of them, by a fault or a stop: DRAINING → SAVING → ended
 * </pre>
 *
 * A step is one message to each device. The next one is planned and sent while the last is still
 * running, so that no device waits for a mailbox.
 */
public final class Coordinator extends AbstractBehavior<Coordinator.Command> {
    /** What it is told. */
    public sealed interface Command {}

    /** Finish the steps on their way, save, end: for SIGINT and SIGTERM. */
    public record Stop() implements Command {}

    private record Planned(StepPlan plan) implements Command {}

    private record PlanFailed(String sentence) implements Command {}

    private record FromDevice(DeviceActor.Reply reply) implements Command {}

    private record GiveUp() implements Command {}

    private enum Phase {
        FORMING,
        JUDGING,
        STEPPING,
        SAVING,
        DRAINING,
        ENDING,
        ENDED
    }

    /** Steps that devices may have before them: one running, one ready. */
    private static final int WINDOW = 2;

    /** How long devices may take to unwind after a fault. */
    private static final Duration GIVE_UP = Duration.ofSeconds(20);

    private final Job job;
    private final JobData data;
    private final Curriculum curriculum;
    private final Layout layout;
    private final double flopsLimit;
    private final ActorRef<Progress> listener;
    private final ActorRef<DeviceActor.Reply> replies;
    private final List<ActorRef<DeviceActor.Command>> devices = new ArrayList<>();
    private final ExecutorService planner =
            Executors.newSingleThreadExecutor(
                    Thread.ofPlatform().daemon().name("planner").factory());
    private final String ringName;
    private final long epoch = 1;

    private Phase phase = Phase.FORMING;
    private final List<DeviceActor.Reply> answers = new ArrayList<>();
    private final Deque<StepPlan> running = new ArrayDeque<>();
    private final Map<Long, List<DeviceActor.Stepped>> stepAnswers = new HashMap<>();
    private StepPlan ready;
    private long plannedStep;
    private long sentStep;
    private long finishedStep;
    private long lastNanos;
    private Judging judging;
    private int judgedStage;
    private final Deque<JobData.Batch> batches = new ArrayDeque<>();
    private final Fence fence;
    private MetricsFile metrics;
    private int unwritten;
    private Progress ending;
    private boolean stopAsked;
    private String fault;
    private final long[] finishedByRank;
    private int outstanding;
    private int alive;

    /**
     * @param devices one for each rank, owned by the ring from now on
     * @param flopsLimit FLOP/s that all devices can do together
     * @param fence of this process's ownership of the job's output
     * @param listener is told what happens
     */
    public static Behavior<Command> create(
            Job job,
            JobData data,
            ModelSource source,
            List<Supplier<Device>> devices,
            double flopsLimit,
            Fence fence,
            ActorRef<Progress> listener) {
        return Behaviors.setup(
                context ->
                        new Coordinator(
                                context, job, data, source, devices, flopsLimit, fence, listener));
    }

    private Coordinator(
            ActorContext<Command> context,
            Job job,
            JobData data,
            ModelSource source,
            List<Supplier<Device>> suppliers,
            double flopsLimit,
            Fence fence,
            ActorRef<Progress> listener) {
        super(context);
        this.job = job;
        this.data = data;
        this.curriculum = job.curriculum();
        this.layout = Layout.of(job.layout());
        this.flopsLimit = flopsLimit;
        this.fence = fence;
        this.listener = listener;
        this.replies = context.messageAdapter(DeviceActor.Reply.class, FromDevice::new);
        this.ringName = context.getSelf().path().toString();
        this.finishedByRank = new long[job.ringSize()];
        for (int rank = 0; rank < job.ringSize(); rank++) {
            ActorRef<DeviceActor.Command> device =
                    context.spawn(
                            DeviceActor.create(rank, suppliers.get(rank).get()), "device-" + rank);
            context.watch(device);
            devices.add(device);
            alive++;
            device.tell(new DeviceActor.Prepare(source, job.dtype(), true, replies));
        }
        outstanding = alive;
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(FromDevice.class, message -> onReply(message.reply))
                .onMessage(Planned.class, this::onPlanned)
                .onMessage(PlanFailed.class, message -> onFault(message.sentence))
                .onMessage(Stop.class, message -> onStop())
                .onMessage(GiveUp.class, message -> onGiveUp())
                .onSignal(ChildFailed.class, lost -> onLost(lost.cause()))
                .onSignal(Terminated.class, lost -> onLost(null))
                .onSignal(PostStop.class, signal -> onPostStop())
                .build();
    }

    private Behavior<Command> onReply(DeviceActor.Reply reply) {
        // These two come by themselves, whatever the job has gone on to do.
        if (reply instanceof DeviceActor.Saved saved) {
            return onSaved(saved);
        }
        if (reply instanceof DeviceActor.NotSaved not) {
            return onNotSaved(not);
        }
        outstanding--;
        if (reply instanceof DeviceActor.Failed failed) {
            finishedByRank[failed.rank()] = failed.finishedStep();
            return phase == Phase.SAVING && fault != null
                    ? end(
                            new Progress.Failed(
                                    fault + "; and " + failed.sentence(), finishedStep, null))
                    : onFault(failed.sentence());
        }
        // A step without a finite gradient changes nothing: its rank has not finished it.
        if (reply instanceof DeviceActor.Stepped stepped
                && Double.isFinite(stepped.outcome().gradNorm())) {
            finishedByRank[stepped.rank()] = stepped.step();
        }
        if (phase == Phase.DRAINING) {
            return drained();
        }
        if (reply instanceof DeviceActor.Stepped stepped) {
            // Two steps may be on their way: a rank can answer the second before all have the
            // first.
            List<DeviceActor.Stepped> ranks =
                    stepAnswers.computeIfAbsent(stepped.step(), step -> new ArrayList<>());
            ranks.add(stepped);
            if (ranks.size() < devices.size()) {
                return this;
            }
            stepAnswers.remove(stepped.step());
            ranks.sort(Comparator.comparingInt(DeviceActor.Reply::rank));
            return onStepped(ranks);
        }
        if (reply instanceof DeviceActor.Copied copied) {
            return onCopied(copied);
        }
        answers.add(reply);
        if (answers.size() < devices.size()) {
            return this;
        }
        // In the order of ranks, not of arrival: sums of theirs are the same in every run.
        answers.sort(Comparator.comparingInt(DeviceActor.Reply::rank));
        List<DeviceActor.Reply> all = List.copyOf(answers);
        answers.clear();
        return switch (all.getFirst()) {
            case DeviceActor.Prepared prepared -> onPrepared(prepared);
            case DeviceActor.Joined _ -> onFormed();
            case DeviceActor.Judged _ ->
                    onJudged(all.stream().map(DeviceActor.Judged.class::cast).toList());
            case DeviceActor.Stepped _,
                    DeviceActor.Copied _,
                    DeviceActor.Saved _,
                    DeviceActor.NotSaved _,
                    DeviceActor.Measured _,
                    DeviceActor.Forwarded _,
                    DeviceActor.Failed _ ->
                    throw new IllegalStateException("unexpected " + all.getFirst());
        };
    }

    private void tellAll(IntFunction<DeviceActor.Command> command) {
        for (int rank = 0; rank < devices.size(); rank++) {
            devices.get(rank).tell(command.apply(rank));
            outstanding++;
        }
    }

    // ---- forming

    private Behavior<Command> onPrepared(DeviceActor.Prepared prepared) {
        finishedStep = prepared.finishedStep();
        sentStep = finishedStep;
        plannedStep = finishedStep;
        Arrays.fill(finishedByRank, finishedStep);
        try {
            Files.createDirectories(job.output());
            metrics = new MetricsFile(job.output().resolve("metrics.jsonl"), finishedStep, fence);
        } catch (IOException e) {
            return onFault(Faults.sentence(e));
        }
        listener.tell(
                new Progress.Formed(
                        devices.size(),
                        prepared.device(),
                        job.recompute(),
                        finishedStep,
                        metrics.earlier()));
        tellAll(rank -> new DeviceActor.JoinRing(ringName, epoch, rank, devices.size(), replies));
        return this;
    }

    private Behavior<Command> onFormed() {
        if (finishedStep == 0) {
            return judge(-1);
        }
        // A run that was stopped just after a stage may not have that stage's model yet.
        int stage = curriculum.place(finishedStep).stage();
        return finishedStep == curriculum.lastStep(stage) ? save(true) : next();
    }

    // ---- steps

    /** After judging or saving: the next stage, or the end. */
    private Behavior<Command> next() {
        if (stopAsked) {
            return finishedStep == 0 ? end(new Progress.Interrupted(0, null)) : save(false);
        }
        if (finishedStep == curriculum.steps()) {
            return endWhenWritten(new Progress.Completed(job.output().resolve("final")));
        }
        phase = Phase.STEPPING;
        Curriculum.Place place = curriculum.place(finishedStep + 1);
        if (place.stepInStage() == 0 || lastNanos == 0) {
            Stage stage = curriculum.stages().get(place.stage());
            listener.tell(new Progress.StageBegun(place.stage(), stage));
        }
        lastNanos = System.nanoTime();
        planAhead();
        return this;
    }

    /** Plans the step after the last planned one, if the stage still has one. */
    private void planAhead() {
        long step = plannedStep + 1;
        boolean within = step <= lastStepBeforeSaving();
        if (stopAsked || ready != null || plannedStep > sentStep || !within) {
            return;
        }
        plannedStep = step;
        Curriculum.Place place = curriculum.place(step);
        Stage stage = curriculum.stages().get(place.stage());
        CompletableFuture<StepPlan> plan =
                CompletableFuture.supplyAsync(
                        () ->
                                StepPlan.of(
                                        step,
                                        place.stage(),
                                        stage,
                                        place.stepInStage(),
                                        data.stream(place.stage()),
                                        layout,
                                        devices.size()),
                        planner);
        getContext()
                .pipeToSelf(
                        plan,
                        (value, error) ->
                                error == null
                                        ? new Planned(value)
                                        : new PlanFailed(Faults.sentence(cause(error))));
    }

    private static Throwable cause(Throwable error) {
        return error instanceof CompletionException && error.getCause() != null
                ? error.getCause()
                : error;
    }

    /** Steps run ahead of each other, but not past the end of a stage or a snapshot. */
    private long lastStepBeforeSaving() {
        long every = job.snapshotSteps();
        long snapshot = (finishedStep / every + 1) * every;
        int stage = curriculum.place(finishedStep + 1).stage();
        return Math.min(snapshot, curriculum.lastStep(stage));
    }

    private Behavior<Command> onPlanned(Planned message) {
        if (phase == Phase.STEPPING) {
            ready = message.plan;
            sendReady();
        }
        return this;
    }

    private void sendReady() {
        if (ready == null || running.size() == WINDOW || stopAsked) {
            return;
        }
        StepPlan plan = ready;
        ready = null;
        sentStep = plan.step();
        running.add(plan);
        tellAll(rank -> new DeviceActor.Step(epoch, plan, job.recompute(), replies));
        planAhead();
    }

    private Behavior<Command> onStepped(List<DeviceActor.Stepped> ranks) {
        StepPlan plan = running.remove();
        long now = System.nanoTime();
        double seconds = (now - lastNanos) / 1e9;
        lastNanos = now;
        StepMetrics step = StepMetrics.of(job, plan, ranks, epoch, seconds, flopsLimit);
        if (!Double.isFinite(step.gradNorm()) || !Double.isFinite(step.loss())) {
            return onFault(
                    "step %d has loss %s and gradient norm %s: the weights were left as they were before it; a smaller learning rate or a tighter clipNorm may help"
                            .formatted(plan.step(), step.loss(), step.gradNorm()));
        }
        finishedStep = plan.step();
        try {
            metrics.add(step);
        } catch (IOException e) {
            return onFault(Faults.sentence(e));
        }
        listener.tell(new Progress.Stepped(step));
        if (stopAsked && running.isEmpty()) {
            return next();
        }
        boolean stageEnds = finishedStep == curriculum.lastStep(plan.stage());
        if (stageEnds || (running.isEmpty() && finishedStep % job.snapshotSteps() == 0)) {
            return save(stageEnds);
        }
        sendReady();
        planAhead();
        return this;
    }

    // ---- judging

    private Behavior<Command> judge(int stage) {
        phase = Phase.JUDGING;
        List<Probe> probes = data.probes(stage);
        judging = new Judging(probes);
        judgedStage = stage;
        batches.clear();
        batches.addAll(JobData.batches(probes, layout, devices.size()));
        return judgeNext();
    }

    private Behavior<Command> judgeNext() {
        if (stopAsked) {
            return next();
        }
        if (batches.isEmpty()) {
            List<Probe.Result> results = judging.results();
            if (!results.isEmpty()) {
                listener.tell(new Progress.Judged(judgedStage, results));
            }
            return next();
        }
        JobData.Batch batch = batches.element();
        double theta = curriculum.stages().get(Math.max(0, judgedStage)).ropeTheta();
        long id = batches.size();
        tellAll(rank -> new DeviceActor.Judge(epoch, id, batch.micro(), theta, replies));
        return this;
    }

    private Behavior<Command> onJudged(List<DeviceActor.Judged> ranks) {
        judging.add(batches.remove(), ranks);
        return judgeNext();
    }

    // ---- saving

    private SaveRequest snapshot() {
        return SaveRequest.snapshot(job, finishedStep, epoch, fence);
    }

    private Behavior<Command> save(boolean stageEnds) {
        List<SaveRequest> requests = new ArrayList<>();
        if (stageEnds) {
            requests.addAll(SaveRequest.models(job, finishedStep, fence));
        }
        requests.add(snapshot());
        return save(requests, 0);
    }

    private Behavior<Command> save(List<SaveRequest> requests, int rank) {
        phase = Phase.SAVING;
        try {
            metrics.sync();
        } catch (IOException e) {
            return fault == null
                    ? onFault(Faults.sentence(e))
                    : end(new Progress.Failed(fault, finishedStep, null));
        }
        unwritten += requests.size();
        devices.get(rank).tell(new DeviceActor.Save(requests, replies));
        outstanding++;
        return this;
    }

    /** Training goes on while the copy is written. */
    private Behavior<Command> onCopied(DeviceActor.Copied copied) {
        listener.tell(new Progress.Copied(copied.step(), copied.seconds()));
        Path snapshot = snapshot().path();
        if (fault != null) {
            return endWhenWritten(new Progress.Failed(fault, copied.step(), snapshot));
        }
        if (stopAsked) {
            return endWhenWritten(new Progress.Interrupted(finishedStep, snapshot));
        }
        int stage = curriculum.place(finishedStep).stage();
        return finishedStep == curriculum.lastStep(stage) ? judge(stage) : next();
    }

    private Behavior<Command> onSaved(DeviceActor.Saved saved) {
        unwritten--;
        listener.tell(new Progress.Saved(saved.path(), saved.step()));
        return written();
    }

    /** A snapshot on the way may fail, the disk may have room again for the next; no other may. */
    private Behavior<Command> onNotSaved(DeviceActor.NotSaved not) {
        unwritten -= not.unwritten();
        boolean model = curriculum.lastStep(curriculum.place(not.step()).stage()) == not.step();
        if (phase == Phase.ENDING) {
            String sentence = fault == null ? not.sentence() : fault + "; and " + not.sentence();
            return endWhenWritten(new Progress.Failed(sentence, not.step(), null));
        }
        if (model || isTakenOver()) {
            return onFault(not.sentence());
        }
        listener.tell(new Progress.NotSaved(not.sentence(), not.step()));
        return written();
    }

    private boolean isTakenOver() {
        try {
            fence.check();
            return false;
        } catch (CheckpointException e) {
            return true;
        }
    }

    private Behavior<Command> written() {
        if (unwritten > 0) {
            return this;
        }
        return switch (phase) {
            case ENDING -> end(ending);
            case DRAINING -> drained();
            default -> this;
        };
    }

    private Behavior<Command> endWhenWritten(Progress how) {
        phase = Phase.ENDING;
        ending = how;
        return written();
    }

    // ---- ending

    private Behavior<Command> onStop() {
        stopAsked = true;
        if (phase == Phase.STEPPING && running.isEmpty()) {
            return next();
        }
        return this;
    }

    private Behavior<Command> onLost(Throwable cause) {
        alive--;
        return phase == Phase.ENDED
                ? this
                : onFault("a device was lost: " + (cause == null ? "" : Faults.sentence(cause)));
    }

    /** The first fault counts; others that follow from it do not. */
    private Behavior<Command> onFault(String sentence) {
        if (phase == Phase.ENDED) {
            return this;
        }
        if (phase == Phase.ENDING) {
            return end(new Progress.Failed(sentence, finishedStep, null));
        }
        if (fault == null) {
            fault = sentence;
            LocalRings.breakUp(ringName, epoch, sentence);
            phase = Phase.DRAINING;
            getContext().scheduleOnce(GIVE_UP, getContext().getSelf(), new GiveUp());
        }
        return drained();
    }

    /**
     * Once every device has unwound, the rank that got furthest saves; a job not begun saves
     * nothing.
     */
    private Behavior<Command> drained() {
        if (outstanding > 0 || unwritten > 0) {
            return this;
        }
        int best = 0;
        for (int rank = 1; rank < finishedByRank.length; rank++) {
            best = finishedByRank[rank] > finishedByRank[best] ? rank : best;
        }
        finishedStep = finishedByRank[best];
        answers.clear();
        if (finishedStep == 0 || alive < devices.size()) {
            return end(new Progress.Failed(fault, finishedStep, null));
        }
        return save(List.of(snapshot()), best);
    }

    private Behavior<Command> onGiveUp() {
        if (phase != Phase.DRAINING) {
            return this;
        }
        if (outstanding > 0 || alive < devices.size()) {
            String sentence = fault + " (a device does not answer)";
            return end(new Progress.Failed(sentence, finishedStep, null));
        }
        getContext().scheduleOnce(GIVE_UP, getContext().getSelf(), new GiveUp());
        return this;
    }

    private Behavior<Command> end(Progress how) {
        phase = Phase.ENDED;
        listener.tell(how);
        return Behaviors.stopped();
    }

    private Behavior<Command> onPostStop() throws IOException {
        LocalRings.breakUp(ringName, epoch, "the job ended");
        planner.shutdownNow();
        if (metrics != null) {
            metrics.close();
        }
        return this;
    }
}
