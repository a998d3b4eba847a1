package org.ringworld.actors.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigFactory;
import java.io.NotSerializableException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.apache.pekko.actor.ExtendedActorSystem;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.queue.ForwardRun;
import org.ringworld.actors.queue.JobQueue;
import org.ringworld.actors.queue.QueueAnswer;
import org.ringworld.actors.queue.QueueRequest;
import org.ringworld.actors.serving.OfferedModel;
import org.ringworld.actors.serving.ToFront;
import org.ringworld.actors.serving.ToServing;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.attention.SequencePages;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Frames;
import org.ringworld.model.decode.HeldPage;
import org.ringworld.model.decode.Load;
import org.ringworld.model.decode.Made;
import org.ringworld.model.decode.PageDirectory;
import org.ringworld.model.decode.PageKey;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.decode.Serve;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.model.training.LossPart;
import org.ringworld.model.training.MemoryUse;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.TrainingStep;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.Report;

/** What is said over a network comes back as it was; what is none of it makes nothing. */
class RingSerializerTest {
    private static final ActorTestKit KIT = ActorTestKit.create("serializer", ConfigFactory.load());
    private static final RingSerializer SERIALIZER =
            new RingSerializer((ExtendedActorSystem) Adapter.toClassic(KIT.system()));
    private static final Report.Stepped STEPPED =
            new Report.Stepped(
                    2,
                    9,
                    77,
                    new StepPlan.Constants(
                            3,
                            1e-4,
                            1L << 20,
                            0.25,
                            List.of(new LossPart.Targets(0.25, 11)),
                            1e15,
                            new StepPlan.Bytes(1L << 34, 12)),
                    new TrainingStep.Outcome(
                            List.of(new LossPart.Sums(Double.NaN, 5), new LossPart.Sums(0.5, 0)),
                            0.25,
                            7),
                    new TimeSpent(1.5, 0.5, 0.2, 0.01, 1L << 33));
    private static final List<DeviceShare> SHARES =
            List.of(new DeviceShare("cuda", 13), new DeviceShare("cpu (1 thread)", 3));
    private static final DeviceId DEVICE = new DeviceId("pekko://a/user/device-0#17");

    @AfterAll
    static void shutdown() {
        KIT.shutdownTestKit();
    }

    private static List<Object> messages() {
        TestProbe<Report> reports = KIT.createTestProbe();
        TestProbe<DeviceActor.Command> commands = KIT.createTestProbe();
        TestProbe<QueueAnswer> answers = KIT.createTestProbe();
        List<Object> messages = new ArrayList<>();
        for (Order order :
                List.of(
                        new Order.Leave(9, DEVICE),
                        new Order.Host(
                                9, 1, "3-job", "a = ü", Order.Weights.SNAPSHOT, "/x/step-9", 512),
                        new Order.Synchronize(9, 2, 77, List.of(STEPPED)),
                        new Order.TrainStep(9, 78),
                        new Order.TrainStep(9, 79, List.of(1, 3)),
                        new Order.EvaluateBatch(9, -1, 3, 1e6),
                        new Order.SaveState(9, 5, 1),
                        new Order.SaveState(9, 5, 2, List.of(2, 1)),
                        new Order.LoadModel(9, 1, "/m", "ring.size=3", true),
                        new Order.Forward(9, "/b", "/o", false),
                        new Order.Measure(9),
                        new Order.Pulse(9),
                        new Order.Release(9))) {
            messages.add(new DeviceActor.Ordered(order, reports.getRef()));
        }
        messages.addAll(reports());
        ForwardRun.Request forward =
                new ForwardRun.Request(Path.of("/m"), "a=b", Path.of("/b"), Path.of("/o"), true);
        for (QueueRequest request :
                List.of(
                        new QueueRequest.Submit("x = 1"),
                        new QueueRequest.Stop("3-job"),
                        new QueueRequest.Jobs(),
                        new QueueRequest.Status(),
                        new QueueRequest.Log("3-job", 77),
                        new QueueRequest.Metrics("3-job", 77),
                        new QueueRequest.Follow("3-job", 77L << 32),
                        new QueueRequest.Forward(forward),
                        new QueueRequest.Forwarded("f1"),
                        new QueueRequest.Deploy("lwm", "/m", true, "a=b\nc=d", 1L << 33),
                        new QueueRequest.Serve("/m", "a=b\nc=d", 1L << 33),
                        new QueueRequest.Answers("s1", Map.of(1L, 3, 2L, 0)),
                        new QueueRequest.Cancel("s1", 4))) {
            messages.add(new JobQueue.Request(request, answers.getRef()));
        }
        messages.add(new QueueAnswer(true, "{}"));
        messages.add(new JobQueue.Drain(List.of(commands.getRef()), answers.getRef()));
        return messages;
    }

