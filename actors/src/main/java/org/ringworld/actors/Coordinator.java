package org.ringworld.actors;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.ringworld.actors.RingProtocol.Left;
import org.ringworld.actors.RingProtocol.Weights;
import org.ringworld.actors.links.LinkAddress;
import org.ringworld.actors.links.RingEnd;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Fence;
import org.ringworld.checkpoints.Snapshot;
import org.ringworld.model.Curriculum;
import org.ringworld.model.Stage;

/**
 * Runs one job on a ring of devices: a small state machine.
 *
 * <pre>
 * GATHERING → PREPARING → JOINING (→ SYNCHRONIZING) → JUDGING → STEPPING → SAVING → … → ENDING → ENDED
 *     any of them, by a lost or a new device: GATHERING, a new epoch
 *     too few devices: WAITING, until there are more
 *     any of them, by a fault of the job's own or a stop: the state is saved, ENDING → ENDED
 * </pre>
 *
 * A step is one message to each device; the next one is sent while the last is still running, so
 * that no device waits for a mailbox.
 */
public final class Coordinator extends AbstractBehavior<Coordinator.Command> {
    /** What it is told. */
    public sealed interface Command {}

    /** Finish the steps on their way, save, end: for SIGINT and SIGTERM. */
    public record Stop() implements Command {}

    /**
     * The devices that the job may use from now on.
     *
     * @param gracefully whether those that are missing here are still there: the steps on their way
     *     are finished with them, and the state is saved if too few are left
     */
    public record Devices(List<ActorRef<DeviceActor.Command>> devices, boolean gracefully)
            implements Command {}

    private record FromDevice(DeviceActor.Reply reply) implements Command {}

    private record Tick() implements Command {}

    private record Gather() implements Command {}

    private enum Phase {
        WAITING,
        GATHERING,
        PREPARING,
        JOINING,
        SYNCHRONIZING,
        JUDGING,
        STEPPING,
        SAVING,
        RETIRING,
        ENDING,
        ENDED
    }

    /** Steps that devices may have before them: one running, one ready. */
    private static final int WINDOW = 2;

    private static final Duration TICK = Duration.ofSeconds(1);

    /** Epochs in a row in which no step was finished before the job gives up. */
    private static final int FRUITLESS = 20;

    private final HostedJob hosted;
    private final Job job;
    private final Curriculum curriculum;
    private final double flopsPerDevice;
    private final ActorRef<Progress> listener;
    private final ActorRef<DeviceActor.Reply> replies;
    private final Watch watch;
    private final SecureRandom random = new SecureRandom();

    private final Epochs epochs;
    private long epoch;
    private Fence fence;
    private List<ActorRef<DeviceActor.Command>> devices = List.of();
    private final Map<ActorRef<DeviceActor.Command>, Left> lefts = new LinkedHashMap<>();
    private List<ActorRef<DeviceActor.Command>> ring = List.of();
    private Roster roster;
    private Phase phase = Phase.WAITING;
    private final boolean resumed;
    private boolean begun;
    private int fruitless;
    private final List<DeviceActor.Reply> answers = new ArrayList<>();
    private final Deque<Long> running = new ArrayDeque<>();
    private final Map<Long, List<DeviceActor.Stepped>> stepAnswers = new HashMap<>();
    private long sentStep;
    private long finishedStep;
    private long lastNanos;
    private Judging judging;
    private int judgedStage;
    private int judgedBatch;
    private MetricsFile metrics;
    private ActorRef<DeviceActor.Command> saver;
    private int unwritten;
    private Progress ending;
    private boolean stopAsked;
    private boolean regroup;
    private Devices leaving;
    private long savedStep;
    private String fault;

