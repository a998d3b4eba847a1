package org.ringworld.model.training.coordination;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.ringworld.model.training.Curriculum;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.coordination.Report.Held;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.Moment;
import org.ringworld.model.training.job.Probe;
import org.ringworld.model.training.job.StageExam;

/**
 * What a ring that stands does: evaluates, steps and saves, stage after stage. A part of {@link
 * JobDecisions}.
 *
 * <pre>
 * EVALUATING → STEPPING → SAVING (→ SETTLING, until it is written) → … → ENDING, until it is written
 * </pre>
 *
 * A step is one order to each device; the next one is sent while the last is still running, so that
 * no device waits for a mailbox.
 */
final class RingWork {
    enum Phase {
        IDLE,
        EVALUATING,
        STEPPING,
        SAVING,
        SETTLING,
        ENDING
    }

    /** What becomes of the ring. */
    sealed interface Next {}

    record GoOn() implements Next {}

    record NewEpoch(String why) implements Next {}

    record Fault(String sentence) implements Next {}

    record End(Progress how) implements Next {}

    private static final Next GO_ON = new GoOn();

    private Job job;
    private final RingFormation formation;
    private final StepAccount steps;
    private final Saving saving;
    private final IntFunction<Evaluation> evaluations;
    private final Consumer<Effect> effects;
    private final Stragglers stragglers = new Stragglers();
    private final RankAnswers evaluated = new RankAnswers();

    private Phase phase = Phase.IDLE;
    private Evaluation evaluation;
    private int moment;
    // The step of the last evaluation inside a stage; −1: there was none.
    private long toldOf = -1;
    // The last stage's exam is over: the job is done when its final model is saved.
    private boolean passed;
    private long lastNanos;
    private boolean stopAsked;
    private boolean regroup;

    /** Who is to be left with, when some are to go; null: nobody is. */
    private Event.Devices leaving;

    /** The fault after which the state is saved and the job ends; null: there was none. */
    private String fault;

    private Progress ending;

    RingWork(
            Job job,
            RingFormation formation,
            StepAccount steps,
            Saving saving,
            IntFunction<Evaluation> evaluations,
            Consumer<Effect> effects) {
        this.job = job;
        this.formation = formation;
        this.steps = steps;
        this.saving = saving;
        this.evaluations = evaluations;
        this.effects = effects;
    }

    private Curriculum curriculum() {
        return job.curriculum();
    }

    /** The job goes on after these steps, all there were. */
    void goOnAfter(List<StepMetrics> all) {
        job = job.after(all);
        passed = false;
    }

    Phase phase() {
        return phase;
    }

    /** Whether all ranks have work to do together. */
    boolean isComputing() {
        return phase == Phase.EVALUATING || phase == Phase.STEPPING;
    }

    private void tell(Progress progress) {
        effects.accept(new Effect.Notify(progress));
    }

    /** The ring is no more. */
    void leave() {
        phase = Phase.IDLE;
        regroup = false;
        leaving = null;
    }

    /** The ring stands. */
    Next begin(long nanos) {
        if (steps.finished() == 0) {
            return evaluate(Moment.BEFORE, nanos);
        }
        // A run that was stopped just after a stage may not have that stage's model yet.
        int stage = curriculum().place(steps.finished()).stage();
        if (steps.finished() == curriculum().lastStep(stage)) {
            return saveModels();
        }
        // Nor what it is evaluated by inside it.
        boolean due = job.evaluate().isDue(steps.finished()) && toldOf != steps.finished();
        return due && !stopAsked ? evaluate(Moment.inside(stage), nanos) : next(nanos);
    }

    Next onStop(long nanos) {
        stopAsked = true;
        return betweenSteps(nanos);
    }

    /** These stay, others go when the steps on their way are done. */
    Next onLeaving(Event.Devices staying, long nanos) {
        leaving = staying;
        regroup = true;
        return betweenSteps(nanos);
    }

    /** A larger ring is worth a new epoch, when the steps on their way are done. */
    void onDevices(List<DeviceId> devices) {
        leaving = null;
        regroup = Math.min(devices.size(), job.ringSize()) > formation.ring().size();
    }

    private Next betweenSteps(long nanos) {
        return phase == Phase.STEPPING && steps.isIdle() ? next(nanos) : GO_ON;
    }

    // ---- steps

