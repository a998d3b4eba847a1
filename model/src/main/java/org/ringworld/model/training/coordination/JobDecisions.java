package org.ringworld.model.training.coordination;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.function.IntFunction;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.coordination.Report.Held;
import org.ringworld.model.training.job.Job;

/**
 * What a job's coordinator decides: a state machine without actors, clock, threads and files.
 *
 * <pre>
 * GATHERING → FORMING → RUNNING ({@link RingWork}) → ENDED
 *     any of them, by a lost or a new device: GATHERING, a new epoch
 *     too few devices: WAITING, until there are more
 *     any of them, by a fault of the job's own: GATHERING, and the one that got furthest saves
 * </pre>
 */
public final class JobDecisions {
    private enum Phase {
        WAITING,
        GATHERING,
        FORMING,
        RUNNING,
        ENDED
    }

    /** Epochs in a row in which no step was finished before the job gives up. */
    private static final int FRUITLESS = 20;

    private static final String LINES_LACK =
            "metrics.jsonl tells of %d of %d steps, and without the others nobody knows which stages were done again: bring the whole file back, or leave out stages.N.evaluate";

    private final Job job;
    private final String id;
    private final long fence;
    private final boolean othersTakeOut;
    private final RingFormation formation;
    private final StepAccount steps;
    private final Saving saving;
    private final RingWork work;
    private final Watch watch = new Watch();
    private final List<Effect> effects = new ArrayList<>();

