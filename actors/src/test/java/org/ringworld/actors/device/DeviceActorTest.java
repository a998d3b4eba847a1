package org.ringworld.actors.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.ringworld.actors.job.FaultyDevice;
import org.ringworld.actors.job.Jobs;
import org.ringworld.actors.links.Links;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.ZigzagLayout;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.rank.HeldWork;
import org.ringworld.model.training.rank.ModelSource;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.tasks.CopyTask;

class DeviceActorTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final MicroBatch BATCH =
            MicroBatch.of(
                    new CopyTask(1, 0, new ByteTokenizer()).rows(0, 32, 2), new ZigzagLayout(), 2);

    @AfterAll
    static void shutdown() {
        KIT.shutdownTestKit();
    }

    private final Links links = Links.inProcess();
    private final TestProbe<Report> probe = KIT.createTestProbe();

    private final HeldWork work =
            new HeldWork(
                    "work",
                    new ModelSource.Random(Jobs.MODEL, 1, 0.1),
                    DType.F32,
                    true,
                    Recompute.Choice.ALL);
    private final OpenJobs jobs = new OpenJobs(work);

    private DeviceActor.Ordered ordered(Order order) {
        return new DeviceActor.Ordered(order, probe.getRef());
    }

    private ActorRef<DeviceActor.Command> member(int rank, Device device) {
        work.hold(7, BATCH);
        ActorRef<DeviceActor.Command> actor =
                KIT.spawn(DeviceActor.create(rank, device, links, jobs, () -> {}));
        actor.tell(ordered(new Order.Leave(1, new DeviceId("device-" + rank))));
        probe.expectMessageClass(Report.Held.class, PATIENCE);
        actor.tell(ordered(new Order.Host(1, rank, "work", "", Order.Weights.START, "", 0)));
        probe.expectMessageClass(Report.Prepared.class, PATIENCE);
        List<LinkAddress> both = List.of(links.address(), links.address());
        RingPlaces places = new RingPlaces(1, new byte[16], both);
        actor.tell(ordered(new Order.JoinRing(1, rank, places)));
        return actor;
    }

    private void expectBothJoined() {
        probe.expectMessageClass(Report.Joined.class, PATIENCE);
        probe.expectMessageClass(Report.Joined.class, PATIENCE);
    }

    private DeviceActor.Ordered evaluate(long epoch) {
        return ordered(new Order.EvaluateBatch(epoch, 0, 7, 1e4));
    }

    @Test
    void pendingTransfersFailAtOnceWhenANeighbourStops() {
        ActorRef<DeviceActor.Command> waiting = member(0, new CpuDevice(1));
        ActorRef<DeviceActor.Command> stopping = member(1, new CpuDevice(1));
        expectBothJoined();
        waiting.tell(evaluate(1)); // its neighbour was never asked: it waits for keys
        probe.expectNoMessage(Duration.ofMillis(200));
        KIT.stop(stopping);
        Report.Failed failed = probe.expectMessageClass(Report.Failed.class, PATIENCE);
        assertThat(failed.sentence()).contains("rank 1 left");
    }

    @Test
    void messagesOfAnotherEpochAreDropped() {
        ActorRef<DeviceActor.Command> member = member(0, new CpuDevice(1));
        ActorRef<DeviceActor.Command> other = member(1, new CpuDevice(1));
        expectBothJoined();
        for (long of : new long[] {0, 2}) {
            member.tell(evaluate(of));
            other.tell(evaluate(of)); // were it not dropped, the two would answer each other
        }
        member.tell(evaluate(1));
        other.tell(evaluate(1));
        for (Report report : probe.receiveSeveralMessages(2, PATIENCE)) {
            assertThat(((Report.Evaluated) report).epoch()).isEqualTo(1);
        }
    }

    @Test
    void theMailboxStaysFreeWhileTheDeviceComputes() throws Exception {
        CountDownLatch stands = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        Device slow =
                new FaultyDevice(
                        "rmsNorm",
                        1,
                        () -> {
                            stands.countDown();
                            try {
                                go.await();
                            } catch (InterruptedException e) {
                                Thread.currentThread().interrupt();
                            }
                        });
        ActorRef<DeviceActor.Command> busy = member(0, slow);
        ActorRef<DeviceActor.Command> other = member(1, new CpuDevice(1));
        expectBothJoined();
        busy.tell(evaluate(1));
        other.tell(evaluate(1));
        assertThat(stands.await(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
        // Its thread stands in a kernel, yet it takes and acts on a message: it leaves the ring.
        busy.tell(ordered(new Order.Leave(2, new DeviceId("busy"))));
        Report.Failed failed = probe.expectMessageClass(Report.Failed.class, PATIENCE);
        assertThat(failed.rank()).isEqualTo(1);
        go.countDown();
        List<Report> rest = probe.receiveSeveralMessages(2, PATIENCE);
        assertThat(rest.get(0)).isInstanceOf(Report.Failed.class);
        assertThat(rest.get(1)).isInstanceOf(Report.Held.class);
    }

    /**
     * Also those that are no exceptions: whoever asked would wait until a watch takes the node out.
     */
    @ParameterizedTest
    @MethodSource
    void everyFaultOfWorkIsAnswered(Throwable fault) {
        Device faulty =
                new FaultyDevice(
                        "rmsNorm", 1, () -> DeviceActorTest.<RuntimeException>raise(fault));
        ActorRef<DeviceActor.Command> member = member(0, faulty);
        ActorRef<DeviceActor.Command> other = member(1, new CpuDevice(1));
        expectBothJoined();
        member.tell(evaluate(1));
        Report.Failed failed = probe.expectMessageClass(Report.Failed.class, PATIENCE);
        assertThat(failed.rank()).isZero();
        assertThat(failed.ringBroke()).isFalse();
        assertThat(failed.sentence()).contains("planted");
        other.tell(evaluate(1));
        assertThat(probe.expectMessageClass(Report.Failed.class, PATIENCE).sentence())
                .contains("rank 0")
                .contains("planted");
    }

    static Stream<Throwable> everyFaultOfWorkIsAnswered() {
        return Stream.of(
                new IllegalStateException("planted"),
                new OutOfMemoryError("planted"),
                new StackOverflowError("planted"),
                new NoClassDefFoundError("planted"),
                new AssertionError("planted"));
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> void raise(Throwable fault) throws T {
        throw (T) fault;
    }

    @Test
    void bothRanksTogetherAnswer() {
        ActorRef<DeviceActor.Command> a = member(0, new CpuDevice(1));
        ActorRef<DeviceActor.Command> b = member(1, new CpuDevice(1));
        expectBothJoined();
        a.tell(evaluate(1));
        b.tell(evaluate(1));
        double sum = 0;
        for (Report report : probe.receiveSeveralMessages(2, PATIENCE)) {
            sum += ((Report.Evaluated) report).lossSum();
        }
        // Near-random weights: about ln 260 for every target.
        assertThat(sum / BATCH.targetWeight()).isBetween(4.0, 7.0);
    }
}