    /**
     * @param devices those to begin with; {@link Devices} changes them
     * @param flopsPerDevice FLOP/s that one device can do
     * @param fence of the ownership of the job's output; each epoch takes its next number
     * @param resumed whether the job has run before: then it does with fewer devices from the start
     * @param listener is told what happens
     * @param onHung is told of a device that has not got on for long; null: nobody can remove it,
     *     the job fails
     */
    public static Behavior<Command> create(
            HostedJob job,
            List<ActorRef<DeviceActor.Command>> devices,
            double flopsPerDevice,
            Epochs epochs,
            Fence fence,
            boolean resumed,
            ActorRef<Progress> listener,
            Consumer<ActorRef<DeviceActor.Command>> onHung) {
        return Behaviors.setup(
                context ->
                        Behaviors.withTimers(
                                timers ->
                                        new Coordinator(
                                                context,
                                                timers,
                                                job,
                                                devices,
                                                flopsPerDevice,
                                                epochs,
                                                fence,
                                                resumed,
                                                listener,
                                                onHung)));
    }

    private Coordinator(
            ActorContext<Command> context,
            TimerScheduler<Command> timers,
            HostedJob hosted,
            List<ActorRef<DeviceActor.Command>> devices,
            double flopsPerDevice,
            Epochs epochs,
            Fence fence,
            boolean resumed,
            ActorRef<Progress> listener,
            Consumer<ActorRef<DeviceActor.Command>> onHung)
            throws CheckpointException {
        super(context);
        this.epochs = epochs;
        this.epoch = epochs.next();
        this.resumed = resumed;
        this.hosted = hosted;
        this.job = hosted.job();
        this.curriculum = job.curriculum();
        this.flopsPerDevice = flopsPerDevice;
        this.fence = fence;
        this.listener = listener;
        this.replies = context.messageAdapter(DeviceActor.Reply.class, FromDevice::new);
        this.watch = new Watch(onHung);
        timers.startTimerWithFixedDelay(new Tick(), TICK);
        context.getSelf().tell(new Devices(devices, false));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(FromDevice.class, message -> onReply(message.reply))
                .onMessage(Devices.class, this::onDevices)
                .onMessage(Stop.class, message -> onStop())
                .onMessage(Tick.class, message -> onTick())
                .onMessage(Gather.class, message -> phase == Phase.GATHERING ? gather() : this)
                .onSignal(Terminated.class, this::onTerminated)
                .onSignal(PostStop.class, signal -> onPostStop())
                .build();
    }

    // ---- who is there

    private Behavior<Command> onDevices(Devices message) {
        boolean steady = phase == Phase.STEPPING || phase == Phase.JUDGING || phase == Phase.SAVING;
        if (message.gracefully && steady) {
            leaving = message;
            regroup = true;
            return phase == Phase.STEPPING && running.isEmpty() ? next() : this;
        }
        leaving = null;
        List<ActorRef<DeviceActor.Command>> before = devices;
        devices = List.copyOf(message.devices);
        devices.stream().filter(d -> !before.contains(d)).forEach(getContext()::watch);
        if (phase == Phase.ENDED) {
            return this;
        }
        if (saver != null && !devices.contains(saver)) {
            saver = null; // what it was writing is lost with it
            unwritten = 0;
        }
        boolean lost = !devices.containsAll(ring);
        if (phase == Phase.WAITING) {
            return devices.size() < needed() ? waiting() : newEpoch("devices came");
        }
        if (phase == Phase.GATHERING) {
            devices.stream()
                    .filter(d -> !before.contains(d))
                    .forEach(d -> d.tell(new RingProtocol.Leave(epoch, replies)));
            return gathered();
        }
        if (lost) {
            return newEpoch("a device was lost");
        }
        // A larger ring is worth a new epoch, when the steps on their way are done.
        regroup = Math.min(devices.size(), job.ringSize()) > ring.size();
        return this;
    }

    private Behavior<Command> onTerminated(Terminated lost) {
        List<ActorRef<DeviceActor.Command>> left = new ArrayList<>(devices);
        return left.removeIf(d -> d.equals(lost.getRef()))
                ? onDevices(new Devices(left, false))
                : this;
    }

