package org.ringworld.model.training.coordination;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.function.IntFunction;
import org.ringworld.model.training.Curriculum;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.coordination.Report.Held;
import org.ringworld.model.training.job.Job;

/**
 * What a job's coordinator decides: a state machine without actors, clock, threads and files.
 *
 * <pre>
 * GATHERING → FORMING → EVALUATING → STEPPING → SAVING (→ SETTLING, until it is written) → … → ENDING → ENDED
 *     any of them, by a lost or a new device: GATHERING, a new epoch
 *     too few devices: WAITING, until there are more
 *     any of them, by a fault of the job's own or a stop: the state is saved, ENDING → ENDED
 * </pre>
 *
 * A step is one order to each device; the next one is sent while the last is still running, so that
 * no device waits for a mailbox.
 */
public final class JobDecisions {
    enum Phase {
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

    /** Epochs in a row in which no step was finished before the job gives up. */
    private static final int FRUITLESS = 20;

    private final Job job;
    private final String id;
    private final long fence;
    private final boolean othersTakeOut;
    private final IntFunction<Evaluation> evaluations;
    private final Curriculum curriculum;
    private final RingFormation formation;
    private final StepAccount steps;
    private final Saving saving;
    private final Watch watch = new Watch();
    private final List<Effect> effects = new ArrayList<>();

    private Phase phase = Phase.WAITING;
    private long nanos;
    private long lastNanos;
    private int fruitless;
    private String ended;
    private Evaluation evaluation;
    private int evaluatedStage;
    private final RankAnswers evaluated = new RankAnswers();
    private boolean regroup;
    private Event.Devices leaving;
    private boolean stopAsked;
    private String fault;
    private Progress ending;

    /**
     * @param id names the job among others of a cluster
     * @param flopsPerDevice FLOP/s that one device can do
     * @param fence number under which the job's output is owned
     * @param resumed whether the job has run before: then it does with fewer devices from the start
     * @param othersTakeOut whether a device that does not get on can be taken out; else the job
     *     fails
     * @param evaluations a new one for after each stage; −1: before the first
     */
    public JobDecisions(
            Job job,
            String id,
            double flopsPerDevice,
            long fence,
            boolean resumed,
            boolean othersTakeOut,
            IntFunction<Evaluation> evaluations) {
        this.job = job;
        this.id = id;
        this.fence = fence;
        this.othersTakeOut = othersTakeOut;
        this.evaluations = evaluations;
        this.curriculum = job.curriculum();
        this.formation = new RingFormation(job, id, resumed, effects::add);
        this.steps = new StepAccount(flopsPerDevice, effects::add);
        this.saving = new Saving(curriculum);
    }

    /**
     * What is to be done now that this has happened.
     *
     * @param now nanoseconds of a clock that only goes on
     */
    public List<Effect> on(Event event, long now) {
        nanos = now;
        if (phase != Phase.ENDED) {
            switch (event) {
                case Event.Devices devices -> onDevices(devices);
                case Event.Lost lost -> onLost(lost.device());
                case Event.Told told -> onReport(told.report());
                case Event.StopAsked _ -> onStop();
                case Event.Tick _ -> onTick();
                case Event.PauseOver pause -> onPauseOver(pause.epoch());
                case Event.EpochTaken epoch -> {
                    if (phase == Phase.GATHERING) {
                        onEpochTaken(epoch);
                    }
                }
                case Event.TakenOver taken ->
                        endWhenWritten(failed(taken.sentence(), steps.finished()));
                case Event.SnapshotFound found -> {
                    if (phase == Phase.FORMING) {
                        formation.onSnapshot(found.directory());
                    }
                }
                case Event.MetricsOpened opened -> {
                    if (phase == Phase.FORMING || phase == Phase.SAVING) {
                        onMetricsOpened(opened);
                    }
                }
                case Event.MetricsSynced _ -> onMetricsSynced();
                case Event.FileFault file -> onFault(file.sentence());
            }
        }
        List<Effect> made = List.copyOf(effects);
        effects.clear();
        return made;
    }

