package org.ringworld.actors.queue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.Join;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.http.ServedTexts;
import org.ringworld.actors.links.Links;
import org.ringworld.actors.serving.Fronts;
import org.ringworld.actors.serving.SavedModel;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.rank.Inference;
import org.ringworld.runtime.cpu.CpuDevice;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Models that a queue serves, on one node with two devices and a front. */
@Timeout(60)
class StandingRunsTest {
    @TempDir private Path directory;
    private final ActorTestKit kit = ActorTestKit.create("standing", JobQueueTest.ONE_NODE);
    private final TestProbe<QueueAnswer> probe = kit.createTestProbe();
    private final ServedTexts served = new ServedTexts();
    private final Runs runs = new Runs();
    private final OpenJobs host = new OpenJobs(runs);
    private SavedModel model;

    /** The one model, on as many devices as settings say. */
    private final class Runs implements JobRuns {
        @Override
        public Inference inference(Path path, String settings, boolean gradients)
                throws IOException {
            if (!Files.exists(path)) {
                throw new IOException("there is no model at " + path);
            }
            return model.on(Integer.parseInt(settings));
        }

        @Override
        public Job read(String text) {
            throw new IllegalStateException(text);
        }

        @Override
        public boolean begin(Job job) {
            return false;
        }

        @Override
        public Consumer<Progress> report(Job job, double flopsLimit) {
            return _ -> {};
        }

        @Override
        public double flopsOfThread(Job job) {
            return 1;
        }
    }

    @BeforeEach
    void begin() throws Exception {
        model = SavedModel.in(directory);
        Cluster cluster = Cluster.get(kit.system());
        cluster.manager().tell(Join.create(cluster.selfMember().address()));
        Links links = Links.inProcess();
        for (int rank = 0; rank < 2; rank++) {
            ActorRef<DeviceActor.Command> device =
                    kit.spawn(DeviceActor.create(rank, new CpuDevice(1), links, host, () -> {}));
            kit.system().receptionist().tell(Receptionist.register(JobQueue.DEVICES, device));
        }
        kit.spawn(Fronts.create(served, "http://here", SavedModel::served));
    }

    @AfterEach
    void shutdown() {
        kit.shutdownTestKit();
    }

    private ActorRef<JobQueue.Command> queue() {
        return kit.spawn(
                JobQueue.create(
                        directory.resolve("queue"),
                        "test",
                        runs,
                        host,
                        new TrainingGauges(new SimpleMeterRegistry())));
    }

    private QueueAnswer ask(ActorRef<JobQueue.Command> queue, QueueRequest request) {
        queue.tell(new JobQueue.Request(request, probe.getRef()));
        return probe.receiveMessage(Duration.ofSeconds(20));
    }

    private QueueRequest.Deploy deploy(String name, int ringSize) {
        return new QueueRequest.Deploy(
                name, model.path().toString(), false, "" + ringSize, 1 << 12);
    }

    /** The first of the jobs, when it is as expected. */
    private JsonNode await(ActorRef<JobQueue.Command> queue, Predicate<JsonNode> expected)
            throws InterruptedException {
        while (true) {
            QueueAnswer jobs = ask(queue, new QueueRequest.Jobs());
            JsonNode first = JsonMapper.shared().readTree(jobs.text()).path(0);
            if (expected.test(first)) {
                return first;
            }
            Thread.sleep(20);
        }
    }

    private JsonNode awaitReady(ActorRef<JobQueue.Command> queue) throws InterruptedException {
        return await(queue, job -> job.path("epoch").asLong() > 0 && !job.path("fronts").isEmpty());
    }

    private void awaitFree(ActorRef<JobQueue.Command> queue, int devices) throws Exception {
        while (!ask(queue, deploy("m", 3)).text().startsWith(devices + " devices are free")) {
            Thread.sleep(20);
        }
    }

    private void assertAnswers() throws InterruptedException {
        while (served.present().isEmpty()) {
            Thread.sleep(5);
        }
        assertAnswers(served.present().getFirst().engine());
    }

    private static void assertAnswers(Engine engine) throws InterruptedException {
        Ask ask = new Ask(new int[] {1, 2, 3}, 5, Sampler.GREEDY, Set.of());
        try (Answer answer = engine.ask(ask)) {
            assertThat(answer.next().index()).isZero();
        }
    }

    @Test
    void aModelIsServedUntilItIsStoppedWhoeverKeepsTheQueue() throws Exception {
        ActorRef<JobQueue.Command> queue = queue();
        awaitFree(queue, 2);
        QueueAnswer answer = ask(queue, deploy("a model", 2));
        assertThat(answer.text()).contains("1-a_model");
        JsonNode job = awaitReady(queue);
        assertThat(job.path("state").asString()).isEqualTo("running");
        assertThat(job.path("sentence").asString()).isEqualTo("serves a model at http://here");
        assertThat(job.path("devices").asInt()).isEqualTo(2);
        long epoch = job.path("epoch").asLong();
        assertAnswers();
        kit.stop(queue);
        ActorRef<JobQueue.Command> next = queue();
        assertThat(awaitReady(next).path("epoch").asLong()).isGreaterThan(epoch);
        assertAnswers();
        assertThat(ask(next, new QueueRequest.Log("1-a_model", 0)).text()).contains("serves");
        assertThat(ask(next, new QueueRequest.Stop("1-a_model")).done()).isTrue();
        awaitFree(next, 2);
        // The front hears of it on a way of its own.
        while (!served.present().isEmpty()) {
            Thread.sleep(5);
        }
        assertThat(await(next, _ -> true).path("state").asString()).isEqualTo("stopped");
        assertThat(ask(next, new QueueRequest.Stop("1-a_model")).text()).contains("is over");
        assertThat(ask(next, deploy("b", 1)).text()).contains("2-b");
        kit.stop(next);
        // Only what still goes on is opened again.
        ActorRef<JobQueue.Command> last = queue();
        await(last, _ -> !served.present().isEmpty());
        assertThat(served.present().getFirst().name()).isEqualTo("b");
    }

