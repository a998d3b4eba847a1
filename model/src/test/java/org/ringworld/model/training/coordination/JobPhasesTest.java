package org.ringworld.model.training.coordination;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.training.LossPart;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.TrainingStep;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.Moment;
import org.ringworld.model.training.job.Probe;

/** Each phase of {@link JobDecisions}, event by event, with a clock that the test advances. */
class JobPhasesTest {
    private static final byte[] TOKEN = {7};
    private static final int RING = 2;
    private static final List<DeviceId> DEVICES =
            List.of(new DeviceId("a"), new DeviceId("b"), new DeviceId("c"));

    private Job job = SmallJob.of(RING, 1, 12, 4);
    private JobDecisions decisions = decisions(true, List.of());
    private long nanos = 1;
    private long epoch;

    private JobDecisions decisions(boolean othersTakeOut, List<JobData.Place> batches) {
        List<Probe> probes =
                batches.isEmpty()
                        ? List.of()
                        : List.of(
                                new Probe(
                                        new Probe.Documents("held out"),
                                        32,
                                        Double.NaN,
                                        List.of()));
        return new JobDecisions(
                job, "job", 1e12, 3, false, othersTakeOut, _ -> new Evaluation(probes, batches));
    }

    // ---- what happens

    private List<Effect> on(Event event) {
        return decisions.on(event, nanos);
    }

    private List<Effect> told(Report report) {
        return on(new Event.Told(report));
    }

    private List<Effect> devices(int count) {
        return on(new Event.Devices(DEVICES.subList(0, count), false));
    }

    private List<Effect> after(Duration time) {
        nanos += time.toNanos();
        return on(new Event.Tick());
    }

    private List<Effect> held(int device, String of, long step) {
        return told(
                new Report.Held(
                        DEVICES.get(device),
                        epoch,
                        new LinkAddress("p" + device, "host", device, ""),
                        "cpu",
                        of,
                        step,
                        List.of(),
                        List.of()));
    }

    private List<Effect> stepped(int rank, long step, double norm) {
        StepPlan.Constants constants =
                new StepPlan.Constants(
                        step <= job.curriculum().stages().getFirst().steps() ? 0 : 1,
                        1e-3,
                        64,
                        1,
                        List.of(new LossPart.Targets(1, 1)),
                        1,
                        new StepPlan.Bytes(0, 0));
        return told(
                new Report.Stepped(
                        rank,
                        epoch,
                        step,
                        constants,
                        new TrainingStep.Outcome(List.of(new LossPart.Sums(1, 1)), norm, 1),
                        new TimeSpent(0.1, 0, 0, 0, 0)));
    }

    private List<Effect> takeEpoch(List<Effect> effects) {
        assertThat(effects).contains(new Effect.TakeEpoch());
        return on(new Event.EpochTaken(++epoch, TOKEN));
    }

    /** The ring of a and b stands; what comes next is returned. */
    private List<Effect> stand(List<Effect> begun) {
        takeEpoch(begun);
        held(0, "", FinishedSteps.NOTHING);
        assertThat(held(1, "", FinishedSteps.NOTHING)).contains(new Effect.FindSnapshot());
        assertThat(orders(on(new Event.SnapshotFound("", List.of())), Order.Host.class))
                .hasSize(RING);
        told(new Report.Prepared(0, epoch, "cpu", 0, 0));
        assertThat(orders(told(new Report.Prepared(1, epoch, "cpu", 0, 0)), Order.JoinRing.class))
                .hasSize(RING);
        told(new Report.Joined(0, epoch));
        assertThat(told(new Report.Joined(1, epoch))).containsExactly(new Effect.OpenMetrics(0));
        return on(new Event.MetricsOpened(false, 0, List.of()));
    }

    private List<Effect> finish(long step) {
        stepped(0, step, 1);
        return stepped(1, step, 1);
    }

    // ---- what is to be done