    /** Before the first step all devices are waited for, later as many as the job can do with. */
    private int needed() {
        return begun || resumed ? job.ringMinSize() : job.ringSize();
    }

    private Behavior<Command> waiting() {
        phase = Phase.WAITING;
        ring = List.of();
        listener.tell(new Progress.Waiting(devices.size(), needed()));
        return stopAsked ? end(new Progress.Interrupted(finishedStep, null)) : this;
    }

    // ---- a new epoch

    /** Ends the ring: everybody stands still and says what it holds. */
    private Behavior<Command> newEpoch(String why) {
        if (begun || phase != Phase.WAITING) {
            getContext().getLog().info("epoch {} of {} ends: {}", epoch, hosted.id(), why);
            try {
                fence = fence.next();
                epoch = epochs.next();
            } catch (CheckpointException e) {
                // Another coordinator has this job: nothing may be written, nobody be told.
                return endWhenWritten(new Progress.Failed(e.getMessage(), finishedStep, null));
            }
        }
        if (++fruitless > FRUITLESS && fault == null) {
            fault = "no ring could be formed in %d attempts: %s".formatted(FRUITLESS, why);
        }
        phase = Phase.GATHERING;
        lefts.clear();
        ring = List.of();
        if (fruitless > 1) {
            // Not as fast as messages go: a neighbour may need a moment to notice.
            Duration pause = Duration.ofMillis(Math.min(2000, 50L << Math.min(6, fruitless)));
            getContext().scheduleOnce(pause, getContext().getSelf(), new Gather());
            return this;
        }
        return gather();
    }

    private Behavior<Command> gather() {
        listener.tell(new Progress.Regrouping(devices));
        lefts.clear();
        answers.clear();
        running.clear();
        stepAnswers.clear();
        ring = List.of();
        regroup = false;
        watch.begin();
        devices.forEach(d -> d.tell(new RingProtocol.Leave(epoch, replies)));
        return gathered();
    }

    private Behavior<Command> onLeft(Left left) {
        lefts.put(left.from(), left);
        return phase == Phase.GATHERING ? gathered() : this;
    }

    /** Goes on when each device has answered or is known to be lost. */
    private Behavior<Command> gathered() {
        lefts.keySet().retainAll(devices);
        if (lefts.size() < devices.size()) {
            return this;
        }
        if (fault != null) {
            return saveBestAndEnd();
        }
        if (devices.size() < needed()) {
            return waiting();
        }
        roster = Roster.choose(lefts.values(), hosted.id(), job.ringSize());
        ring = roster.ring().stream().map(Left::from).toList();
        return roster.winner() >= 0 ? prepare(Weights.PEER, "") : prepareFromDisk();
    }

    private Behavior<Command> prepareFromDisk() {
        try {
            Snapshot.Newest newest = Snapshot.newest(job.output());
            newest.skipped().forEach(why -> getContext().getLog().warn("skipped {}", why));
            try (Snapshot snapshot = newest.snapshot()) {
                return snapshot == null
                        ? prepare(Weights.START, "")
                        : prepare(Weights.SNAPSHOT, snapshot.directory().toString());
            }
        } catch (CheckpointException e) {
            return onFault(e.getMessage());
        }
    }

    private Behavior<Command> prepare(Weights weights, String snapshot) {
        phase = Phase.PREPARING;
        tellAll(
                rank ->
                        new RingProtocol.Host(
                                epoch, rank, hosted.id(), job.text(), weights, snapshot, replies));
        return this;
    }

    private Behavior<Command> onPrepared(DeviceActor.Prepared prepared) {
        finishedStep = roster.winner() >= 0 ? roster.step() : prepared.finishedStep();
        phase = Phase.JOINING;
        byte[] token = new byte[16];
        random.nextBytes(token);
        List<LinkAddress> addresses = roster.ring().stream().map(Left::address).toList();
        RingEnd.Places places = new RingEnd.Places(epoch, token, addresses);
        tellAll(rank -> new RingProtocol.JoinRing(epoch, rank, places, replies));
        return this;
    }