    @Test
    void aRunIsFollowedAndWhatWasBegunEndsWithTheModelItBeganWith() throws Exception {
        ActorRef<JobQueue.Command> queue = queue();
        Path run = directory.resolve("run");
        Path first = Files.createDirectories(run.resolve("snapshots/step-1"));
        QueueRequest follow = new QueueRequest.Deploy("m", run.toString(), true, "1", 1 << 12);
        awaitFree(queue, 2);
        assertThat(ask(queue, follow).text()).contains("1-m");
        assertThat(awaitReady(queue).path("model").asString()).isEqualTo(first.toString());
        assertThat(ask(queue, deploy("n", 1)).text()).isEqualTo("0 devices are free, 1 are needed");
        assertAnswers();
        ServedTexts.Lease begun = served.take("m");
        Path second = Files.createDirectories(run.resolve("snapshots/step-2"));
        JsonNode both =
                await(
                        queue,
                        job ->
                                job.path("model").asString().equals(second.toString())
                                        && !job.path("fronts").isEmpty());
        assertThat(both.path("endsWith").asString()).isEqualTo(first.toString());
        while (served.present().getFirst() == begun.text()) {
            Thread.sleep(5);
        }
        assertAnswers();
        assertAnswers(begun.text().engine());
        // Whoever keeps the queue next serves both of them on.
        kit.stop(queue);
        ActorRef<JobQueue.Command> next = queue();
        awaitReady(next);
        assertAnswers();
        assertAnswers(begun.text().engine());
        begun.close();
        JsonNode one = await(next, job -> job.path("endsWith").isNull());
        assertThat(one.path("model").asString()).isEqualTo(second.toString());
        assertAnswers();
        assertThat(ask(next, new QueueRequest.Stop("1-m")).done()).isTrue();
        awaitFree(next, 2);
    }

    @Test
    void whatCannotBeginIsRefused() throws Exception {
        ActorRef<JobQueue.Command> queue = queue();
        awaitFree(queue, 2);
        assertThat(ask(queue, deploy("m", 3)).text()).isEqualTo("2 devices are free, 3 are needed");
        assertThat(ask(queue, new QueueRequest.Deploy("m", "/none", false, "1", 9)).text())
                .isEqualTo("there is no model at /none");
        assertThat(ask(queue, deploy("m", 1)).done()).isTrue();
        assertThat(ask(queue, deploy("m", 1)).text()).startsWith("1-m serves ");
        assertThat(ask(queue, deploy("n", 2)).text()).contains("1 devices are free");
        assertThat(ask(queue, new QueueRequest.Jobs()).text()).doesNotContain("2-");
    }

    @Test
    void whatSomebodySendsIsReadWithCare() {
        for (String json :
                List.of(
                        "{}",
                        "{\"name\": \" \", \"model\": \"/m\", \"settings\": \"\", \"capacity\": 1}",
                        "{\"name\": \"m\", \"model\": \"/m\", \"settings\": \"\", \"capacity\": 0}")) {
            assertThatThrownBy(() -> QueueRequest.of("deploy", json))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("=");
        }
    }

    @Test
    void aDeviceThatLeavesIsLetGoOf() throws Exception {
        ActorRef<JobQueue.Command> queue = queue();
        awaitFree(queue, 2);
        ask(queue, deploy("m", 2));
        awaitReady(queue);
        List<ActorRef<DeviceActor.Command>> all = devices();
        for (int left = 1; left >= 0; left--) {
            List<ActorRef<DeviceActor.Command>> leaving = all.subList(0, 2 - left);
            queue.tell(new JobQueue.Drain(leaving, probe.getRef()));
            while (!probe.receiveMessage().done()) {
                Thread.sleep(20);
                queue.tell(new JobQueue.Drain(leaving, probe.getRef()));
            }
            int devices = left;
            await(queue, job -> job.path("devices").asInt() == devices);
        }
        assertThat(await(queue, _ -> true).path("sentence").asString())
                .isEqualTo("waits for devices");
        assertThat(served.present()).hasSize(1);
    }

    private List<ActorRef<DeviceActor.Command>> devices() {
        TestProbe<Receptionist.Listing> listing = kit.createTestProbe();
        kit.system().receptionist().tell(Receptionist.find(JobQueue.DEVICES, listing.getRef()));
        return List.copyOf(listing.receiveMessage().getServiceInstances(JobQueue.DEVICES));
    }
}
