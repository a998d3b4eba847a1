package org.ringworld.actors.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigFactory;
import java.io.NotSerializableException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.apache.pekko.actor.ExtendedActorSystem;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.RingProtocol;
import org.ringworld.actors.links.LinkAddress;
import org.ringworld.actors.links.RankLinks;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.TrainingStep;

/** What is said over a network comes back as it was; what is none of it makes nothing. */
class RingSerializerTest {
    private static final ActorTestKit KIT = ActorTestKit.create("serializer", ConfigFactory.load());
    private static final RingSerializer SERIALIZER =
            new RingSerializer((ExtendedActorSystem) Adapter.toClassic(KIT.system()));

    @AfterAll
    static void shutdown() {
        KIT.shutdownTestKit();
    }

    private static List<Object> messages() {
        TestProbe<DeviceActor.Reply> replies = KIT.createTestProbe();
        ActorRef<DeviceActor.Reply> to = replies.getRef();
        TestProbe<DeviceActor.Command> commands = KIT.createTestProbe();
        TestProbe<JobQueue.Answer> answers = KIT.createTestProbe();
        LinkAddress address = new LinkAddress("process", "10.0.0.1", 25521, "/tmp/a.sock");
        DeviceActor.Stepped stepped =
                new DeviceActor.Stepped(
                        2,
                        9,
                        77,
                        new TrainingStep.Outcome(Double.NaN, 5, 0.25),
                        new TimeSpent(1.5, 0.5, 0.2, 0.01, 1L << 33));
        return List.of(
                new RingProtocol.Leave(9, to),
                new RingProtocol.Host(
                        9, 1, "3-job", "a = ü", RingProtocol.Weights.SNAPSHOT, "/x/step-9", to),
                new RingProtocol.Synchronize(9, 2, 77, to),
                new RingProtocol.TrainStep(9, 78, to),
                new RingProtocol.EvaluateBatch(9, -1, 3, 1e6, to),
                new RingProtocol.SaveState(9, 5, true, to),
                new RingProtocol.LoadModel(9, 1, "/m", "ring.size=3", true, to),
                new RingProtocol.ForwardFile(9, "/b", "/o", false, to),
                new RingProtocol.Pulse(9, to),
                new RingProtocol.Release(9),
                new RingProtocol.Held(
                        commands.getRef(), 9, address, "cpu", "3-job", -1, List.of(stepped)),
                new RingProtocol.Synchronized(1, 9, 77),
                new RingProtocol.Pulsed(1, 9, 1L << 40, true),
                new DeviceActor.Prepared(1, 9, "cpu (1 thread)", 77),
                new DeviceActor.Joined(1, 9),
                stepped,
                new DeviceActor.Copied(1, 77, 0.5),
                new DeviceActor.Saved(1, Path.of("/runs/a"), 77),
                new DeviceActor.NotSaved(1, 77, 2, "no room"),
                new DeviceActor.Failed(1, 9, 76, true, "gone"),
                new JobQueue.Request("submit", "x = 1", answers.getRef()),
                new JobQueue.Answer(true, "{}"),
                new JobQueue.Drain(List.of(commands.getRef()), answers.getRef()));
    }

    private static Object there(Object message) throws NotSerializableException {
        ByteBuffer bytes = ByteBuffer.allocate(1 << 16);
        SERIALIZER.toBinary(message, bytes);
        return SERIALIZER.fromBinary(bytes.flip(), SERIALIZER.manifest(message));
    }

    @Test
    void everyMessageComesBackAsItWas() throws Exception {
        for (Object message : messages()) {
            assertThat(there(message)).isEqualTo(message);
            byte[] bytes = SERIALIZER.toBinary(message);
            assertThat(SERIALIZER.fromBinary(bytes, "1")).isEqualTo(message);
        }
        TestProbe<DeviceActor.Reply> to = KIT.createTestProbe();
        LinkAddress address = new LinkAddress("p", "h", 1, "");
        RankLinks.Places places = new RankLinks.Places(4, new byte[] {1, 2}, List.of(address));
        RingProtocol.JoinRing join =
                (RingProtocol.JoinRing) there(new RingProtocol.JoinRing(4, 0, places, to.getRef()));
        assertThat(join.places().token()).containsExactly(1, 2);
        assertThat(join.places().addresses()).containsExactly(address);
        DeviceActor.Evaluated evaluated =
                (DeviceActor.Evaluated)
                        there(new DeviceActor.Evaluated(1, 4, 2, 0.5, new int[] {0, 3}));
        assertThat(evaluated.missed()).containsExactly(0, 3);
    }

    @Test
    void garbageIsRefusedAndMakesNothing() throws Exception {
        Random random = new Random(1);
        List<Object> messages = messages();
        for (int i = 0; i < 5000; i++) {
            byte[] bytes = SERIALIZER.toBinary(messages.get(random.nextInt(messages.size())));
            for (int flips = 1 + random.nextInt(3); flips > 0; flips--) {
                bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
            }
            try {
                Object made = SERIALIZER.fromBinary(bytes, "1");
                assertThat(made.getClass().getPackageName()).startsWith("org.ringworld.actors.");
            } catch (NotSerializableException e) {
                assertThat(e).hasMessageContaining("no message of ours");
            }
        }
        assertThatThrownBy(() -> SERIALIZER.fromBinary(new byte[0], "1"))
                .isInstanceOf(NotSerializableException.class);
        assertThatThrownBy(() -> SERIALIZER.fromBinary(new byte[0], "2"))
                .isInstanceOf(NotSerializableException.class);
        assertThatThrownBy(() -> SERIALIZER.toBinary("a string"))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