    private Behavior<Command> onJoined() {
        if (!roster.behind()) {
            return onFormed();
        }
        phase = Phase.SYNCHRONIZING;
        tellAll(
                rank ->
                        new RingProtocol.Synchronize(
                                epoch, roster.winner(), roster.step(), replies));
        return this;
    }

    private Behavior<Command> onFormed() {
        sentStep = finishedStep;
        begun = true;
        watch.begin();
        List<StepMetrics> earlier;
        try {
            earlier = openMetrics();
        } catch (IOException e) {
            return onFault(Faults.sentence(e));
        }
        listener.tell(
                new Progress.Formed(
                        epoch,
                        ring.size(),
                        roster.ring().getFirst().name(),
                        job.recompute(),
                        finishedStep,
                        earlier));
        if (finishedStep == 0) {
            return judge(-1);
        }
        // A run that was stopped just after a stage may not have that stage's model yet.
        int stage = curriculum.place(finishedStep).stage();
        return finishedStep == curriculum.lastStep(stage) ? save(true) : next();
    }

    /**
     * Goes on with the file where it holds no more than what is finished; else it is read, and
     * later lines dropped. Steps that were finished but not written down, as by a coordinator that
     * is gone, are.
     *
     * @return the lines on record, or null where it goes on
     */
    private List<StepMetrics> openMetrics() throws IOException {
        boolean goesOn = metrics != null && metrics.lastStep() <= finishedStep;
        if (goesOn) {
            metrics.next(fence);
        } else {
            if (metrics != null) {
                metrics.close();
            }
            Files.createDirectories(job.output());
            metrics = new MetricsFile(job.output().resolve("metrics.jsonl"), finishedStep, fence);
        }
        List<StepMetrics> told = new ArrayList<>(goesOn ? List.of() : metrics.earlier());
        for (DeviceActor.Stepped record : roster.recordsAfter(metrics.lastStep())) {
            StepPlan plan = hosted.plan(record.step(), ring.size()).join();
            double seconds = record.secondsCompute() + record.secondsWait();
            StepMetrics step =
                    StepMetrics.of(
                            job, plan, List.of(record), seconds, flopsPerDevice * ring.size());
            metrics.add(step);
            if (goesOn) {
                listener.tell(new Progress.Stepped(step, List.of()));
            } else {
                told.add(step);
            }
        }
        return goesOn ? null : told;
    }

    // ---- replies

    private Behavior<Command> onReply(DeviceActor.Reply reply) {
        return switch (reply) {
            case Left left -> left.epoch() == epoch ? onLeft(left) : this;
            case DeviceActor.Failed failed -> onFailed(failed);
            // These come by themselves, whatever the job has gone on to do.
            case DeviceActor.Copied copied -> onCopied(copied);
            case DeviceActor.Saved saved -> onSaved(saved);
            case DeviceActor.NotSaved not -> onNotSaved(not);
            case RingProtocol.Pulsed pulsed -> {
                watch.pulsed(pulsed, epoch);
                yield this;
            }
            case DeviceActor.Stepped stepped ->
                    stepped.epoch() == epoch && phase == Phase.STEPPING ? onStepped(stepped) : this;
            case DeviceActor.Prepared prepared -> onAnswer(prepared.epoch(), reply);
            case DeviceActor.Joined joined -> onAnswer(joined.epoch(), reply);
            case RingProtocol.Synchronized done -> onAnswer(done.epoch(), reply);
            case DeviceActor.Judged judged -> onAnswer(judged.epoch(), reply);
            case DeviceActor.Measured _, DeviceActor.Forwarded _ ->
                    throw new IllegalStateException("unexpected " + reply);
        };
    }