    private static <T extends Order> List<T> orders(List<Effect> effects, Class<T> kind) {
        List<T> orders = new ArrayList<>();
        for (Effect effect : effects) {
            if (effect instanceof Effect.Tell tell && kind.isInstance(tell.order())) {
                orders.add(kind.cast(tell.order()));
            }
        }
        return orders;
    }

    private static <T extends Progress> T progress(List<Effect> effects, Class<T> kind) {
        return effects.stream()
                .filter(Effect.Notify.class::isInstance)
                .map(e -> ((Effect.Notify) e).progress())
                .filter(kind::isInstance)
                .map(kind::cast)
                .findFirst()
                .orElseThrow(() -> new AssertionError("no " + kind + " in " + effects));
    }

    private static List<Long> steps(List<Effect> effects) {
        return orders(effects, Order.TrainStep.class).stream().map(Order.TrainStep::step).toList();
    }

    // ---- tests

    @Test
    void aJobWaitsUntilItsRingIsFull() {
        assertThat(progress(devices(1), Progress.Waiting.class))
                .isEqualTo(new Progress.Waiting(1, RING));
        assertThat(orders(takeEpoch(devices(2)), Order.Leave.class)).hasSize(RING);
    }

    @Test
    void twoStepsAreOnTheirWayUntilASnapshotIsDue() {
        assertThat(steps(stand(devices(2)))).containsExactly(1L, 1L, 2L, 2L);
        assertThat(stepped(0, 1, 1)).isEmpty();
        assertThat(steps(stepped(1, 1, 1))).containsExactly(3L, 3L);
        assertThat(steps(finish(2))).containsExactly(4L, 4L);
        assertThat(steps(finish(3))).as("4 is to be saved first").isEmpty();
        assertThat(finish(4)).contains(new Effect.SyncMetrics());
        List<Order.SaveState> saves = orders(on(new Event.MetricsSynced()), Order.SaveState.class);
        assertThat(saves).containsExactly(new Order.SaveState(epoch, 3, 0, List.of(1, 1)));
        Path snapshot = Path.of("s");
        assertThat(steps(told(new Report.Copied(0, 4, 0.1, snapshot))))
                .as("not after it is written")
                .containsExactly(5L, 5L, 6L, 6L);
    }

    @Test
    void aDeviceThatDoesNotGetOnIsTakenOut() {
        stand(devices(2));
        boolean taken = false;
        for (int second = 0; second < 7 && !taken; second++) {
            List<Effect> effects = after(Duration.ofSeconds(1));
            taken = effects.contains(new Effect.TakeOut(DEVICES.get(0)));
            assertThat(effects).doesNotContain(new Effect.TakeOut(DEVICES.get(1)));
            told(new Report.Pulsed(0, epoch, 5, false));
            told(new Report.Pulsed(1, epoch, second, true));
        }
        assertThat(taken).isTrue();
    }

    @Test
    void whoDoesNotStandStillIsTakenOutAfterTwentySeconds() {
        takeEpoch(devices(2));
        held(0, "", FinishedSteps.NOTHING);
        assertThat(after(Duration.ofSeconds(19))).isEmpty();
        assertThat(after(Duration.ofSeconds(2)))
                .containsExactly(new Effect.TakeOut(DEVICES.get(1)));
        decisions = decisions(false, List.of());
        takeEpoch(devices(2));
        assertThat(progress(after(Duration.ofSeconds(21)), Progress.Failed.class).sentence())
                .as("nobody can be taken out of one JVM")
                .contains("a device does not answer");
    }

    @Test
    void aLossThatIsNoNumberEndsTheJobWithTheStateBeforeIt() {
        stand(devices(2));
        finish(1);
        stepped(0, 2, Double.NaN);
        takeEpoch(stepped(1, 2, Double.NaN));
        held(0, "job", 1);
        assertThat(held(1, "job", 1)).containsExactly(new Effect.OpenMetrics(1));
        on(new Event.MetricsOpened(true, 1, List.of()));
        assertThat(orders(on(new Event.MetricsSynced()), Order.SaveState.class)).hasSize(1);
        told(new Report.Copied(-1, 1, 0, Path.of("s")));
        Progress.Failed failed =
                progress(told(new Report.Saved(-1, Path.of("s"), 1)), Progress.Failed.class);
        assertThat(failed.sentence()).contains("step 2 has loss");
        assertThat(failed.snapshot()).isEqualTo(Path.of("s"));
    }

