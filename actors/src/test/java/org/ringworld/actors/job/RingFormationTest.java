package org.ringworld.actors.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.RankModel;
import org.ringworld.actors.device.RingProtocol;
import org.ringworld.actors.device.RingProtocol.Held;
import org.ringworld.actors.links.LinkAddress;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.OpenJob;
import org.ringworld.runtime.DType;
import org.ringworld.tokenizer.ByteTokenizer;

class RingFormationTest {
    private static final ActorTestKit KIT = ActorTestKit.create();

    @TempDir private Path directory;
    private final TestProbe<DeviceActor.Reply> replies = KIT.createTestProbe();
    private final List<TestProbe<DeviceActor.Command>> devices =
            List.of(KIT.createTestProbe(), KIT.createTestProbe(), KIT.createTestProbe());
    private OpenJob hosted;
    private Fence fence;
    private RingFormation formation;

    @AfterAll
    static void shutdown() {
        KIT.shutdownTestKit();
    }

    @BeforeEach
    void open() throws Exception {
        Job job = Jobs.job(directory, 3, "zigzag", DType.F32, 9, Jobs.stage(24, 9, 1e-3, 1));
        hosted = new OpenJob("job", job, JobData.open(job, new ByteTokenizer()));
        fence = Fence.claim(directory);
        formation = new RingFormation(hosted, Epochs.from(5), fence, false, replies.getRef());
        formation.use(refs(devices));
    }

    @AfterEach
    void close() {
        hosted.close();
    }

    private static List<ActorRef<DeviceActor.Command>> refs(
            List<TestProbe<DeviceActor.Command>> of) {
        return of.stream().map(TestProbe::getRef).toList();
    }

    private Held left(TestProbe<DeviceActor.Command> device, String job, long step) {
        int i = devices.indexOf(device);
        LinkAddress address = new LinkAddress("process-" + i, "host-" + i, 1, "");
        return new Held(device.getRef(), formation.epoch(), address, "cpu", job, step, List.of());
    }

    private <T extends RingProtocol> List<T> told(
            List<TestProbe<DeviceActor.Command>> who, Class<T> what) {
        List<T> all = new ArrayList<>();
        who.forEach(device -> all.add(device.expectMessageClass(what)));
        assertThat(all).allMatch(message -> message.epoch() == formation.epoch());
        return all;
    }

    /** Devices by rank. */
    private List<TestProbe<DeviceActor.Command>> byRank() {
        return formation.ring().stream()
                .map(ref -> devices.stream().filter(d -> d.getRef().equals(ref)).findFirst().get())
                .toList();
    }

    @Test
    void aNewJobBeginsFromItsStartOnAllDevices() throws Exception {
        assertThat(formation.epoch()).isEqualTo(5);
        assertThat(formation.needed()).isEqualTo(3);
        formation.gather();
        told(devices, RingProtocol.Leave.class);
        assertThat(formation.silent()).isEqualTo(refs(devices));
        for (int i = 0; i < 3; i++) {
            formation.onHeld(left(devices.get(i), "", RankModel.NOTHING));
            assertThat(formation.silent()).hasSize(2 - i);
        }
        formation.prepare();
        List<RingProtocol.Host> hosts = told(byRank(), RingProtocol.Host.class);
        assertThat(hosts).extracting(RingProtocol.Host::rank).containsExactly(0, 1, 2);
        assertThat(hosts).allMatch(h -> h.weights() == RingProtocol.Weights.START);
        assertThat(formation.allHave(new DeviceActor.Prepared(0, 5, "cpu", 0))).isFalse();
        List<RingProtocol.JoinRing> joins = told(byRank(), RingProtocol.JoinRing.class);
        assertThat(joins.getFirst().places()).isEqualTo(joins.getLast().places());
        assertThat(joins.getFirst().places().token()).isNotEqualTo(new byte[16]);
        assertThat(formation.allHave(new DeviceActor.Joined(0, 5))).isTrue();
        assertThat(formation.finishedStep()).isZero();
        assertThat(formation.needed()).as("after losses").isEqualTo(hosted.job().ringMinSize());
    }

    @Test
    void whoLacksTheHighestStepTakesItOver() throws Exception {
        formation.gather();
        told(devices, RingProtocol.Leave.class);
        formation.onHeld(left(devices.get(0), "job", 6));
        formation.onHeld(left(devices.get(1), "job", 7));
        formation.onHeld(left(devices.get(2), "", RankModel.NOTHING));
        formation.prepare();
        assertThat(told(byRank(), RingProtocol.Host.class))
                .allMatch(h -> h.weights() == RingProtocol.Weights.PEER);
        int winner = formation.roster().winner();
        assertThat(formation.ring().get(winner)).isEqualTo(devices.get(1).getRef());
        assertThat(formation.allHave(new DeviceActor.Prepared(0, 5, "cpu", -1))).isFalse();
        told(byRank(), RingProtocol.JoinRing.class);
        assertThat(formation.allHave(new DeviceActor.Joined(0, 5))).isFalse();
        assertThat(told(byRank(), RingProtocol.Synchronize.class))
                .allMatch(s -> s.from() == winner && s.step() == 7);
        assertThat(formation.allHave(new RingProtocol.Synchronized(0, 5, 7))).isTrue();
        assertThat(formation.finishedStep()).isEqualTo(7);
    }

    @Test
    void whoIsLostIsNotWaitedForAndNotChosen() throws Exception {
        formation.gather();
        told(devices, RingProtocol.Leave.class);
        formation.onHeld(left(devices.get(0), "job", 9));
        formation.onHeld(left(devices.get(1), "job", 8));
        formation.use(refs(devices.subList(1, 2)));
        assertThat(formation.silent()).isEmpty();
        assertThat(formation.held()).extracting(Held::finishedStep).containsExactly(8L);
        formation.prepare();
        assertThat(formation.ring()).containsExactly(devices.get(1).getRef());
        assertThat(formation.roster().step()).isEqualTo(8);
    }

    @Test
    void eachEpochHasANumberOfItsOwn() throws Exception {
        formation.next(false);
        assertThat(formation.epoch()).as("none had begun").isEqualTo(5);
        formation.next(true);
        assertThat(formation.epoch()).isEqualTo(6);
        assertThat(formation.ring()).isEmpty();
        formation.gather();
        assertThat(told(devices, RingProtocol.Leave.class)).hasSize(3);
        assertThat(formation.silent()).hasSize(3);
    }

    @Test
    void whoHasBeenTakenOverBeginsNoEpoch() throws Exception {
        fence.release();
        Fence.claim(directory);
        assertThatThrownBy(() -> formation.next(true)).isInstanceOf(CheckpointException.class);
        assertThat(formation.epoch()).isEqualTo(5);
    }

    @Test
    void aResumedJobNeedsFewFromTheStart() throws Exception {
        var resumed = new RingFormation(hosted, Epochs.from(1), fence, true, replies.getRef());
        assertThat(resumed.needed()).isEqualTo(hosted.job().ringMinSize());
    }
}