    private Behavior<Command> onAnswer(long of, DeviceActor.Reply reply) {
        if (of != epoch || phase == Phase.GATHERING) {
            return this;
        }
        answers.add(reply);
        if (answers.size() < ring.size()) {
            return this;
        }
        // In the order of ranks, not of arrival: sums of theirs are the same in every run.
        answers.sort(Comparator.comparingInt(DeviceActor.Reply::rank));
        List<DeviceActor.Reply> all = List.copyOf(answers);
        answers.clear();
        return switch (all.getFirst()) {
            case DeviceActor.Prepared prepared -> onPrepared(prepared);
            case DeviceActor.Joined _ -> onJoined();
            case RingProtocol.Synchronized _ -> onFormed();
            default -> onJudged(all.stream().map(DeviceActor.Judged.class::cast).toList());
        };
    }

    /** A broken ring is another's fault and ends the epoch; any other fault ends the job. */
    private Behavior<Command> onFailed(DeviceActor.Failed failed) {
        if (!failed.ringBroke()) {
            return onFault(failed.sentence());
        }
        return failed.epoch() == epoch && phase != Phase.GATHERING && phase != Phase.ENDED
                ? newEpoch(failed.sentence())
                : this;
    }

    private void tellAll(IntFunction<DeviceActor.Command> command) {
        for (int rank = 0; rank < ring.size(); rank++) {
            ring.get(rank).tell(command.apply(rank));
        }
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
        if (regroup) {
            return regroup();
        }
        phase = Phase.STEPPING;
        Curriculum.Place place = curriculum.place(finishedStep + 1);
        if (place.stepInStage() == 0 || lastNanos == 0) {
            Stage stage = curriculum.stages().get(place.stage());
            listener.tell(new Progress.StageBegun(place.stage(), stage));
        }
        lastNanos = System.nanoTime();
        return sendSteps();
    }

    /** A ring of other devices; where too few stay, the state is on disk before the others go. */
    private Behavior<Command> regroup() {
        if (leaving != null) {
            boolean tooFew = leaving.devices.size() < job.ringMinSize();
            if (tooFew && savedStep < finishedStep) {
                savedStep = finishedStep;
                return save(false);
            }
            if (unwritten > 0) {
                phase = Phase.RETIRING;
                return this;
            }
            devices = leaving.devices;
            leaving = null;
        }
        return newEpoch("the ring changes");
    }

    private Behavior<Command> sendSteps() {
        long last = lastStepBeforeSaving();
        while (running.size() < WINDOW && sentStep < last && !stopAsked && !regroup) {
            long step = ++sentStep;
            running.add(step);
            hosted.plan(step, ring.size()); // for its constants, which the metrics tell
            tellAll(rank -> new RingProtocol.TrainStep(epoch, step, replies));
        }
        return this;
    }

    /** Steps run ahead of each other, but not past the end of a stage or a snapshot. */
    private long lastStepBeforeSaving() {
        long every = job.snapshotSteps();
        long snapshot = (finishedStep / every + 1) * every;
        int stage = curriculum.place(finishedStep + 1).stage();
        return Math.min(snapshot, curriculum.lastStep(stage));
    }

    private Behavior<Command> onStepped(DeviceActor.Stepped stepped) {
        // Two steps may be on their way: a rank can answer the second before all have the first.
        List<DeviceActor.Stepped> ranks =
                stepAnswers.computeIfAbsent(stepped.step(), step -> new ArrayList<>());
        ranks.add(stepped);
        if (ranks.size() < ring.size()) {
            return this;
        }
        stepAnswers.remove(stepped.step());
        ranks.sort(Comparator.comparingInt(DeviceActor.Reply::rank));
        return onStepped(running.remove(), ranks);
    }