    @Test
    void ringsThatBreakBeforeTheirFirstStepAreFormedMoreAndMoreSlowly() {
        stand(devices(2));
        List<Duration> pauses = new ArrayList<>();
        for (int attempt = 1; attempt < 20; attempt++) {
            List<Effect> begun =
                    takeEpoch(told(new Report.Failed(0, epoch, 0, true, "the ring broke")));
            Effect.Pause pause = (Effect.Pause) begun.getLast();
            pauses.add(pause.time());
            on(new Event.PauseOver(epoch));
            held(0, "job", 0);
            held(1, "job", 0);
        }
        assertThat(pauses).isSorted();
        assertThat(pauses.getLast()).isEqualTo(Duration.ofSeconds(2));
        takeEpoch(told(new Report.Failed(0, epoch, 0, true, "the ring broke")));
        on(new Event.PauseOver(epoch));
        held(0, "job", 0);
        assertThat(progress(held(1, "job", 0), Progress.Failed.class).sentence())
                .contains("no ring could be formed in 20 attempts");
    }

    @Test
    void aStopBeforeTheFirstStepSavesNothing() {
        stand(devices(2));
        on(new Event.StopAsked());
        finish(1);
        assertThat(finish(2)).contains(new Effect.SyncMetrics());
        decisions = decisions(true, List.of());
        epoch = 0;
        devices(1);
        assertThat(progress(on(new Event.StopAsked()), Progress.Interrupted.class))
                .isEqualTo(new Progress.Interrupted(0, null));
    }

    @Test
    void unseenRowsAreEvaluatedBatchByBatchBeforeTheFirstStep() {
        decisions =
                decisions(true, List.of(new JobData.Place(0, 0, 1), new JobData.Place(0, 1, 2)));
        List<Effect> effects = stand(devices(2));
        for (int batch = 0; batch < 2; batch++) {
            assertThat(progress(effects, Progress.Evaluating.class))
                    .isEqualTo(new Progress.Evaluating(batch, 2));
            assertThat(orders(effects, Order.EvaluateBatch.class)).hasSize(RING);
            for (int rank : new int[] {1, 0}) {
                int[] missed = {rank == 0 ? batch : 0};
                effects = told(new Report.Evaluated(rank, epoch, batch, 1.5, 2, missed));
            }
        }
        Probe.Result result = progress(effects, Progress.Evaluated.class).results().getFirst();
        assertThat(result.right()).isEqualTo(1);
        assertThat(result.loss()).isEqualTo(4 * 1.5 / (2 * 2));
        assertThat(steps(effects)).containsExactly(1L, 1L, 2L, 2L);
    }

    @Test
    void aJobThatWasTakenOverTellsNobodyAnyMore() {
        stand(devices(2));
        on(new Event.Lost(DEVICES.get(1)));
        List<Effect> effects = on(new Event.TakenOver("another has taken it over"));
        assertThat(progress(effects, Progress.Failed.class).sentence()).contains("taken it over");
        assertThat(effects.getLast()).isEqualTo(new Effect.End());
        assertThat(IntStream.range(0, 3).mapToObj(i -> devices(2)).flatMap(List::stream)).isEmpty();
    }

    @Test
    void aLineThatCannotBeWrittenIsAFaultOfTheJob() {
        stand(devices(2));
        finish(1);
        takeEpoch(on(new Event.FileFault("metrics.jsonl: the disk is gone")));
        held(0, "job", 2);
        held(1, "job", 1);
        assertThat(progress(on(new Event.FileFault("again")), Progress.Failed.class).sentence())
                .contains("the disk is gone")
                .contains("again");
    }

