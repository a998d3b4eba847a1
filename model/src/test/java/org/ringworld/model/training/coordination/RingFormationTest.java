package org.ringworld.model.training.coordination;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.training.coordination.Report.Held;
import org.ringworld.model.training.job.Job;

class RingFormationTest {
    private static final byte[] TOKEN = {1, 2, 3};

    private final List<DeviceId> devices =
            List.of(new DeviceId("a"), new DeviceId("b"), new DeviceId("c"));
    private final List<Effect> effects = new ArrayList<>();
    private final Job job = SmallJob.of(3, 1, 9, 9);
    private final RingFormation formation = new RingFormation(job, "job", false, effects::add);

    @BeforeEach
    void begin() {
        formation.use(devices);
        formation.begin(5, TOKEN);
    }

    private Held held(int device, String job, long step) {
        LinkAddress address = new LinkAddress("process-" + device, "host-" + device, 1, "");
        return new Held(
                devices.get(device), formation.epoch(), address, "cpu", job, step, List.of());
    }

    /** What was told since, in order. */
    private <T extends Order> List<T> told(Class<T> what) {
        List<T> all = new ArrayList<>();
        for (Effect effect : effects) {
            all.add(what.cast(((Effect.Tell) effect).order()));
        }
        assertThat(all).allMatch(order -> order.epoch() == formation.epoch());
        effects.clear();
        return all;
    }

    private boolean allAnswer(IntFunction<Report> answer) {
        boolean stands = false;
        for (int rank = 0; rank < formation.ring().size(); rank++) {
            assertThat(stands).as("before all have answered").isFalse();
            stands = formation.onAnswer(answer.apply(rank));
        }
        return stands;
    }

    @Test
    void aNewJobBeginsFromItsStartOnAllDevices() {
        assertThat(formation.needed()).isEqualTo(3);
        formation.gather();
        assertThat(told(Order.Leave.class)).extracting(Order.Leave::device).isEqualTo(devices);
        assertThat(formation.silent()).isEqualTo(devices);
        for (int i = 0; i < 3; i++) {
            formation.onHeld(held(i, "", FinishedSteps.NOTHING));
            assertThat(formation.silent()).hasSize(2 - i);
        }
        formation.prepare();
        assertThat(effects).containsExactly(new Effect.FindSnapshot());
        effects.clear();
        formation.onSnapshot("");
        List<Order.Host> hosts = told(Order.Host.class);
        assertThat(hosts).extracting(Order.Host::rank).containsExactly(0, 1, 2);
        assertThat(hosts).allMatch(h -> h.weights() == Order.Weights.START);
        assertThat(allAnswer(rank -> new Report.Prepared(rank, 5, "cpu", 0))).isFalse();
        List<Order.JoinRing> joins = told(Order.JoinRing.class);
        assertThat(joins.getFirst().places()).isEqualTo(joins.getLast().places());
        assertThat(joins.getFirst().places().token()).isEqualTo(TOKEN);
        assertThat(allAnswer(rank -> new Report.Joined(rank, 5))).isTrue();
        assertThat(formation.finishedStep()).isZero();
        assertThat(formation.needed()).as("after losses").isEqualTo(job.ringMinSize());
    }

    @Test
    void aSnapshotIsReadWhereNobodyHoldsTheState() {
        devices.forEach(d -> formation.onHeld(held(devices.indexOf(d), "another", 7)));
        formation.prepare();
        effects.clear();
        formation.onSnapshot("/run/snapshots/step-4");
        assertThat(told(Order.Host.class))
                .allMatch(h -> h.weights() == Order.Weights.SNAPSHOT)
                .allMatch(h -> h.snapshot().equals("/run/snapshots/step-4"));
        allAnswer(rank -> new Report.Prepared(rank, 5, "cpu", 4));
        assertThat(allAnswer(rank -> new Report.Joined(rank, 5))).isTrue();
        assertThat(formation.finishedStep()).isEqualTo(4);
    }

    @Test
    void whoLacksTheHighestStepTakesItOver() {
        formation.onHeld(held(0, "job", 6));
        formation.onHeld(held(1, "job", 7));
        formation.onHeld(held(2, "", FinishedSteps.NOTHING));
        formation.prepare();
        assertThat(told(Order.Host.class)).allMatch(h -> h.weights() == Order.Weights.PEER);
        int winner = formation.roster().winner();
        assertThat(formation.ring().get(winner)).isEqualTo(devices.get(1));
        assertThat(allAnswer(rank -> new Report.Prepared(rank, 5, "cpu", -1))).isFalse();
        told(Order.JoinRing.class);
        assertThat(allAnswer(rank -> new Report.Joined(rank, 5))).isFalse();
        assertThat(told(Order.Synchronize.class))
                .allMatch(s -> s.from() == winner && s.step() == 7);
        assertThat(allAnswer(rank -> new Report.Synchronized(rank, 5, 7))).isTrue();
        assertThat(formation.finishedStep()).isEqualTo(7);
    }

    @Test
    void whoIsLostIsNotWaitedForAndNotChosen() {
        formation.onHeld(held(0, "job", 9));
        formation.onHeld(held(1, "job", 8));
        formation.use(devices.subList(1, 2));
        assertThat(formation.silent()).isEmpty();
        assertThat(formation.held()).extracting(Held::finishedStep).containsExactly(8L);
        formation.prepare();
        assertThat(formation.ring()).containsExactly(devices.get(1));
        assertThat(formation.roster().step()).isEqualTo(8);
    }

    @Test
    void aNewEpochBeginsWithNothingSaid() {
        devices.forEach(d -> formation.onHeld(held(devices.indexOf(d), "", -1)));
        formation.prepare();
        effects.clear();
        formation.onSnapshot("");
        effects.clear();
        formation.onAnswer(new Report.Prepared(0, 5, "cpu", 0));
        formation.begin(6, TOKEN);
        assertThat(formation.ring()).isEmpty();
        assertThat(formation.silent()).isEqualTo(devices);
        formation.gather();
        assertThat(told(Order.Leave.class)).hasSize(3);
    }

    @Test
    void aResumedJobNeedsFewFromTheStart() {
        assertThat(new RingFormation(job, "job", true, effects::add).needed())
                .isEqualTo(job.ringMinSize());
    }
}