    private Phase phase = Phase.WAITING;
    private long nanos;
    private int fruitless;
    private long fruit;
    private String ended;
    private boolean stopAsked;
    private String fault;

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
        this.formation = new RingFormation(job, id, resumed, effects::add);
        this.steps = new StepAccount(flopsPerDevice, job::sources, effects::add);
        this.saving = new Saving();
        this.work = new RingWork(job, formation, steps, saving, evaluations, effects::add);
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
                case Event.EpochTaken epoch -> onEpochTaken(epoch);
                case Event.TakenOver taken -> {
                    phase = Phase.RUNNING;
                    on(work.end(failed(taken.sentence())));
                }
                case Event.SnapshotFound found -> formation.onSnapshot(found);
                case Event.MetricsOpened opened -> onMetricsOpened(opened);
                case Event.MetricsSynced _ -> work.onMetricsSynced(fence);
                case Event.FileFault file -> onFault(file.sentence());
            }
        }
        return effects();
    }

    /** Its carrier ends, whatever the job's state: nobody is left to wait in a ring. */
    public List<Effect> abandoned() {
        if (phase != Phase.ENDED && formation.epoch() >= 0) {
            formation.begin(formation.epoch() + 1, null);
            formation.gather();
        }
        return effects();
    }

    private List<Effect> effects() {
        List<Effect> made = List.copyOf(effects);
        effects.clear();
        return made;
    }

    private void tell(Progress progress) {
        effects.add(new Effect.Notify(progress));
    }

    private Progress failed(String sentence) {
        return new Progress.Failed(sentence, steps.finished(), null);
    }

    private void on(RingWork.Next next) {
        switch (next) {
            case RingWork.GoOn _ -> {}
            case RingWork.NewEpoch(String why) -> newEpoch(why);
            case RingWork.Fault(String sentence) -> onFault(sentence);
            case RingWork.End(Progress how) -> end(how);
        }
    }

    // ---- who is there

    private void onDevices(Event.Devices event) {
        boolean steady = phase == Phase.RUNNING && work.phase() != RingWork.Phase.SETTLING;
        if (event.gracefully() && steady) {
            on(work.onLeaving(event, nanos));
            return;
        }
        List<DeviceId> come = new ArrayList<>(event.devices());
        come.removeAll(formation.devices());
        formation.use(event.devices());
        // After a fault there is no ring, only the one that saves.
        boolean saverLost = saving.use(event.devices()) && fault != null;
        switch (phase) {
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
                if (event.devices().containsAll(formation.ring()) && !saverLost) {
                    work.onDevices(event.devices());
                } else {
                    newEpoch("a device was lost");
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
            String ends = "epoch %d of %s ends: %s";
            effects.add(new Effect.Log(ends.formatted(formation.epoch(), id, why)));
        }
        ended = why;
        phase = Phase.GATHERING;
        work.leave();
        effects.add(new Effect.TakeEpoch());
    }

    private void onEpochTaken(Event.EpochTaken epoch) {
        formation.begin(epoch.number(), epoch.linkToken());
        watch.begin(nanos);
        fruitless = steps.finished() > fruit ? 1 : fruitless + 1;
        fruit = steps.finished();
        if (fruitless > FRUITLESS && fault == null) {
            fault = "no ring could be formed in %d attempts: %s".formatted(FRUITLESS, ended);
        }
        if (fruitless > 1) {
            // Not as fast as messages go: a neighbour may need a moment to notice.
            Duration pause = Duration.ofMillis(Math.min(2000, 50L << Math.min(6, fruitless)));
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

    private void onFormation(long epoch, Report report) {
        boolean now = epoch == formation.epoch() && phase == Phase.FORMING;
        if (now && formation.onAnswer(report)) {
            watch.begin(nanos);
            steps.goOnAfter(formation.finishedStep());
        }
    }

    /** A file of metrics is there: of a ring that stands, or of one that will save and end. */
    private void onMetricsOpened(Event.MetricsOpened opened) {
        Roster roster = fault == null ? formation.roster() : best();
        List<StepMetrics> untold = steps.onOpened(opened, roster);
        if (opened.continued()) {
            untold.forEach(line -> tell(new Progress.Stepped(line, List.of())));
        } else if (!job.exams().isEmpty() && untold.size() < steps.finished()) {
            end(failed(LINES_LACK.formatted(untold.size(), steps.finished())));
            return;
        } else {
            work.goOnAfter(untold);
        }
        phase = Phase.RUNNING;
        if (fault != null) {
            work.saveAfter(fault, roster.ring().get(roster.winner()).device());
            return;
        }
        tell(
                new Progress.Formed(
                        formation.epoch(),
                        formation.ring().size(),
                        roster.ring().getFirst().name(),
                        steps.finished(),
                        opened.continued() ? null : untold));
        on(work.begin(nanos));
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
            case Report.Prepared prepared -> onFormation(prepared.epoch(), report);
            case Report.Joined joined -> onFormation(joined.epoch(), report);
            case Report.Synchronized done -> onFormation(done.epoch(), report);
            case Report.Stepped stepped -> {
                watch.stepped();
                on(work.onStepped(stepped, nanos));
            }
            case Report.Evaluated one -> on(work.onEvaluated(one, nanos));
            case Report.Pulsed pulsed -> watch.pulsed(pulsed, formation.epoch(), nanos);
            case Report.Failed failed -> onFailed(failed);
            // These come by themselves, whatever the job has gone on to do.
            case Report.Copied copied -> on(work.onCopied(copied, nanos));
            case Report.Saved saved -> on(work.onSaved(saved, nanos));
            case Report.NotSaved not -> on(work.onNotSaved(not, nanos));
            case Report.Measured _, Report.Forwarded _, Report.Served _, Report.HeldPages _ ->
                    throw new IllegalStateException("unexpected " + report);
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

    // ---- ending

    private void onStop() {
        stopAsked = true;
        on(work.onStop(nanos));
        if (phase == Phase.WAITING) {
            waiting();
        }
    }

    /** The first fault counts; others that follow from it do not. */
    private void onFault(String sentence) {
        if (work.phase() == RingWork.Phase.ENDING) {
            end(failed(sentence));
        } else if (fault == null) {
            fault = sentence;
            if (phase == Phase.GATHERING) {
                gathered();
            } else {
                newEpoch(sentence);
            }
        } else if (phase == Phase.RUNNING) {
            end(failed(fault + "; and " + sentence)); // the state could not be saved either
        }
    }

    /**
     * After a fault, when every device stands still, the one that got furthest saves; a job not
     * begun saves nothing.
     */
    private void saveBestAndEnd() {
        Roster best = best();
        if (best.step() <= 0 || !steps.isOpen()) {
            end(failed(fault));
            return;
        }
        saving.forget();
        phase = Phase.RUNNING;
        steps.goOnAfter(best.step());
    }

    private Roster best() {
        Collection<Held> held = formation.held();
        return Roster.choose(held, id, Math.max(1, held.size()));
    }

    private void onTick() {
        boolean working = work.isComputing();
        if (phase == Phase.GATHERING
                && !formation.silent().isEmpty()
                && watch.silentTooLong(nanos)) {
            onSilent();
        } else if (phase == Phase.RUNNING && working) {
            formation.tellAll(_ -> new Order.Pulse(formation.epoch()));
            if (othersTakeOut) {
                List<DeviceId> ring = formation.ring();
                watch.hung(nanos).forEach(r -> effects.add(new Effect.TakeOut(ring.get(r))));
            }
            if (watch.allWait(formation.ring().size(), nanos)) {
                newEpoch("nobody got on");
            }
        }
    }

    private void onSilent() {
        if (othersTakeOut) {
            formation.silent().forEach(device -> effects.add(new Effect.TakeOut(device)));
        } else {
            fault = (fault == null ? "" : fault + " ") + "(a device does not answer)";
            end(failed(fault));
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