    /** Its carrier ends, whatever the job's state: nobody is left to wait in a ring. */
    public List<Effect> abandoned() {
        if (phase != Phase.ENDED && formation.epoch() >= 0) {
            formation.begin(formation.epoch() + 1, null);
            formation.gather();
        }
        List<Effect> last = List.copyOf(effects);
        effects.clear();
        return last;
    }

    private void tell(Progress progress) {
        effects.add(new Effect.Notify(progress));
    }

    private static Progress failed(String sentence, long step) {
        return new Progress.Failed(sentence, step, null);
    }

    // ---- who is there

    private void onDevices(Event.Devices event) {
        boolean steady =
                phase == Phase.STEPPING || phase == Phase.EVALUATING || phase == Phase.SAVING;
        if (event.gracefully() && steady) {
            leaving = event;
            regroup = true;
            if (phase == Phase.STEPPING && steps.isIdle()) {
                next();
            }
            return;
        }
        leaving = null;
        List<DeviceId> come = new ArrayList<>(event.devices());
        come.removeAll(formation.devices());
        formation.use(event.devices());
        saving.use(event.devices());
        switch (phase) {
            case ENDED -> {}
            case WAITING -> {
                if (event.devices().size() < formation.needed()) {
                    waiting();
                } else {
                    newEpoch("devices came");
                }
            }
            case GATHERING -> {
                come.forEach(formation::askToLeave);
                gathered();
            }
            default -> {
                if (!event.devices().containsAll(formation.ring())) {
                    newEpoch("a device was lost");
                } else {
                    // A larger ring is worth a new epoch, when the steps on their way are done.
                    int size = Math.min(event.devices().size(), job.ringSize());
                    regroup = size > formation.ring().size();
                }
            }
        }
    }

    private void onLost(DeviceId device) {
        List<DeviceId> left = new ArrayList<>(formation.devices());
        if (left.remove(device)) {
            onDevices(new Event.Devices(left, false));
        }
    }

    private void waiting() {
        phase = Phase.WAITING;
        tell(new Progress.Waiting(formation.devices().size(), formation.needed()));
        if (stopAsked) {
            end(new Progress.Interrupted(steps.finished(), null));
        }
    }

    // ---- a new epoch

    private void newEpoch(String why) {
        if (phase != Phase.WAITING || steps.isOpen()) {
            String sentence = "epoch %d of %s ends: %s".formatted(formation.epoch(), id, why);
            effects.add(new Effect.Log(sentence));
        }
        ended = why;
        phase = Phase.GATHERING;
        effects.add(new Effect.TakeEpoch());
    }

    private void onEpochTaken(Event.EpochTaken epoch) {
        formation.begin(epoch.number(), epoch.linkToken());
        if (++fruitless > FRUITLESS && fault == null) {
            fault = "no ring could be formed in %d attempts: %s".formatted(FRUITLESS, ended);
        }
        if (fruitless > 1) {
            // Not as fast as messages go: a neighbour may need a moment to notice.
            Duration pause = Duration.ofMillis(Math.min(2000, 50L << Math.min(6, fruitless)));
            watch.begin(nanos);
            effects.add(new Effect.Pause(formation.epoch(), pause));
        } else {
            gather();
        }
    }

    private void onPauseOver(long epoch) {
        if (phase == Phase.GATHERING && epoch == formation.epoch()) {
            gather();
        }
    }

    private void gather() {
        tell(new Progress.Regrouping(formation.devices()));
        regroup = false;
        watch.begin(nanos);
        formation.gather();
        gathered();
    }

    /** Goes on when each device has answered or is known to be lost. */
    private void gathered() {
        if (!formation.silent().isEmpty()) {
            return;
        }
        if (fault != null) {
            saveBestAndEnd();
        } else if (formation.devices().size() < formation.needed()) {
            waiting();
        } else {
            phase = Phase.FORMING;
            formation.prepare();
        }
    }

    /** A file of metrics is there: of a ring that stands, or of one that will save and end. */
    private void onMetricsOpened(Event.MetricsOpened opened) {
        Roster roster = phase == Phase.SAVING ? best() : formation.roster();
        List<StepMetrics> untold = steps.onOpened(opened, roster);
        if (opened.continued()) {
            untold.forEach(line -> tell(new Progress.Stepped(line, List.of())));
        }
        if (phase == Phase.SAVING) {
            save(false, roster.ring().get(roster.winner()).device());
        } else {
            formed(opened.continued() ? null : untold);
        }
    }

