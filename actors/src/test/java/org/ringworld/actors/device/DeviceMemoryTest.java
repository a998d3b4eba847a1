package org.ringworld.actors.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.actors.job.Coordinator;
import org.ringworld.actors.job.Epochs;
import org.ringworld.actors.job.FaultyDevice;
import org.ringworld.actors.job.Jobs;
import org.ringworld.actors.links.Links;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.ZigzagLayout;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.rank.HeldWork;
import org.ringworld.model.training.rank.ModelSource;
import org.ringworld.model.training.rank.OpenJob;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.tasks.CopyTask;

/** A node's devices outlive its jobs: whatever these took of them is given back. */
class DeviceMemoryTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final MicroBatch BATCH =
            MicroBatch.of(
                    new CopyTask(1, 0, new ByteTokenizer()).rows(0, 32, 2), new ZigzagLayout(), 2);

    @TempDir private Path directory;
    private final TestProbe<Report> probe = KIT.createTestProbe();
    private final List<Device> devices = new ArrayList<>();
    private final List<ActorRef<DeviceActor.Command>> actors = new ArrayList<>();

    @AfterAll
    static void shutdown() {
        KIT.shutdownTestKit();
    }

    @AfterEach
    void stop() {
        actors.forEach(KIT::stop);
    }

    private void spawn(Device device, Links links, OpenJobs host) {
        devices.add(device);
        actors.add(KIT.spawn(DeviceActor.create(actors.size(), device, links, host, () -> {})));
    }

    private HeldWork held(ModelSource source, DType dtype) {
        HeldWork work = new HeldWork("work", source, dtype, true, Recompute.Choice.ALL);
        work.hold("batch", BATCH);
        return work;
    }

    private OpenJobs random() {
        return new OpenJobs(held(new ModelSource.Random(Jobs.MODEL, 1, 0.1), DType.F32));
    }

    private DeviceActor.Ordered ordered(Order order) {
        return new DeviceActor.Ordered(order, probe.getRef());
    }

    private void tellAll(IntFunction<Order> order) {
        for (int rank = 0; rank < actors.size(); rank++) {
            actors.get(rank).tell(ordered(order.apply(rank)));
        }
    }

    private <T extends Report> void askAll(Class<T> answer, IntFunction<Order> order) {
        tellAll(order);
        for (int rank = 0; rank < actors.size(); rank++) {
            probe.expectMessageClass(answer, PATIENCE);
        }
    }

    private void leave(long epoch) {
        askAll(Report.Held.class, rank -> new Order.Leave(epoch, new DeviceId("device-" + rank)));
    }

    /** What they have taken when all that they were told is done. */
    private List<Long> allocated(long epoch) {
        leave(epoch);
        return devices.stream().map(Device::allocated).toList();
    }

    private void join(long epoch, Links... links) {
        RingPlaces places =
                new RingPlaces(epoch, new byte[16], Stream.of(links).map(Links::address).toList());
        askAll(Report.Joined.class, rank -> new Order.JoinRing(epoch, rank, places));
    }

    private static Order host(long epoch, int rank, String work) {
        return new Order.Host(epoch, rank, work, "", Order.Weights.START, "", 0);
    }

    private void prepare() {
        leave(1);
        askAll(Report.Prepared.class, rank -> host(1, rank, "work"));
    }

    private static Order forward(boolean gradients) {
        return new Order.Forward(1, "batch", "", gradients);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void afterAJobADeviceHasWhatItHadBefore(DType dtype) throws Exception {
        Links links = Links.inProcess();
        AtomicReference<Job> current = new AtomicReference<>();
        OpenJobs host = new OpenJobs(_ -> current.get());
        spawn(new CpuDevice(2), links, host);
        spawn(new CpuDevice(1), links, host);
        for (int n = 0; n < 2; n++) {
            Job job =
                    Jobs.job(
                            directory.resolve("job-" + n),
                            2,
                            "zigzag",
                            dtype,
                            2,
                            Jobs.stage(24, 5, 1e-3, 2));
            current.set(job);
            JobData data = JobData.open(job, new ByteTokenizer());
            OpenJob hosted = new OpenJob("job-" + n, job, data);
            TestProbe<Progress> progress = KIT.createTestProbe();
            ActorRef<Coordinator.Command> coordinator =
                    KIT.spawn(
                            Coordinator.create(
                                    hosted,
                                    actors,
                                    1e12,
                                    Epochs.from(1 + 10 * n),
                                    Fence.claim(job.output()),
                                    false,
                                    progress.getRef(),
                                    null));
            Progress last = progress.receiveMessage(PATIENCE);
            while (!last.isLast()) {
                last = progress.receiveMessage(PATIENCE);
            }
            assertThat(last).isInstanceOf(Progress.Completed.class);
            progress.expectTerminated(coordinator, PATIENCE);
            assertThat(allocated(10 * n + 9)).containsExactly(0L, 0L);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void afterAForwardADeviceHasWhatItHadBefore(boolean gradients) {
        Links links = Links.inProcess();
        OpenJobs jobs = random();
        spawn(new CpuDevice(1), links, jobs);
        spawn(new CpuDevice(1), links, jobs);
        prepare();
        join(1, links, links);
        askAll(Report.Forwarded.class, _ -> forward(gradients));
        tellAll(_ -> new Order.Release(1));
        assertThat(allocated(2)).containsExactly(0L, 0L);
    }

    /** Receive buffers are of a size only where links have sockets. */
    @Test
    void buffersOfLinksAreGivenBackAlsoAfterABrokenEpoch() throws Exception {
        Files.createDirectory(directory.resolve("s"));
        try (Links a = Links.listen("a", "127.0.0.1", 0, directory.resolve("s"), null);
                Links b = Links.listen("b", "127.0.0.1", 0, directory.resolve("s"), null)) {
            OpenJobs jobs = random();
            spawn(new CpuDevice(1), a, jobs);
            spawn(new CpuDevice(1), b, jobs);
            prepare();
            join(1, a, b);
            askAll(Report.Forwarded.class, _ -> forward(true));
            // One alone: it waits for keys, in buffers that nobody gives back.
            actors.getFirst().tell(ordered(forward(true)));
            actors.get(1).tell(ordered(new Order.Leave(2, new DeviceId("b"))));
            assertThat(probe.receiveSeveralMessages(2, PATIENCE))
                    .hasOnlyElementsOfTypes(Report.Failed.class, Report.Held.class);
            tellAll(_ -> new Order.Release(2));
            assertThat(allocated(3)).containsExactly(0L, 0L);
        }
    }

    @Test
    void aModelLoadedAgainAfterABrokenEpochTakesThePlaceOfTheOld() throws Exception {
        Job job = Jobs.job(directory, 1, "zigzag", DType.F32, 9, Jobs.stage(24, 9, 1e-3, 1));
        OpenJob hosted = new OpenJob("job", job, JobData.open(job, new ByteTokenizer()));
        Links links = Links.inProcess();
        spawn(new CpuDevice(1), links, new OpenJobs(hosted));
        List<Long> held = new ArrayList<>();
        for (long epoch = 1; epoch < 8; epoch += 2) {
            long of = epoch;
            leave(of);
            askAll(Report.Prepared.class, _ -> host(of, 0, "job"));
            join(of, links);
            askAll(Report.Stepped.class, _ -> new Order.TrainStep(of, 1));
            held.addAll(allocated(of + 1));
        }
        assertThat(held).containsOnly(held.getFirst());
        tellAll(_ -> new Order.Release(8));
        assertThat(allocated(9)).containsExactly(0L);
    }

    @Test
    void aStartThatFailsTakesNothing() {
        OpenJobs jobs = random();
        ModelSource missing = new ModelSource.Files(Jobs.MODEL, directory.resolve("nothing"));
        jobs.hold(new HeldWork("missing", missing, DType.BF16, true, Recompute.Choice.ALL));
        spawn(new CpuDevice(1), Links.inProcess(), jobs);
        for (int n = 0; n < 3; n++) {
            leave(1);
            askAll(Report.Failed.class, rank -> host(1, rank, "missing"));
            assertThat(devices.getFirst().allocated()).isZero();
            prepare(); // and another model is as good as before
        }
        tellAll(_ -> new Order.Release(1));
        assertThat(allocated(2)).containsExactly(0L);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6})
    void aModelThatDoesNotFitTakesNothing(int allocation) {
        AtomicInteger left = new AtomicInteger(allocation);
        FaultyDevice full =
                new FaultyDevice(
                        "none",
                        1,
                        () -> {},
                        bytes -> {
                            if (left.decrementAndGet() == 0) {
                                throw new OutOfMemoryError(bytes + " bytes for a tensor");
                            }
                        });
        ModelSource source = new ModelSource.Random(Jobs.MODEL, 1, 0.1);
        spawn(full, Links.inProcess(), new OpenJobs(held(source, DType.BF16)));
        leave(1);
        askAll(Report.Failed.class, rank -> host(1, rank, "work"));
        assertThat(full.allocated()).isZero();
    }

    /** Its tiles are passed on by reference: the other one would read what is there no more. */
    @Test
    void whatANeighbourStillReadsIsGivenBackWhenItHasUnwound() throws Exception {
        Links links = Links.inProcess();
        CountDownLatch reads = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        Device slow =
                new FaultyDevice(
                        "rmsNorm",
                        2,
                        () -> {
                            reads.countDown();
                            try {
                                go.await();
                            } catch (InterruptedException e) {
                                Thread.currentThread().interrupt();
                            }
                        });
        OpenJobs jobs = random();
        spawn(new CpuDevice(1), links, jobs);
        spawn(slow, links, jobs);
        prepare();
        join(1, links, links);
        tellAll(_ -> forward(false));
        reads.await();
        tellAll(_ -> new Order.Release(1));
        probe.expectMessageClass(Report.Failed.class, PATIENCE); // the first has unwound
        Thread.sleep(100); // in which it would have given all of it back
        assertThat(devices.getFirst().allocated()).isPositive();
        go.countDown();
        probe.expectMessageClass(Report.Failed.class, PATIENCE);
        assertThat(allocated(2)).containsExactly(0L, 0L);
    }
}
