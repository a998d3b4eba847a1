package org.ringworld.actors.job;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.ringworld.actors.Faults;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.Evaluation;
import org.ringworld.actors.device.RingProtocol;
import org.ringworld.actors.device.RingProtocol.Held;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.model.training.Curriculum;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.OpenJob;
import org.ringworld.model.training.job.Probe;
import org.ringworld.model.training.job.SaveRequest;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs one job on a ring of devices: a small state machine.
 *
 * <pre>
 * GATHERING → FORMING → EVALUATING → STEPPING → SAVING (→ SETTLING, until it is written) → … → ENDING → ENDED
 *     any of them, by a lost or a new device: GATHERING, a new epoch
 *     too few devices: WAITING, until there are more
 *     any of them, by a fault of the job's own or a stop: the state is saved, ENDING → ENDED
 * </pre>
 *
 * A step is one message to each device; the next one is sent while the last is still running, so
 * that no device waits for a mailbox.
 */
public final class Coordinator extends AbstractBehavior<Coordinator.Command> {
    private static final Logger LOG = LoggerFactory.getLogger(Coordinator.class);

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
        FORMING,
        EVALUATING,
        STEPPING,
        SAVING,
        SETTLING,
        ENDING,
        ENDED
    }

    private static final Duration TICK = Duration.ofSeconds(1);

    /** Epochs in a row in which no step was finished before the job gives up. */
    private static final int FRUITLESS = 20;

    private final OpenJob hosted;
    private final Job job;
    private final Curriculum curriculum;
    private final ActorRef<Progress> listener;
    private final ActorRef<DeviceActor.Reply> replies;
    private final RingFormation formation;
    private final StepAccount steps;
    private final Watch watch;

    private Phase phase = Phase.WAITING;
    private final List<DeviceActor.Reply> answers = new ArrayList<>();
    private int fruitless;
    private long lastNanos;
    private Evaluation evaluating;
    private int evaluatedStage;
    private int evaluatedBatch;
    private ActorRef<DeviceActor.Command> saver;
    private int unwritten;
    private long savedStep;
    private boolean regroup;
    private Devices leaving;
    private boolean stopAsked;
    private String fault;
    private Progress ending;

    /**
     * @param devices those to begin with; {@link Devices} changes them
     * @param flopsPerDevice FLOP/s that one device can do
     * @param fence of the ownership of the job's output
     * @param resumed whether the job has run before: then it does with fewer devices from the start
     * @param listener is told what happens
     * @param onHung is told of a device that has not got on for long; null: nobody can remove it,
     *     the job fails
     */
    public static Behavior<Command> create(
            OpenJob job,
            List<ActorRef<DeviceActor.Command>> devices,
            double flopsPerDevice,
            Epochs epochs,
            Fence fence,
            boolean resumed,
            ActorRef<Progress> listener,
            Consumer<ActorRef<DeviceActor.Command>> onHung) {
        return Behaviors.setup(
                context -> {
                    ActorRef<DeviceActor.Reply> replies =
                            context.messageAdapter(DeviceActor.Reply.class, FromDevice::new);
                    RingFormation formation =
                            new RingFormation(job, epochs, fence, resumed, replies);
                    StepAccount steps = new StepAccount(job, flopsPerDevice);
                    context.getSelf().tell(new Devices(devices, false));
                    return Behaviors.withTimers(
                            timers -> {
                                timers.startTimerWithFixedDelay(new Tick(), TICK);
                                return new Coordinator(
                                        context, job, formation, steps, replies, listener, onHung);
                            });
                });
    }

    private Coordinator(
            ActorContext<Command> context,
            OpenJob hosted,
            RingFormation formation,
            StepAccount steps,
            ActorRef<DeviceActor.Reply> replies,
            ActorRef<Progress> listener,
            Consumer<ActorRef<DeviceActor.Command>> onHung) {
        super(context);
        this.hosted = hosted;
        this.job = hosted.job();
        this.curriculum = job.curriculum();
        this.formation = formation;
        this.steps = steps;
        this.replies = replies;
        this.listener = listener;
        this.watch = new Watch(onHung);
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
        boolean steady =
                phase == Phase.STEPPING || phase == Phase.EVALUATING || phase == Phase.SAVING;
        if (message.gracefully && steady) {
            leaving = message;
            regroup = true;
            return phase == Phase.STEPPING && steps.isIdle() ? next() : this;
        }
        leaving = null;
        List<ActorRef<DeviceActor.Command>> come = new ArrayList<>(message.devices);
        come.removeAll(formation.devices());
        come.forEach(getContext()::watch);
        formation.use(message.devices);
        if (saver != null && !message.devices.contains(saver)) {
            saver = null; // what it was writing is lost with it
            unwritten = 0;
        }
        return switch (phase) {
            case ENDED -> this;
            case WAITING ->
                    message.devices.size() < formation.needed()
                            ? waiting()
                            : newEpoch("devices came");
            case GATHERING -> {
                come.forEach(formation::askToLeave);
                yield gathered();
            }
            default -> {
                if (!message.devices.containsAll(formation.ring())) {
                    yield newEpoch("a device was lost");
                }
                // A larger ring is worth a new epoch, when the steps on their way are done.
                int size = Math.min(message.devices.size(), job.ringSize());
                regroup = size > formation.ring().size();
                yield this;
            }
        };
    }

    private Behavior<Command> onTerminated(Terminated lost) {
        List<ActorRef<DeviceActor.Command>> left = new ArrayList<>(formation.devices());
        return left.removeIf(d -> d.equals(lost.getRef()))
                ? onDevices(new Devices(left, false))
                : this;
    }

    private Behavior<Command> waiting() {
        phase = Phase.WAITING;
        listener.tell(new Progress.Waiting(formation.devices().size(), formation.needed()));
        return stopAsked ? end(new Progress.Interrupted(steps.finished(), null)) : this;
    }

    // ---- a new epoch

    private Behavior<Command> newEpoch(String why) {
        boolean ended = phase != Phase.WAITING || steps.isOpen();
        if (ended) {
            LOG.info("epoch {} of {} ends: {}", formation.epoch(), hosted.id(), why);
        }
        try {
            formation.next(ended);
        } catch (CheckpointException e) {
            return endWhenWritten(new Progress.Failed(e.getMessage(), steps.finished(), null));
        }
        phase = Phase.GATHERING;
        if (++fruitless > FRUITLESS && fault == null) {
            fault = "no ring could be formed in %d attempts: %s".formatted(FRUITLESS, why);
        }
        if (fruitless > 1) {
            // Not as fast as messages go: a neighbour may need a moment to notice.
            Duration pause = Duration.ofMillis(Math.min(2000, 50L << Math.min(6, fruitless)));
            getContext().scheduleOnce(pause, getContext().getSelf(), new Gather());
            return this;
        }
        return gather();
    }

    private Behavior<Command> gather() {
        listener.tell(new Progress.Regrouping(formation.devices()));
        answers.clear();
        regroup = false;
        watch.begin();
        formation.gather();
        return gathered();
    }

    /** Goes on when each device has answered or is known to be lost. */
    private Behavior<Command> gathered() {
        if (!formation.silent().isEmpty()) {
            return this;
        }
        if (fault != null) {
            return saveBestAndEnd();
        }
        if (formation.devices().size() < formation.needed()) {
            return waiting();
        }
        phase = Phase.FORMING;
        try {
            formation.prepare();
            return this;
        } catch (CheckpointException e) {
            return onFault(e.getMessage());
        }
    }

    private Behavior<Command> onFormed() {
        watch.begin();
        List<StepMetrics> earlier;
        try {
            earlier =
                    steps.goOn(
                            formation.roster(),
                            formation.finishedStep(),
                            formation.fence(),
                            line -> listener.tell(new Progress.Stepped(line, List.of())));
        } catch (IOException e) {
            return onFault(Faults.sentence(e));
        }
        listener.tell(
                new Progress.Formed(
                        formation.epoch(),
                        formation.ring().size(),
                        formation.roster().ring().getFirst().name(),
                        job.recompute(),
                        steps.finished(),
                        earlier));
        if (steps.finished() == 0) {
            return evaluate(-1);
        }
        // A run that was stopped just after a stage may not have that stage's model yet.
        int stage = curriculum.place(steps.finished()).stage();
        return steps.finished() == curriculum.lastStep(stage) ? save(true) : next();
    }

    // ---- replies

    private Behavior<Command> onReply(DeviceActor.Reply reply) {
        return switch (reply) {
            case Held left -> {
                if (left.epoch() == formation.epoch() && phase == Phase.GATHERING) {
                    formation.onHeld(left);
                    yield gathered();
                }
                yield this;
            }
            case DeviceActor.Failed failed -> onFailed(failed);
            // These come by themselves, whatever the job has gone on to do.
            case DeviceActor.Copied copied -> onCopied(copied);
            case DeviceActor.Saved saved -> onSaved(saved);
            case DeviceActor.NotSaved not -> onNotSaved(not);
            case RingProtocol.Pulsed pulsed -> {
                watch.pulsed(pulsed, formation.epoch());
                yield this;
            }
            case DeviceActor.Stepped stepped ->
                    stepped.epoch() == formation.epoch() && phase == Phase.STEPPING
                            ? onStepped(stepped)
                            : this;
            case DeviceActor.Prepared prepared -> onAnswer(prepared.epoch(), reply);
            case DeviceActor.Joined joined -> onAnswer(joined.epoch(), reply);
            case RingProtocol.Synchronized done -> onAnswer(done.epoch(), reply);
            case DeviceActor.Evaluated evaluated -> onAnswer(evaluated.epoch(), reply);
            case DeviceActor.Measured _, DeviceActor.Forwarded _ ->
                    throw new IllegalStateException("unexpected " + reply);
        };
    }

    private Behavior<Command> onAnswer(long of, DeviceActor.Reply reply) {
        if (of != formation.epoch() || phase == Phase.GATHERING) {
            return this;
        }
        answers.add(reply);
        if (answers.size() < formation.ring().size()) {
            return this;
        }
        // In the order of ranks, not of arrival: sums of theirs are the same in every run.
        answers.sort(Comparator.comparingInt(DeviceActor.Reply::rank));
        List<DeviceActor.Reply> all = List.copyOf(answers);
        answers.clear();
        if (all.getFirst() instanceof DeviceActor.Evaluated) {
            return onEvaluated(all.stream().map(DeviceActor.Evaluated.class::cast).toList());
        }
        return formation.allHave(all.getFirst()) ? onFormed() : this;
    }

    /** A broken ring is another's fault and ends the epoch; any other fault ends the job. */
    private Behavior<Command> onFailed(DeviceActor.Failed failed) {
        if (!failed.ringBroke()) {
            return onFault(failed.sentence());
        }
        boolean now = failed.epoch() == formation.epoch();
        return now && phase != Phase.GATHERING && phase != Phase.ENDED
                ? newEpoch(failed.sentence())
                : this;
    }

    // ---- steps

    /** After evaluating or saving: the next stage, or the end. */
    private Behavior<Command> next() {
        if (stopAsked) {
            return steps.finished() == 0 ? end(new Progress.Interrupted(0, null)) : save(false);
        }
        if (steps.finished() == curriculum.steps()) {
            return endWhenWritten(new Progress.Completed(job.output().resolve("final")));
        }
        if (regroup) {
            return regroup();
        }
        Curriculum.Place place = curriculum.place(steps.finished() + 1);
        if (place.stepInStage() == 0 && unwritten > 0) {
            // Until a stage's model is on disk the ring stays where it is: if its writer is lost,
            // another one can write it.
            phase = Phase.SETTLING;
            return this;
        }
        phase = Phase.STEPPING;
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
            if (tooFew && savedStep < steps.finished()) {
                savedStep = steps.finished();
                return save(false);
            }
            if (unwritten > 0) {
                phase = Phase.SETTLING;
                return this;
            }
            formation.use(leaving.devices);
            leaving = null;
        }
        return newEpoch("the ring changes");
    }

    private Behavior<Command> sendSteps() {
        long last = lastStepBeforeSaving();
        while (!stopAsked && !regroup) {
            long step = steps.send(last);
            if (step < 0) {
                break;
            }
            hosted.plan(step, formation.ring().size()); // for its constants, which the metrics tell
            formation.tellAll(_ -> new RingProtocol.TrainStep(formation.epoch(), step, replies));
        }
        return this;
    }

    /** Steps run ahead of each other, but not past the end of a stage or a snapshot. */
    private long lastStepBeforeSaving() {
        long every = job.snapshotSteps();
        long snapshot = (steps.finished() / every + 1) * every;
        int stage = curriculum.place(steps.finished() + 1).stage();
        return Math.min(snapshot, curriculum.lastStep(stage));
    }

    private Behavior<Command> onStepped(DeviceActor.Stepped stepped) {
        List<DeviceActor.Stepped> ranks = steps.answered(stepped, formation.ring().size());
        if (ranks == null) {
            return this;
        }
        long now = System.nanoTime();
        StepMetrics line = steps.line(ranks, formation.ring().size(), (now - lastNanos) / 1e9);
        lastNanos = now;
        if (!Double.isFinite(line.gradNorm()) || !Double.isFinite(line.loss())) {
            return onFault(
                    "step %d has loss %s and gradient norm %s: the weights were left as they were before it; a smaller learning rate or a tighter clipNorm may help"
                            .formatted(line.step(), line.loss(), line.gradNorm()));
        }
        fruitless = 0;
        try {
            steps.finish(line);
        } catch (IOException e) {
            return onFault(Faults.sentence(e));
        }
        List<Progress.RankTime> times = times(ranks);
        listener.tell(new Progress.Stepped(line, times));
        Progress.Straggler straggler = watch.straggler(times);
        if (straggler != null) {
            listener.tell(straggler);
        }
        if (steps.isIdle() && (stopAsked || regroup)) {
            return next();
        }
        boolean stageEnds = line.step() == curriculum.lastStep(line.stage());
        if (stageEnds || (steps.isIdle() && line.step() % job.snapshotSteps() == 0)) {
            return save(stageEnds);
        }
        return sendSteps();
    }

    private List<Progress.RankTime> times(List<DeviceActor.Stepped> ranks) {
        List<Progress.RankTime> times = new ArrayList<>();
        for (DeviceActor.Stepped s : ranks) {
            Held of = formation.roster().ring().get(s.rank());
            String device = "rank %d at %s".formatted(s.rank(), of.address());
            times.add(new Progress.RankTime(device, s.spent()));
        }
        return times;
    }

    // ---- evaluating

    private Behavior<Command> evaluate(int stage) {
        phase = Phase.EVALUATING;
        evaluating = new Evaluation(hosted.data().probes(stage));
        evaluatedStage = stage;
        evaluatedBatch = 0;
        return evaluateNext();
    }

    private Behavior<Command> evaluateNext() {
        if (stopAsked) {
            return next();
        }
        int batches = hosted.data().places(evaluatedStage).size();
        if (evaluatedBatch == batches) {
            List<Probe.Result> results = evaluating.results();
            if (!results.isEmpty()) {
                listener.tell(new Progress.Evaluated(evaluatedStage, results));
            }
            return next();
        }
        listener.tell(new Progress.Evaluating(evaluatedBatch, batches));
        double theta = curriculum.stages().get(Math.max(0, evaluatedStage)).ropeTheta();
        hosted.batch(evaluatedStage, evaluatedBatch, formation.ring().size());
        formation.tellAll(
                rank ->
                        new RingProtocol.EvaluateBatch(
                                formation.epoch(), evaluatedStage, evaluatedBatch, theta, replies));
        return this;
    }

    private Behavior<Command> onEvaluated(List<DeviceActor.Evaluated> ranks) {
        int probe = hosted.data().places(evaluatedStage).get(evaluatedBatch).probe();
        evaluating.add(
                probe,
                hosted.batch(evaluatedStage, evaluatedBatch, formation.ring().size()).join(),
                ranks);
        evaluatedBatch++;
        return evaluateNext();
    }

    // ---- saving

    private Behavior<Command> save(boolean stageEnds) {
        // One that is still writing goes on: what two write at once could not be told apart.
        boolean writes = unwritten > 0 && formation.ring().contains(saver);
        return save(stageEnds, writes ? saver : formation.ring().getFirst());
    }

    private Behavior<Command> save(boolean stageEnds, ActorRef<DeviceActor.Command> by) {
        phase = Phase.SAVING;
        try {
            steps.sync();
        } catch (IOException e) {
            return fault == null
                    ? onFault(Faults.sentence(e))
                    : end(new Progress.Failed(fault, steps.finished(), null));
        }
        unwritten +=
                SaveRequest.of(
                                job,
                                steps.finished(),
                                formation.epoch(),
                                stageEnds,
                                formation.fence())
                        .size();
        saver = by;
        by.tell(
                new RingProtocol.SaveState(
                        formation.epoch(), formation.fence().number(), stageEnds, replies));
        return this;
    }

    /** Training goes on while the copy is written. */
    private Behavior<Command> onCopied(DeviceActor.Copied copied) {
        if (phase != Phase.SAVING) {
            return this;
        }
        listener.tell(new Progress.Copied(copied.step(), copied.seconds()));
        Path snapshot =
                SaveRequest.snapshot(job, steps.finished(), formation.epoch(), formation.fence())
                        .path();
        if (fault != null) {
            return endWhenWritten(new Progress.Failed(fault, copied.step(), snapshot));
        }
        if (stopAsked) {
            return endWhenWritten(new Progress.Interrupted(steps.finished(), snapshot));
        }
        int stage = curriculum.place(steps.finished()).stage();
        return steps.finished() == curriculum.lastStep(stage) ? evaluate(stage) : next();
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
            formation.fence().check();
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
            case SETTLING -> next();
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
            case STEPPING -> steps.isIdle() ? next() : this;
            default -> this;
        };
    }

    /** The first fault counts; others that follow from it do not. */
    private Behavior<Command> onFault(String sentence) {
        if (phase == Phase.ENDED) {
            return this;
        }
        if (phase == Phase.ENDING) {
            return end(new Progress.Failed(sentence, steps.finished(), null));
        }
        if (fault != null) {
            return phase == Phase.SAVING
                    ? end(new Progress.Failed(fault + "; and " + sentence, steps.finished(), null))
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
        Collection<Held> held = formation.held();
        Roster best = Roster.choose(held, hosted.id(), Math.max(1, held.size()));
        if (best.step() <= 0 || !steps.isOpen()) {
            return end(new Progress.Failed(fault, steps.finished(), null));
        }
        unwritten = 0;
        try {
            steps.goOn(
                    best,
                    best.step(),
                    formation.fence(),
                    line -> listener.tell(new Progress.Stepped(line, List.of())));
        } catch (IOException e) {
            return end(new Progress.Failed(fault, steps.finished(), null));
        }
        return save(false, best.ring().get(best.winner()).from());
    }

    private Behavior<Command> onTick() {
        return switch (phase) {
            case GATHERING -> watch.silent(formation.silent()) ? unanswered() : this;
            case EVALUATING, STEPPING -> {
                formation.tellAll(_ -> new RingProtocol.Pulse(formation.epoch(), replies));
                yield watch.hung(formation.ring()) ? newEpoch("nobody got on") : this;
            }
            default -> this;
        };
    }

    private Behavior<Command> unanswered() {
        fault = (fault == null ? "" : fault + " ") + "(a device does not answer)";
        return end(new Progress.Failed(fault, steps.finished(), null));
    }

    private Behavior<Command> end(Progress how) {
        phase = Phase.ENDED;
        formation.devices().forEach(d -> d.tell(new RingProtocol.Release(formation.epoch())));
        try {
            formation.fence().release();
        } catch (CheckpointException e) {
            LOG.warn(e.getMessage());
        }
        listener.tell(how);
        return Behaviors.stopped();
    }

    private Behavior<Command> onPostStop() throws IOException {
        // Also where it is stopped from outside: nobody is left to wait in a ring.
        if (phase != Phase.ENDED) {
            formation
                    .devices()
                    .forEach(d -> d.tell(new RingProtocol.Leave(formation.epoch() + 1, replies)));
        }
        steps.close();
        return this;
    }
}