    private static List<Report> reports() {
        LinkAddress address = new LinkAddress("process", "10.0.0.1", 25521, "/tmp/a.sock");
        return List.of(
                new Report.Held(DEVICE, 9, address, "cpu", "3-job", -1, List.of(STEPPED), SHARES),
                new Report.Synchronized(1, 9, 77),
                new Report.Pulsed(1, 9, 1L << 40, true),
                new Report.Prepared(1, 9, "cpu (1 thread)", 77, 1.5e3),
                new Report.Joined(1, 9),
                STEPPED,
                new Report.Measured(1, new MemoryUse(1, 2, 3, 4, 5, 6)),
                new Report.Copied(1, 77, 0.5, Path.of("/runs/a/snapshots/step-77")),
                new Report.Saved(1, Path.of("/runs/a"), 77),
                new Report.NotSaved(1, 77, 2, true, "no room"),
                new Report.Failed(1, 9, 76, true, "gone"));
    }

    private static final Frames FRAMES = new Frames(new int[] {4, 5}, 256, 8000, 3);

    /** What holds arrays is compared by its parts. */
    @Test
    void servingIsTheSameOnTheOtherSide() throws Exception {
        Sampler sampler = new Sampler(0.7, 40, 0.9, 0.05, 1.1, -7L);
        Ask.Guidance guidance = new Ask.Guidance(new int[0], 3.5); // the other text has its own
        Ask ask =
                new Ask(
                        new int[] {1, 200_000, 3},
                        9,
                        sampler,
                        Set.of(2, 3),
                        5,
                        2,
                        guidance,
                        FRAMES);
        SequencePages pages = new SequencePages(new int[] {0, 1}, new int[] {7, 0});
        Serve serve =
                new Serve(
                        1L << 40,
                        List.of(
                                new Serve.Join(
                                        4,
                                        new int[] {1, 200_000, 3, 8},
                                        pages,
                                        BitSet.valueOf(new long[] {5}),
                                        1,
                                        -4,
                                        ask)),
                        List.of(1L, 1L << 33),
                        List.of(new Serve.Fill(4, 0, 128)),
                        List.of(
                                new PageDirectory.Mirror(
                                        new PageKey(-1, 1L << 60),
                                        70_000,
                                        new PageDirectory.Page(1, 7),
                                        new PageDirectory.Page(0, 9))),
                        8);
        Made made =
                new Made(
                        1,
                        5,
                        3,
                        List.of(
                                new Made.Token(
                                        4,
                                        1,
                                        8,
                                        -0.5,
                                        List.of(new Made.Alternative(8, -0.5)),
                                        true)),
                        List.of(
                                new Made.Scores(
                                        4,
                                        1,
                                        new float[] {-1, -2.5f},
                                        new boolean[] {true, false},
                                        new int[] {3, 4},
                                        new float[] {-1, -2})),
                        0.25);
        TestProbe<Report> reports = KIT.createTestProbe();
        for (Object message :
                List.of(
                        new DeviceActor.Ordered(new Order.Serve(9, serve), reports.getRef()),
                        new DeviceActor.Ordered(
                                new Order.LoadServing(9, 1, "/m", 1L << 41, "a=b", 77, 8),
                                reports.getRef()),
                        new Report.HeldPages(1, 9, List.of(new HeldPage(7, new PageKey(5, -6), 3))),
                        new Report.Served(1, 9, made))) {
            assertThat(there(message)).usingRecursiveComparison().isEqualTo(message);
        }
    }

