package org.ringworld.actors.queue;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.Join;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.job.Jobs;
import org.ringworld.actors.links.Links;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.cpu.CpuDevice;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A queue on one node of its own. */
class JobQueueTest {
    static final Config ONE_NODE =
            ConfigFactory.parseString(
                            """
                            pekko.actor.provider = cluster
                            pekko.remote.artery.canonical { hostname = "127.0.0.1", port = 0 }
                            pekko.cluster.jmx.enabled = off
                            pekko.coordinated-shutdown.exit-jvm = off
                            """)
                    .withFallback(ConfigFactory.parseResources("cluster.conf"))
                    .withFallback(ConfigFactory.load())
                    .resolve();
    private static final ActorTestKit KIT = ActorTestKit.create("queue", ONE_NODE);

    @TempDir private Path directory;
    private final TestProbe<QueueAnswer> probe = KIT.createTestProbe();
    private final Runs runs = new Runs();
    private final MeterRegistry meters = new SimpleMeterRegistry();
    private final OpenJobs host = new OpenJobs(runs);

    @BeforeAll
    static void join() {
        Cluster cluster = Cluster.get(KIT.system());
        cluster.manager().tell(Join.create(cluster.selfMember().address()));
        ActorRef<DeviceActor.Command> device =
                KIT.spawn(
                        DeviceActor.create(
                                0,
                                new CpuDevice(1),
                                Links.inProcess(),
                                new OpenJobs(
                                        text -> {
                                            throw new IllegalStateException(text);
                                        }),
                                () -> {}));
        KIT.system().receptionist().tell(Receptionist.register(JobQueue.DEVICES, device));
    }

    @AfterAll
    static void shutdown() {
        KIT.shutdownTestKit();
    }

    private interface Step {
        void run() throws IOException;
    }

    /** Runs of one job, which go wrong where a test says so. */
    private final class Runs implements JobRuns {
        final AtomicInteger reads = new AtomicInteger();
        Step begin = () -> {};
        Step report = () -> {};

        @Override
        public Job read(String text) {
            reads.incrementAndGet();
            return job();
        }

        @Override
        public boolean begin(Job job) throws IOException {
            begin.run();
            return true;
        }

        @Override
        public Consumer<Progress> report(Job job, double flopsLimit) throws IOException {
            report.run();
            return _ -> {};
        }

        @Override
        public double flopsOfThread(Job job) {
            return 1e12;
        }
    }

    private Job job() {
        Path output = directory.resolve("run");
        return Jobs.job(output, 1, "zigzag", DType.F32, 9, Jobs.stage(24, 3, 1e-3, 1));
    }

    private JsonNode ask(ActorRef<JobQueue.Command> queue, String what, String argument) {
        queue.tell(new JobQueue.Request(QueueRequest.of(what, argument), probe.getRef()));
        QueueAnswer answer = probe.receiveMessage(Duration.ofSeconds(20));
        assertThat(answer.done()).as(answer.text()).isTrue();
        return JsonMapper.shared().readTree(answer.text());
    }

    /** Submits a job that cannot begin, and tells why it did not. */
    private String failure() throws Exception {
        ActorRef<JobQueue.Command> queue =
                KIT.spawn(
                        JobQueue.create(
                                directory.resolve("queue"),
                                "test",
                                runs,
                                host,
                                new TrainingGauges(meters)));
        String id = ask(queue, "submit", "text").path("id").asString();
        for (int i = 0; i < 1000; i++) {
            JsonNode jobs = ask(queue, "jobs", "");
            if (jobs.toString().contains("\"failed\"")) {
                // Were it open still, it would not be read again.
                int before = runs.reads.get();
                host.done(host.open(id, "text"));
                assertThat(runs.reads.get())
                        .as("the job's data was let go of")
                        .isGreaterThan(before);
                KIT.stop(queue);
                return jobs.toString();
            }
            Thread.sleep(20);
        }
        throw new AssertionError("the job did not fail: " + ask(queue, "jobs", ""));
    }

    private void fail(String error) throws IOException {
        switch (error) {
            case "io" -> throw new IOException("planted");
            case "memory" -> throw new OutOfMemoryError("planted");
            case "linkage" -> throw new NoClassDefFoundError("planted");
            default -> throw new IllegalStateException("planted");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"io", "state", "memory", "linkage"})
    void aJobThatCannotBeBegunIsLetGoOf(String error) throws Exception {
        runs.begin = () -> fail(error);
        assertThat(failure()).contains("planted");
    }

    @Test
    void howAJobEndedIsToldByTheNextLeaderToo() throws Exception {
        runs.begin = () -> fail("io");
        failure();
        ActorRef<JobQueue.Command> next =
                KIT.spawn(
                        JobQueue.create(
                                directory.resolve("queue"),
                                "test",
                                runs,
                                host,
                                new TrainingGauges(meters)));
        JsonNode end = ask(next, "follow", "1-test 0").path("end");
        assertThat(JsonMapper.shared().treeToValue(end, Progress.class))
                .isEqualTo(new Progress.Failed("planted", 0, null));
        KIT.stop(next);
    }

    @Test
    void aJobWhoseOutputIsAnothersIsLetGoOf() throws Exception {
        Fence owner = Fence.claim(directory.resolve("run"));
        assertThat(failure()).contains("is in use by process");
        owner.release();
    }

    @ParameterizedTest
    @ValueSource(strings = {"io", "state"})
    void aJobWhoseLogCannotBeWrittenIsLetGoOf(String error) throws Exception {
        runs.report = () -> fail(error);
        assertThat(failure()).contains("planted");
        Fence.claim(directory.resolve("run")).release(); // its ownership too
    }
}