    /** After evaluating or saving: the next stage, or the end. */
    private Next next(long nanos) {
        if (stopAsked) {
            return steps.finished() == 0 ? end(new Progress.Interrupted(0, null)) : save(0);
        }
        if (steps.finished() == curriculum().steps()) {
            if (hasFinalExam() && !passed) {
                passed = true;
                return saveModels();
            }
            return end(new Progress.Completed(job.output().resolve("final")));
        }
        if (regroup) {
            return regroup();
        }
        Curriculum.Place place = curriculum().place(steps.finished() + 1);
        Stage of = curriculum().stages().get(place.stage());
        boolean begins = place.stepInStage() % of.steps() == 0;
        if (begins && !saving.isOver()) {
            // Until a stage's model is on disk the ring stays where it is: if its writer is lost,
            // another one can write it.
            phase = Phase.SETTLING;
            return GO_ON;
        }
        if (begins || lastNanos == 0) {
            tell(new Progress.StageBegun(place.stage(), of));
        }
        phase = Phase.STEPPING;
        lastNanos = nanos;
        sendSteps();
        return GO_ON;
    }

    /** A ring of other devices; where too few stay, the state is on disk before the others go. */
    private Next regroup() {
        if (leaving != null) {
            boolean tooFew = leaving.devices().size() < job.ringMinSize();
            if (tooFew && saving.lacks(steps.finished())) {
                return save(0);
            }
            if (!saving.isOver()) {
                phase = Phase.SETTLING;
                return GO_ON;
            }
            formation.use(leaving.devices());
        }
        return new NewEpoch("the ring changes");
    }

    private void sendSteps() {
        long last = lastStepAhead();
        List<Integer> rounds = curriculum().rounds();
        while (!stopAsked && !regroup) {
            long step = steps.send(last);
            if (step < 0) {
                break;
            }
            formation.tellAll(_ -> new Order.TrainStep(formation.epoch(), step, rounds));
        }
    }

    /** Steps run ahead of each other, but not past the end of a stage or what is between steps. */
    private long lastStepAhead() {
        int stage = curriculum().place(steps.finished() + 1).stage();
        long evaluation =
                job.evaluate().everySteps() == 0
                        ? Long.MAX_VALUE
                        : multiple(job.evaluate().everySteps());
        return Math.min(
                Math.min(multiple(job.snapshotSteps()), evaluation), curriculum().lastStep(stage));
    }

    /** The next step that is a multiple of so many. */
    private long multiple(long every) {
        return (steps.finished() / every + 1) * every;
    }