    private Behavior<Command> onStepped(long number, List<DeviceActor.Stepped> ranks) {
        StepPlan plan = hosted.plan(number, ring.size()).join();
        long now = System.nanoTime();
        double seconds = (now - lastNanos) / 1e9;
        lastNanos = now;
        StepMetrics step = StepMetrics.of(job, plan, ranks, seconds, flopsPerDevice * ring.size());
        if (!Double.isFinite(step.gradNorm()) || !Double.isFinite(step.loss())) {
            return onFault(
                    "step %d has loss %s and gradient norm %s: the weights were left as they were before it; a smaller learning rate or a tighter clipNorm may help"
                            .formatted(number, step.loss(), step.gradNorm()));
        }
        finishedStep = number;
        fruitless = 0;
        try {
            metrics.add(step);
        } catch (IOException e) {
            return onFault(Faults.sentence(e));
        }
        List<Progress.RankTime> times = times(ranks);
        listener.tell(new Progress.Stepped(step, times));
        Progress.Straggler straggler = watch.straggler(times);
        if (straggler != null) {
            listener.tell(straggler);
        }
        if (running.isEmpty() && (stopAsked || regroup)) {
            return next();
        }
        boolean stageEnds = finishedStep == curriculum.lastStep(plan.stage());
        if (stageEnds || (running.isEmpty() && finishedStep % job.snapshotSteps() == 0)) {
            return save(stageEnds);
        }
        return sendSteps();
    }

    private List<Progress.RankTime> times(List<DeviceActor.Stepped> ranks) {
        List<Progress.RankTime> times = new ArrayList<>();
        for (DeviceActor.Stepped s : ranks) {
            Left of = roster.ring().get(s.rank());
            String device = "rank %d at %s".formatted(s.rank(), of.address());
            times.add(new Progress.RankTime(device, s.secondsCompute(), s.secondsWait()));
        }
        return times;
    }

    // ---- judging

    private Behavior<Command> judge(int stage) {
        phase = Phase.JUDGING;
        judging = new Judging(hosted.data().probes(stage));
        judgedStage = stage;
        judgedBatch = 0;
        return judgeNext();
    }

    private Behavior<Command> judgeNext() {
        if (stopAsked) {
            return next();
        }
        if (judgedBatch == hosted.data().places(judgedStage).size()) {
            List<Probe.Result> results = judging.results();
            if (!results.isEmpty()) {
                listener.tell(new Progress.Judged(judgedStage, results));
            }
            return next();
        }
        double theta = curriculum.stages().get(Math.max(0, judgedStage)).ropeTheta();
        hosted.batch(judgedStage, judgedBatch, ring.size());
        tellAll(
                rank ->
                        new RingProtocol.JudgeBatch(
                                epoch, judgedStage, judgedBatch, theta, replies));
        return this;
    }

    private Behavior<Command> onJudged(List<DeviceActor.Judged> ranks) {
        int probe = hosted.data().places(judgedStage).get(judgedBatch).probe();
        judging.add(probe, hosted.batch(judgedStage, judgedBatch, ring.size()).join(), ranks);
        judgedBatch++;
        return judgeNext();
    }

    // ---- saving

    private Behavior<Command> save(boolean stageEnds) {
        return save(stageEnds, ring.getFirst());
    }

    private Behavior<Command> save(boolean stageEnds, ActorRef<DeviceActor.Command> by) {
        phase = Phase.SAVING;
        try {
            metrics.sync();
        } catch (IOException e) {
            return fault == null
                    ? onFault(Faults.sentence(e))
                    : end(new Progress.Failed(fault, finishedStep, null));
        }
        unwritten += SaveRequest.of(job, finishedStep, epoch, stageEnds, fence).size();
        saver = by;
        by.tell(new RingProtocol.SaveState(epoch, fence.number(), stageEnds, replies));
        return this;
    }