    private void formed(List<StepMetrics> earlier) {
        tell(
                new Progress.Formed(
                        formation.epoch(),
                        formation.ring().size(),
                        formation.roster().ring().getFirst().name(),
                        job.recompute(),
                        steps.finished(),
                        earlier));
        if (steps.finished() == 0) {
            evaluate(-1);
            return;
        }
        // A run that was stopped just after a stage may not have that stage's model yet.
        int stage = curriculum.place(steps.finished()).stage();
        if (steps.finished() == curriculum.lastStep(stage)) {
            save(true);
        } else {
            next();
        }
    }

    // ---- reports

    private void onReport(Report report) {
        switch (report) {
            case Held held -> {
                if (held.epoch() == formation.epoch() && phase == Phase.GATHERING) {
                    formation.onHeld(held);
                    gathered();
                }
            }
            case Report.Failed failed -> onFailed(failed);
            // These come by themselves, whatever the job has gone on to do.
            case Report.Copied copied -> onCopied(copied);
            case Report.Saved saved -> onSaved(saved);
            case Report.NotSaved not -> onNotSaved(not);
            case Report.Pulsed pulsed -> watch.pulsed(pulsed, formation.epoch(), nanos);
            case Report.Stepped stepped -> {
                if (stepped.epoch() == formation.epoch() && phase == Phase.STEPPING) {
                    onStepped(stepped);
                }
            }
            case Report.Evaluated one -> {
                if (one.epoch() == formation.epoch() && phase == Phase.EVALUATING) {
                    onEvaluated(one);
                }
            }
            case Report.Prepared prepared -> onFormation(prepared.epoch(), report);
            case Report.Joined joined -> onFormation(joined.epoch(), report);
            case Report.Synchronized done -> onFormation(done.epoch(), report);
            case Report.Measured _, Report.Forwarded _ ->
                    throw new IllegalStateException("unexpected " + report);
        }
    }

    private void onFormation(long epoch, Report report) {
        boolean now = epoch == formation.epoch() && phase == Phase.FORMING;
        if (now && formation.onAnswer(report)) {
            watch.begin(nanos);
            steps.goOnAfter(formation.finishedStep());
        }
    }

    /** A broken ring is another's fault and ends the epoch; any other fault ends the job. */
    private void onFailed(Report.Failed failed) {
        if (!failed.ringBroke()) {
            onFault(failed.sentence());
        } else if (failed.epoch() == formation.epoch() && phase != Phase.GATHERING) {
            newEpoch(failed.sentence());
        }
    }

    // ---- steps

    /** After evaluating or saving: the next stage, or the end. */
    private void next() {
        if (stopAsked) {
            if (steps.finished() == 0) {
                end(new Progress.Interrupted(0, null));
            } else {
                save(false);
            }
        } else if (steps.finished() == curriculum.steps()) {
            endWhenWritten(new Progress.Completed(job.output().resolve("final")));
        } else if (regroup) {
            regroup();
        } else {
            step(curriculum.place(steps.finished() + 1));
        }
    }

    private void step(Curriculum.Place place) {
        if (place.stepInStage() == 0 && !saving.isOver()) {
            // Until a stage's model is on disk the ring stays where it is: if its writer is lost,
            // another one can write it.
            phase = Phase.SETTLING;
            return;
        }
        if (place.stepInStage() == 0 || lastNanos == 0) {
            tell(new Progress.StageBegun(place.stage(), curriculum.stages().get(place.stage())));
        }
        phase = Phase.STEPPING;
        lastNanos = nanos;
        sendSteps();
    }

    /** A ring of other devices; where too few stay, the state is on disk before the others go. */
    private void regroup() {
        if (leaving != null) {
            boolean tooFew = leaving.devices().size() < job.ringMinSize();
            if (tooFew && saving.lacks(steps.finished())) {
                save(false);
                return;
            }
            if (!saving.isOver()) {
                phase = Phase.SETTLING;
                return;
            }
            formation.use(leaving.devices());
            leaving = null;
        }
        newEpoch("the ring changes");
    }