    Next onStepped(Report.Stepped stepped, long nanos) {
        if (phase != Phase.STEPPING || stepped.epoch() != formation.epoch()) {
            return GO_ON;
        }
        List<Report.Stepped> ranks = steps.answered(stepped, formation.ring().size());
        if (ranks.isEmpty()) {
            return GO_ON;
        }
        StepMetrics line = steps.line(ranks, ranks.size(), (nanos - lastNanos) / 1e9);
        lastNanos = nanos;
        if (!Double.isFinite(line.gradNorm()) || !Double.isFinite(line.loss())) {
            return new Fault(
                    "step %d has loss %s and gradient norm %s: the weights were left as they were before it; a smaller learning rate or a tighter clipNorm may help"
                            .formatted(line.step(), line.loss(), line.gradNorm()));
        }
        steps.finish(line);
        List<Progress.RankTime> times = times(ranks);
        tell(new Progress.Stepped(line, times));
        stragglers.named(times).ifPresent(this::tell);
        if (line.step() == curriculum().lastStep(line.stage())) {
            return saveModels(); // whatever else is asked: its models come first
        }
        if (steps.isIdle() && (stopAsked || regroup)) {
            return next(nanos);
        }
        if (steps.isIdle() && line.step() % job.snapshotSteps() == 0) {
            return save(0);
        }
        if (steps.isIdle() && job.evaluate().isDue(line.step())) {
            return evaluate(Moment.inside(line.stage()), nanos);
        }
        sendSteps();
        return GO_ON;
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

    private Next evaluate(int at, long nanos) {
        phase = Phase.EVALUATING;
        evaluation = evaluations.apply(at);
        moment = at;
        evaluated.clear();
        return evaluateNext(nanos);
    }

    private Next evaluateNext(long nanos) {
        if (stopAsked) {
            return next(nanos);
        }
        if (evaluation.isOver()) {
            if (!evaluation.results().isEmpty()) {
                toldOf = steps.finished();
                tell(new Progress.Evaluated(moment, toldOf, evaluation.results()));
            }
            examine(evaluation.results());
            return next(nanos);
        }
        int batch = evaluation.next();
        tell(new Progress.Evaluating(batch, evaluation.batches()));
        double theta = curriculum().stages().get(Moment.stage(moment)).ropeTheta();
        formation.tellAll(_ -> new Order.EvaluateBatch(formation.epoch(), moment, batch, theta));
        return GO_ON;
    }

    /** Whether the last stage may be repeated: then its model is the final one only after that. */
    private boolean hasFinalExam() {
        return job.mayRepeat(curriculum().stages().size() - 1);
    }

    /** At a stage's end: whether it is done once more. */
    private void examine(List<Probe.Result> results) {
        if (!job.mayRepeat(moment)) {
            return;
        }
        StageExam exam = job.exams().get(moment);
        Stage stage = curriculum().stages().get(moment);
        double score = exam.score(results, stage.seqLen());
        int round = curriculum().rounds().get(moment);
        boolean again = score < exam.advance() && round < exam.times();
        if (again) {
            job = job.again(moment);
        }
        tell(
                new Progress.Examined(
                        moment, round, score, exam.advance(), again, curriculum().rounds()));
    }

    Next onEvaluated(Report.Evaluated one, long nanos) {
        boolean asked =
                phase == Phase.EVALUATING
                        && one.epoch() == formation.epoch()
                        && one.id() == evaluation.next();
        List<Report> all = asked ? evaluated.add(one, formation.ring().size()) : List.of();
        if (all.isEmpty()) {
            return GO_ON;
        }
        evaluation.add(RankAnswers.as(Report.Evaluated.class, all));
        return evaluateNext(nanos);
    }

    // ---- saving

    private Next saveModels() {
        boolean isFinal = steps.finished() == curriculum().steps() && (passed || !hasFinalExam());
        return save(isFinal ? 2 : 1);
    }

    private Next save(int models) {
        save(models, saving.writer(formation.ring()));
        return GO_ON;
    }

    /** After a fault the one that got furthest writes its state, and the job ends. */
    void saveAfter(String sentence, DeviceId best) {
        fault = sentence;
        save(0, best);
    }

    /** Has a device write its state, when the lines of its steps are durable. */
    private void save(int models, DeviceId by) {
        phase = Phase.SAVING;
        saving.ask(by, models);
        effects.accept(new Effect.SyncMetrics());
    }

    void onMetricsSynced(long fence) {
        if (phase == Phase.SAVING) {
            List<Integer> rounds = curriculum().rounds();
            Order order = new Order.SaveState(formation.epoch(), fence, saving.models(), rounds);
            effects.accept(new Effect.Tell(saving.begin(), order));
        }
    }

    /** Training goes on while the copy is written. */
    Next onCopied(Report.Copied copied, long nanos) {
        if (phase != Phase.SAVING) {
            return GO_ON;
        }
        tell(new Progress.Copied(copied.step(), copied.seconds()));
        if (fault != null) {
            return end(new Progress.Failed(fault, copied.step(), copied.snapshot()));
        }
        if (stopAsked) {
            return end(new Progress.Interrupted(steps.finished(), copied.snapshot()));
        }
        int stage = curriculum().place(steps.finished()).stage();
        if (steps.finished() == curriculum().lastStep(stage)) {
            return passed ? next(nanos) : evaluate(stage, nanos);
        }
        return job.evaluate().isDue(steps.finished())
                ? evaluate(Moment.inside(stage), nanos)
                : next(nanos);
    }

    Next onSaved(Report.Saved saved, long nanos) {
        saving.done(1);
        tell(new Progress.Saved(saved.path(), saved.step()));
        return written(nanos);
    }

    /** A snapshot on the way may fail, the disk may have room again for the next; no other may. */
    Next onNotSaved(Report.NotSaved not, long nanos) {
        saving.done(not.unwritten());
        if (phase == Phase.ENDING) {
            String sentence = fault == null ? not.sentence() : fault + "; and " + not.sentence();
            return end(new Progress.Failed(sentence, not.step(), null));
        }
        boolean model = curriculum().lastStep(curriculum().place(not.step()).stage()) == not.step();
        if (model || not.takenOver()) {
            return new Fault(not.sentence());
        }
        tell(new Progress.NotSaved(not.sentence(), not.step()));
        return written(nanos);
    }

    private Next written(long nanos) {
        if (!saving.isOver()) {
            return GO_ON;
        }
        return switch (phase) {
            case ENDING -> new End(ending);
            case SETTLING -> next(nanos);
            default -> GO_ON;
        };
    }

    /** The job ends so, when all that was asked for is written. */
    Next end(Progress how) {
        phase = Phase.ENDING;
        ending = how;
        return saving.isOver() ? new End(how) : GO_ON;
    }
}