    /** Training goes on while the copy is written. */
    private Behavior<Command> onCopied(DeviceActor.Copied copied) {
        if (phase != Phase.SAVING) {
            return this;
        }
        listener.tell(new Progress.Copied(copied.step(), copied.seconds()));
        Path snapshot = SaveRequest.snapshot(job, finishedStep, epoch, fence).path();
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
        unwritten = Math.max(0, unwritten - 1);
        listener.tell(new Progress.Saved(saved.path(), saved.step()));
        return written();
    }

    /** A snapshot on the way may fail, the disk may have room again for the next; no other may. */
    private Behavior<Command> onNotSaved(DeviceActor.NotSaved not) {
        unwritten = Math.max(0, unwritten - not.unwritten());
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
            case RETIRING -> regroup();
            default -> this;
        };
    }

    // ---- ending

    private Behavior<Command> endWhenWritten(Progress how) {
        phase = Phase.ENDING;
        ending = how;
        return written();
    }

    private Behavior<Command> onStop() {
        stopAsked = true;
        return switch (phase) {
            case WAITING -> waiting();
            case STEPPING -> running.isEmpty() ? next() : this;
            default -> this;
        };
    }

    /** The first fault counts; others that follow from it do not. */
    private Behavior<Command> onFault(String sentence) {
        if (phase == Phase.ENDED) {
            return this;
        }
        if (phase == Phase.ENDING) {
            return end(new Progress.Failed(sentence, finishedStep, null));
        }
        if (fault != null) {
            return phase == Phase.SAVING
                    ? end(new Progress.Failed(fault + "; and " + sentence, finishedStep, null))
                    : this;
        }
        fault = sentence;
        return phase == Phase.GATHERING ? gathered() : newEpoch(sentence);
    }

    /**
     * After a fault, when every device stands still, the one that got furthest saves; a job not
     * begun saves nothing.
     */
    private Behavior<Command> saveBestAndEnd() {
        roster = Roster.choose(lefts.values(), hosted.id(), Math.max(1, lefts.size()));
        if (roster.winner() < 0 || roster.step() == 0 || metrics == null) {
            return end(new Progress.Failed(fault, finishedStep, null));
        }
        finishedStep = roster.step();
        unwritten = 0;
        try {
            openMetrics();
        } catch (IOException e) {
            return end(new Progress.Failed(fault, finishedStep, null));
        }
        return save(false, roster.ring().get(roster.winner()).from());
    }

    private Behavior<Command> onTick() {
        boolean busy = phase != Phase.WAITING && phase != Phase.PREPARING && phase != Phase.ENDED;
        if (busy && phase == Phase.GATHERING) {
            List<ActorRef<DeviceActor.Command>> silent = new ArrayList<>(devices);
            silent.removeAll(lefts.keySet());
            return watch.silent(silent) ? unanswered() : this;
        }
        if (busy && phase != Phase.SAVING && phase != Phase.ENDING) {
            tellAll(rank -> new RingProtocol.Pulse(epoch, replies));
            if (watch.hung(ring)) {
                return newEpoch("nobody got on");
            }
        }
        return this;
    }

    private Behavior<Command> unanswered() {
        fault = (fault == null ? "" : fault + " ") + "(a device does not answer)";
        return end(new Progress.Failed(fault, finishedStep, null));
    }

    private Behavior<Command> end(Progress how) {
        phase = Phase.ENDED;
        devices.forEach(d -> d.tell(new RingProtocol.Release(epoch)));
        try {
            fence.release();
        } catch (CheckpointException e) {
            getContext().getLog().warn(e.getMessage());
        }
        listener.tell(how);
        return Behaviors.stopped();
    }

    private Behavior<Command> onPostStop() throws IOException {
        // Also where it is stopped from outside: nobody is left to wait in a ring.
        if (phase != Phase.ENDED) {
            devices.forEach(d -> d.tell(new RingProtocol.Leave(epoch + 1, replies)));
        }
        if (metrics != null) {
            metrics.close();
        }
        return this;
    }
}