    private void sendSteps() {
        long last = lastStepBeforeSaving();
        while (!stopAsked && !regroup) {
            long step = steps.send(last);
            if (step < 0) {
                break;
            }
            formation.tellAll(_ -> new Order.TrainStep(formation.epoch(), step));
        }
    }

    /** Steps run ahead of each other, but not past the end of a stage or a snapshot. */
    private long lastStepBeforeSaving() {
        long every = job.snapshotSteps();
        long snapshot = (steps.finished() / every + 1) * every;
        int stage = curriculum.place(steps.finished() + 1).stage();
        return Math.min(snapshot, curriculum.lastStep(stage));
    }

    private void onStepped(Report.Stepped stepped) {
        List<Report.Stepped> ranks = steps.answered(stepped, formation.ring().size());
        if (ranks.isEmpty()) {
            return;
        }
        StepMetrics line = steps.line(ranks, ranks.size(), (nanos - lastNanos) / 1e9);
        lastNanos = nanos;
        if (!Double.isFinite(line.gradNorm()) || !Double.isFinite(line.loss())) {
            onFault(
                    "step %d has loss %s and gradient norm %s: the weights were left as they were before it; a smaller learning rate or a tighter clipNorm may help"
                            .formatted(line.step(), line.loss(), line.gradNorm()));
            return;
        }
        fruitless = 0;
        steps.finish(line);
        List<Progress.RankTime> times = times(ranks);
        tell(new Progress.Stepped(line, times));
        Progress.Straggler straggler = watch.straggler(times);
        if (straggler != null) {
            tell(straggler);
        }
        boolean stageEnds = line.step() == curriculum.lastStep(line.stage());
        if (stageEnds) {
            save(true); // whatever else is asked: its models come first
        } else if (steps.isIdle() && (stopAsked || regroup)) {
            next();
        } else if (steps.isIdle() && line.step() % job.snapshotSteps() == 0) {
            save(false);
        } else {
            sendSteps();
        }
    }

    private List<Progress.RankTime> times(List<Report.Stepped> ranks) {
        List<Progress.RankTime> times = new ArrayList<>();
        for (Report.Stepped rank : ranks) {
            Held of = formation.roster().ring().get(rank.rank());
            String device = "rank %d at %s".formatted(rank.rank(), of.address());
            times.add(new Progress.RankTime(device, rank.spent()));
        }
        return times;
    }

    // ---- evaluating

    private void evaluate(int stage) {
        phase = Phase.EVALUATING;
        evaluation = evaluations.apply(stage);
        evaluatedStage = stage;
        evaluated.clear();
        evaluateNext();
    }

    private void evaluateNext() {
        if (stopAsked) {
            next();
            return;
        }
        if (evaluation.isOver()) {
            if (!evaluation.results().isEmpty()) {
                tell(new Progress.Evaluated(evaluatedStage, evaluation.results()));
            }
            next();
            return;
        }
        tell(new Progress.Evaluating(evaluation.next(), evaluation.batches()));
        double theta = curriculum.stages().get(Math.max(0, evaluatedStage)).ropeTheta();
        formation.tellAll(
                _ ->
                        new Order.EvaluateBatch(
                                formation.epoch(), evaluatedStage, evaluation.next(), theta));
    }

    private void onEvaluated(Report.Evaluated one) {
        if (one.id() != evaluation.next()) {
            return;
        }
        List<Report> all = evaluated.add(one, formation.ring().size());
        if (!all.isEmpty()) {
            evaluation.add(RankAnswers.as(Report.Evaluated.class, all));
            evaluateNext();
        }
    }

    // ---- saving

    private void save(boolean stageEnds) {
        save(stageEnds, saving.writer(formation.ring()));
    }

    private void save(boolean stageEnds, DeviceId by) {
        phase = Phase.SAVING;
        effects.add(new Effect.SyncMetrics());
        saver = by;
        saveStageEnds = stageEnds;
    }

    private DeviceId saver;
    private boolean saveStageEnds;

    private void onMetricsSynced() {
        saving.begin(saver, steps.finished(), saveStageEnds);
        effects.add(
                new Effect.Tell(
                        saver, new Order.SaveState(formation.epoch(), fence, saveStageEnds)));
    }

