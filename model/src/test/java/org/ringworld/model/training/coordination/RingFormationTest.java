package org.ringworld.model.training.coordination;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.ringworld.checkpoints.snapshot.DeviceShare;
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
        return held(device, "cpu", job, step, List.of());
    }

    private Held held(int device, String name, String job, long step, List<DeviceShare> shares) {
        LinkAddress address = new LinkAddress("process-" + device, "host-" + device, 1, "");
        return new Held(
                devices.get(device),
                formation.epoch(),
                address,
                name,
                job,
                step,
                List.of(),
                shares);
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
        formation.onSnapshot(new Event.SnapshotFound("", List.of()));
        List<Order.Host> hosts = told(Order.Host.class);
        assertThat(hosts).extracting(Order.Host::rank).containsExactly(0, 1, 2);
        assertThat(hosts).allMatch(h -> h.weights() == Order.Weights.START);
        assertThat(allAnswer(rank -> new Report.Prepared(rank, 5, "cpu", 0, 0))).isFalse();
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
        formation.onSnapshot(new Event.SnapshotFound("/run/snapshots/step-4", List.of()));
        assertThat(told(Order.Host.class))
                .allMatch(h -> h.weights() == Order.Weights.SNAPSHOT)
                .allMatch(h -> h.snapshot().equals("/run/snapshots/step-4"));
        allAnswer(rank -> new Report.Prepared(rank, 5, "cpu", 4, 0));
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
        assertThat(allAnswer(rank -> new Report.Prepared(rank, 5, "cpu", -1, 0))).isFalse();
        told(Order.JoinRing.class);
        assertThat(allAnswer(rank -> new Report.Joined(rank, 5))).isFalse();
        assertThat(told(Order.Synchronize.class))
                .allMatch(s -> s.from() == winner && s.step() == 7);
        assertThat(allAnswer(rank -> new Report.Synchronized(rank, 5, 7))).isTrue();
        assertThat(formation.finishedStep()).isEqualTo(7);
    }

    private static final List<String> MIXED = List.of("cuda 0", "cpu (2 threads)", "cuda 1");
    private static final List<DeviceShare> SHARES =
            List.of(
                    new DeviceShare("cuda", 8),
                    new DeviceShare("cpu (2 threads)", 1),
                    new DeviceShare("cuda", 7));

    /** What the ring is told when it is formed of these devices, which measure if they are told. */
    private List<DeviceShare> sharesTold(
            RingFormation of, List<String> names, List<DeviceShare> earlier, boolean measured) {
        for (int i = 0; i < names.size(); i++) {
            of.onHeld(held(i, names.get(i), "", FinishedSteps.NOTHING, List.of()));
        }
        of.prepare();
        effects.clear();
        of.onSnapshot(new Event.SnapshotFound("/run/snapshots/step-4", earlier));
        assertThat(told(Order.Host.class)).allMatch(host -> (host.measured() > 0) == measured);
        for (int rank = 0; rank < names.size(); rank++) {
            double speed = !measured ? 0 : names.get(rank).startsWith("cuda") ? 9e3 + rank : 500;
            of.onAnswer(new Report.Prepared(rank, 5, "", 4, speed));
        }
        effects.removeIf(Effect.Log.class::isInstance);
        List<Order.JoinRing> joins = told(Order.JoinRing.class);
        assertThat(joins).allMatch(join -> join.shares().equals(joins.getFirst().shares()));
        return joins.getFirst().shares();
    }

    @Test
    void devicesOfUnlikeKindsShareRowsByWhatTheyMeasured() {
        assertThat(sharesTold(formation, MIXED, List.of(), true)).isEqualTo(SHARES);
    }

    @Test
    void theSnapshotsSharesAreThoseOfTheSameKindsInAnyOrder() {
        List<DeviceShare> odd =
                List.of(
                        new DeviceShare("cpu (2 threads)", 6),
                        new DeviceShare("cuda", 7),
                        new DeviceShare("cuda", 3));
        assertThat(sharesTold(formation, MIXED, odd, false))
                .extracting(DeviceShare::sixteenths)
                .containsExactly(7, 6, 3);
    }

    @Test
    void otherKindsThanTheSnapshotsAreMeasuredAnew() {
        List<DeviceShare> fewer = SHARES.subList(0, 2);
        assertThat(sharesTold(formation, MIXED, fewer, true)).isEqualTo(SHARES);
    }

    @Test
    void devicesOfOneKindShareRowsEvenly() {
        List<String> cards = List.of("cuda 0", "cuda 1", "cuda 1");
        assertThat(sharesTold(formation, cards, SHARES, false)).isEmpty();
    }

    @Test
    void aJobOfEvenSharesMeasuresNothing() {
        Job even = SmallJob.of(3, 1, 9, 9, "ring.shares=even");
        RingFormation of = new RingFormation(even, "job", false, effects::add);
        of.use(devices);
        of.begin(5, TOKEN);
        assertThat(sharesTold(of, MIXED, SHARES, false)).isEmpty();
    }

    @Test
    void sharesComeFromTheDeviceWhoseStateCounts() {
        formation.onHeld(held(0, "cuda 0", "", FinishedSteps.NOTHING, List.of()));
        formation.onHeld(held(1, "cpu (2 threads)", "job", 7, SHARES));
        formation.onHeld(held(2, "cuda 1", "another", 9, List.of(new DeviceShare("cuda", 16))));
        formation.prepare();
        assertThat(told(Order.Host.class)).allMatch(host -> host.measured() == 0);
        allAnswer(rank -> new Report.Prepared(rank, 5, "", 7, 0));
        effects.removeIf(Effect.Log.class::isInstance);
        assertThat(told(Order.JoinRing.class)).allMatch(join -> join.shares().equals(SHARES));
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
        formation.onSnapshot(new Event.SnapshotFound("", List.of()));
        effects.clear();
        formation.onAnswer(new Report.Prepared(0, 5, "cpu", 0, 0));
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