    /** No step runs ahead of it, and where a snapshot is due too, that comes first. */
    @Test
    void aModelIsEvaluatedInsideAStage() {
        job = SmallJob.of(RING, 1, 12, 4, "evaluate.everySteps=2");
        decisions = decisions(true, List.of(new JobData.Place(0, 0, 1)));
        stand(devices(2));
        List<Effect> effects = evaluated(0, Moment.BEFORE);
        assertThat(steps(effects)).containsExactly(1L, 1L, 2L, 2L);
        finish(1);
        effects = finish(2);
        assertThat(orders(effects, Order.EvaluateBatch.class)).hasSize(RING);
        assertThat(steps(evaluated(2, Moment.inside(0)))).containsExactly(3L, 3L, 4L, 4L);
        finish(3);
        assertThat(finish(4)).contains(new Effect.SyncMetrics());
        on(new Event.MetricsSynced());
        effects = told(new Report.Copied(0, 4, 0, Path.of("s")));
        assertThat(orders(effects, Order.EvaluateBatch.class)).hasSize(RING);
        assertThat(steps(evaluated(4, Moment.inside(0)))).containsExactly(5L, 5L, 6L, 6L);
    }

    /** Only then is there a final model, which says that the job is done. */
    @Test
    void theLastStageIsDoneAgainUntilItsExamIsPassed() {
        job = SmallJob.of(RING, 1, 7, 9, "stages.1.evaluate={suite=needles,advance=0.5,times=2}");
        assertThat(job.exams().get(1).times()).isEqualTo(2);
        decisions = decisions(true, List.of());
        stand(devices(2));
        IntStream.rangeClosed(1, 6).forEach(this::finish);
        on(new Event.MetricsSynced());
        told(new Report.Copied(0, 6, 0, Path.of("s")));
        saved(6, 2);
        assertThat(finish(7)).contains(new Effect.SyncMetrics());
        assertThat(orders(on(new Event.MetricsSynced()), Order.SaveState.class))
                .containsExactly(new Order.SaveState(epoch, 3, 1, List.of(1, 1)));
        List<Effect> effects = told(new Report.Copied(0, 7, 0, Path.of("s")));
        assertThat(progress(effects, Progress.Examined.class))
                .isEqualTo(new Progress.Examined(1, 1, 0, 0.5, true, List.of(1, 2)));
        assertThat(steps(effects)).as("until its model is saved").isEmpty();
        effects = saved(7, 2);
        assertThat(orders(effects, Order.TrainStep.class))
                .containsOnly(new Order.TrainStep(epoch, 8, List.of(1, 2)));
        finish(8);
        on(new Event.MetricsSynced());
        effects = told(new Report.Copied(0, 8, 0, Path.of("s")));
        assertThat(progress(effects, Progress.Examined.class).again()).isFalse();
        assertThat(orders(on(new Event.MetricsSynced()), Order.SaveState.class))
                .containsExactly(new Order.SaveState(epoch, 3, 2, List.of(1, 2)));
        told(new Report.Copied(0, 8, 0, Path.of("s")));
        assertThat(progress(saved(8, 5), Progress.Completed.class)).isNotNull();
    }

    private List<Effect> saved(long step, int files) {
        List<Effect> effects = List.of();
        for (int i = 0; i < files; i++) {
            effects = told(new Report.Saved(0, Path.of("s"), step));
        }
        return effects;
    }

    private List<Effect> evaluated(long step, int moment) {
        told(new Report.Evaluated(0, epoch, 0, 1.5, 2, new int[1]));
        List<Effect> effects = told(new Report.Evaluated(1, epoch, 0, 1.5, 2, new int[1]));
        Progress.Evaluated told = progress(effects, Progress.Evaluated.class);
        assertThat(told.step()).isEqualTo(step);
        assertThat(told.moment()).isEqualTo(moment);
        return effects;
    }
}
