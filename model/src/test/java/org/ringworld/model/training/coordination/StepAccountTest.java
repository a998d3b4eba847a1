package org.ringworld.model.training.coordination;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.training.LossPart;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.TrainingStep;

class StepAccountTest {
    private final List<Effect> effects = new ArrayList<>();
    private final StepAccount account = new StepAccount(1e12, _ -> List.of(), effects::add);

    private static Report.Stepped stepped(int rank, long step) {
        return new Report.Stepped(
                rank,
                1,
                step,
                new StepPlan.Constants(
                        0,
                        1e-3,
                        96,
                        1,
                        List.of(new LossPart.Targets(1, 1)),
                        1,
                        new StepPlan.Bytes(0, 0)),
                new TrainingStep.Outcome(List.of(new LossPart.Sums(step, 0)), 1, 1),
                new TimeSpent(0.25, 0.5, 0, 0, 0));
    }

    /** A ring of one that has finished {@code step} and can tell of it and those before it. */
    private static Roster ring(long from, long step) {
        List<Report.Stepped> records =
                LongStream.rangeClosed(from, step).mapToObj(s -> stepped(0, s)).toList();
        LinkAddress address = new LinkAddress("p", "", 0, "");
        Report.Held held =
                new Report.Held(
                        new DeviceId("d"), 1, address, "cpu", "job", step, records, List.of());
        return new Roster(List.of(held), 0, step, false);
    }

    /** Goes on with a file that stands after {@code written}; what was not told is returned. */
    private List<Long> goOn(Roster roster, long step, boolean continued, long written) {
        account.goOnAfter(step);
        assertThat(effects.removeLast()).isEqualTo(new Effect.OpenMetrics(step));
        return account
                .onOpened(new Event.MetricsOpened(continued, written, List.of()), roster)
                .stream()
                .map(StepMetrics::step)
                .toList();
    }

    private List<Long> written() {
        return effects.stream().map(e -> ((Effect.WriteMetrics) e).line().step()).toList();
    }

    private void finish(long step) {
        account.finish(account.line(account.answered(stepped(0, step), 1), 1, 0.1));
    }

    private static final Roster NOBODY = new Roster(List.of(), -1, -1, false);

    @Test
    void twoStepsAreOnTheirWayAtMost() {
        assertThat(account.isOpen()).isFalse();
        goOn(NOBODY, 0, false, 0);
        assertThat(account.isOpen()).isTrue();
        assertThat(account.isIdle()).isTrue();
        assertThat(account.send(20)).isEqualTo(1);
        assertThat(account.send(20)).isEqualTo(2);
        assertThat(account.send(20)).isEqualTo(-1);
        assertThat(account.isIdle()).isFalse();
        finish(1);
        assertThat(account.finished()).isEqualTo(1);
        assertThat(account.send(2)).as("not past the last").isEqualTo(-1);
        assertThat(account.send(20)).isEqualTo(3);
    }

    @Test
    void aStepIsOverWhenAllRanksHaveAnswered() {
        goOn(NOBODY, 0, false, 0);
        account.send(20);
        account.send(20);
        // One rank may be a whole step ahead.
        assertThat(account.answered(stepped(2, 1), 3)).isEmpty();
        assertThat(account.answered(stepped(2, 2), 3)).isEmpty();
        assertThat(account.answered(stepped(0, 1), 3)).isEmpty();
        assertThat(account.answered(stepped(0, 1), 3)).as("no rank counts twice").isEmpty();
        assertThat(account.answered(stepped(1, 1), 3))
                .extracting(Report.Stepped::rank)
                .containsExactly(0, 1, 2);
        assertThat(account.answered(stepped(1, 1), 3)).as("nor a step").isEmpty();
        assertThat(account.isIdle()).isFalse();
        assertThat(account.answered(stepped(1, 2), 3)).isEmpty();
        assertThat(account.answered(stepped(0, 2), 3))
                .extracting(Report.Stepped::step)
                .containsExactly(2L, 2L, 2L);
        assertThat(account.isIdle()).isTrue();
    }

    @Test
    void whatASurvivorHasFinishedIsWrittenOnceAndTold() {
        goOn(NOBODY, 0, false, 0);
        account.send(20);
        finish(1);
        assertThat(goOn(ring(1, 3), 3, true, 1)).containsExactly(2L, 3L);
        assertThat(account.finished()).isEqualTo(3);
        assertThat(account.send(20)).isEqualTo(4);
        finish(4);
        assertThat(written()).containsExactly(1L, 2L, 3L, 4L);
    }

    /** A coordinator that succeeds one that was lost reads what that one had written. */
    @Test
    void aSuccessorGoesOnWithTheFile() {
        assertThat(goOn(ring(1, 4), 4, false, 2)).containsExactly(3L, 4L);
        assertThat(written()).containsExactly(3L, 4L);
    }

    @Test
    void stepsOnTheirWayAreForgottenWhenTheRingGoesOnFromAnEarlierOne() {
        goOn(NOBODY, 0, false, 0);
        account.send(20);
        account.send(20);
        account.answered(stepped(0, 1), 2);
        assertThat(goOn(NOBODY, 0, false, 0)).isEmpty();
        assertThat(account.isIdle()).isTrue();
        assertThat(account.answered(stepped(1, 1), 2)).as("of the old ring").isEmpty();
        assertThat(account.send(20)).isEqualTo(1);
        assertThat(account.answered(stepped(1, 1), 2)).as("the old half is no half").isEmpty();
        assertThat(account.answered(stepped(0, 1), 2)).hasSize(2);
    }
}