    @Test
    void whatFrontsAndServingsSayIsTheSameOnTheOtherSide() throws Exception {
        ActorRef<ToFront> front = KIT.<ToFront>createTestProbe().getRef();
        ActorRef<ToServing> serving = KIT.<ToServing>createTestProbe().getRef();
        Sampler sampler = new Sampler(0.7, 40, 0.9, 0.05, 1.1, -7L);
        Ask.Guidance guidance = new Ask.Guidance(new int[] {7, 8}, 3.5);
        Ask ask =
                new Ask(
                        new int[] {1, 200_000, 3},
                        9,
                        sampler,
                        Set.of(2, 3),
                        5,
                        2,
                        guidance,
                        FRAMES);
        Made.Token token =
                new Made.Token(4, 1, 8, -0.5, List.of(new Made.Alternative(8, -0.5)), true);
        Made.Scores scores =
                new Made.Scores(
                        4,
                        1,
                        new float[] {-1, -2.5f},
                        new boolean[] {true, false},
                        new int[] {1, 200_000},
                        new float[] {-1, -2});
        Load load =
                new Load(9, 2, 3, List.of(new Load.Rank("device-0", 80, 7, 2)), 1L << 40, 5, 6, 7);
        for (Object message :
                List.of(
                        new ToServing.Asked(front, 1L << 40, ask, new int[] {5, 200_001}),
                        new ToServing.Asked(
                                front,
                                1,
                                new Ask(new int[] {1}, 2, Sampler.GREEDY, Set.of()),
                                new int[0]),
                        new ToServing.Cancelled(front, 7),
                        new ToServing.Have(
                                front, "http://a:1", "why", true, Map.of(1L, 3, 1L << 40, 0)),
                        new ToFront.Serves(
                                serving,
                                9,
                                new OfferedModel("3-a", "a", "/m", 1L << 41, "x=1\ny=2", 1L << 33)),
                        new ToFront.Told(
                                List.of(new ToFront.Begun(4, 128, 256)),
                                List.of(scores),
                                List.of(token),
                                List.of(new ToFront.Ended(4, null), new ToFront.Ended(5, ""))),
                        new ToFront.Unknown(Set.of(4L, 1L << 40)),
                        new ToFront.Busy("3-a", load),
                        new ToFront.Closed("3-a", "it was stopped"))) {
            assertThat(there(message)).usingRecursiveComparison().isEqualTo(message);
        }
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
            assertThat(SERIALIZER.fromBinary(bytes, "2")).isEqualTo(message);
        }
        TestProbe<Report> to = KIT.createTestProbe();
        LinkAddress address = new LinkAddress("p", "h", 1, "");
        RingPlaces places = new RingPlaces(4, new byte[] {1, 2}, List.of(address));
        DeviceActor.Ordered ordered =
                (DeviceActor.Ordered)
                        there(
                                new DeviceActor.Ordered(
                                        new Order.JoinRing(4, 0, places, SHARES), to.getRef()));
        Order.JoinRing join = (Order.JoinRing) ordered.order();
        assertThat(join.places().token()).containsExactly(1, 2);
        assertThat(join.places().addresses()).containsExactly(address);
        assertThat(join.shares()).isEqualTo(SHARES);
        Report.Evaluated evaluated =
                (Report.Evaluated) there(new Report.Evaluated(1, 4, 2, 0.5, 7, new int[] {0, 3}));
        assertThat(evaluated.missed()).containsExactly(0, 3);
        assertThat(evaluated.targetWeight()).isEqualTo(7);
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
                Object made = SERIALIZER.fromBinary(bytes, "2");
                assertThat(made.getClass().getPackageName()).startsWith("org.ringworld.");
            } catch (NotSerializableException e) {
                assertThat(e).hasMessageContaining("no message of ours");
            }
        }
        assertThatThrownBy(() -> SERIALIZER.fromBinary(new byte[0], "2"))
                .isInstanceOf(NotSerializableException.class);
        assertThatThrownBy(() -> SERIALIZER.fromBinary(new byte[0], "1"))
                .isInstanceOf(NotSerializableException.class);
        assertThatThrownBy(() -> SERIALIZER.toBinary("a string"))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