    /** Training goes on while the copy is written. */
    private void onCopied(Report.Copied copied) {
        if (phase != Phase.SAVING) {
            return;
        }
        tell(new Progress.Copied(copied.step(), copied.seconds()));
        if (fault != null) {
            endWhenWritten(new Progress.Failed(fault, copied.step(), copied.snapshot()));
            return;
        }
        if (stopAsked) {
            endWhenWritten(new Progress.Interrupted(steps.finished(), copied.snapshot()));
            return;
        }
        int stage = curriculum.place(steps.finished()).stage();
        if (steps.finished() == curriculum.lastStep(stage)) {
            evaluate(stage);
        } else {
            next();
        }
    }

    private void onSaved(Report.Saved saved) {
        saving.done(1);
        tell(new Progress.Saved(saved.path(), saved.step()));
        written();
    }

    /** A snapshot on the way may fail, the disk may have room again for the next; no other may. */
    private void onNotSaved(Report.NotSaved not) {
        saving.done(not.unwritten());
        boolean model = curriculum.lastStep(curriculum.place(not.step()).stage()) == not.step();
        if (phase == Phase.ENDING) {
            String sentence = fault == null ? not.sentence() : fault + "; and " + not.sentence();
            endWhenWritten(failed(sentence, not.step()));
        } else if (model || not.takenOver()) {
            onFault(not.sentence());
        } else {
            tell(new Progress.NotSaved(not.sentence(), not.step()));
            written();
        }
    }

    private void written() {
        if (saving.isOver() && phase == Phase.ENDING) {
            end(ending);
        } else if (saving.isOver() && phase == Phase.SETTLING) {
            next();
        }
    }

    // ---- ending

    private void endWhenWritten(Progress how) {
        phase = Phase.ENDING;
        ending = how;
        written();
    }

    private void onStop() {
        stopAsked = true;
        if (phase == Phase.WAITING) {
            waiting();
        } else if (phase == Phase.STEPPING && steps.isIdle()) {
            next();
        }
    }

    /** The first fault counts; others that follow from it do not. */
    private void onFault(String sentence) {
        if (phase == Phase.ENDING) {
            end(failed(sentence, steps.finished()));
        } else if (fault != null) {
            if (phase == Phase.SAVING) {
                end(failed(fault + "; and " + sentence, steps.finished()));
            }
        } else {
            fault = sentence;
            if (phase == Phase.GATHERING) {
                gathered();
            } else {
                newEpoch(sentence);
            }
        }
    }

    /**
     * After a fault, when every device stands still, the one that got furthest saves; a job not
     * begun saves nothing.
     */
    private void saveBestAndEnd() {
        Roster best = best();
        if (best.step() <= 0 || !steps.isOpen()) {
            end(failed(fault, steps.finished()));
            return;
        }
        saving.forget();
        phase = Phase.SAVING;
        steps.goOnAfter(best.step());
    }

    private Roster best() {
        Collection<Held> held = formation.held();
        return Roster.choose(held, id, Math.max(1, held.size()));
    }

    private void onTick() {
        switch (phase) {
            case GATHERING -> {
                if (!formation.silent().isEmpty() && watch.silentTooLong(nanos)) {
                    onSilent();
                }
            }
            case EVALUATING, STEPPING -> {
                formation.tellAll(_ -> new Order.Pulse(formation.epoch()));
                if (othersTakeOut) {
                    watch.hung(nanos)
                            .forEach(r -> effects.add(new Effect.TakeOut(formation.ring().get(r))));
                }
                if (watch.allWait(formation.ring().size(), nanos)) {
                    newEpoch("nobody got on");
                }
            }
            default -> {}
        }
    }

    private void onSilent() {
        if (othersTakeOut) {
            formation.silent().forEach(device -> effects.add(new Effect.TakeOut(device)));
        } else {
            fault = (fault == null ? "" : fault + " ") + "(a device does not answer)";
            end(failed(fault, steps.finished()));
        }
    }

    private void end(Progress how) {
        phase = Phase.ENDED;
        for (DeviceId device : formation.devices()) {
            effects.add(new Effect.Tell(device, new Order.Release(formation.epoch())));
        }
        effects.add(new Effect.ReleaseOutput());
        effects.add(new Effect.Notify(how));
        effects.add(new Effect.End());
    }
}
