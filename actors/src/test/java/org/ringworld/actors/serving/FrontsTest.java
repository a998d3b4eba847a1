package org.ringworld.actors.serving;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.typed.ActorRef;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.http.ServedTexts;
import org.ringworld.actors.job.Epochs;
import org.ringworld.actors.job.Jobs;
import org.ringworld.actors.links.Links;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Made;
import org.ringworld.model.decode.Sampler;
import org.ringworld.runtime.cpu.CpuDevice;

/** Texts that are asked of a front, while those who serve the model come and go. */
@Timeout(60)
class FrontsTest {
    private static final int RANKS = 2;

    @TempDir private Path directory;
    private final ActorTestKit kit = ActorTestKit.create("fronts");
    private final ServedTexts served = new ServedTexts();
    private final BlockingQueue<ServingNews> news = new LinkedBlockingQueue<>();
    private final Epochs epochs = Epochs.from(1);
    private final List<ActorRef<DeviceActor.Command>> devices = new ArrayList<>();
    private SavedModel model;
    private Links links;
    private OpenJobs jobs;
    private ActorRef<Fronts.Command> fronts;

    @BeforeEach
    void begin() throws Exception {
        model = SavedModel.in(directory);
        links = Links.inProcess();
        jobs = new OpenJobs(model.on(RANKS));
        for (int rank = 0; rank < RANKS; rank++) {
            devices.add(device(rank));
        }
        fronts = kit.spawn(Fronts.create(served, "http://here", SavedModel::served));
    }

    private ActorRef<DeviceActor.Command> device(int rank) {
        return kit.spawn(DeviceActor.create(rank, new CpuDevice(1), links, jobs, () -> {}));
    }

    @AfterEach
    void shutdown() {
        kit.shutdownTestKit();
    }

    private ActorRef<StandingServing.Command> serve() throws Exception {
        String path = model.path().toString();
        ServedRing ring =
                new ServedRing(path, 0, "", Jobs.MODEL.vocabSize(), RANKS, 1 << 13, false, true);
        return kit.spawn(
                StandingServing.create(
                        new OfferedModel("1-m", "m", path, 0, "", 1 << 13),
                        epochs.next(),
                        ring,
                        devices,
                        epochs,
                        news::add));
    }

    private Engine engine() throws InterruptedException {
        while (served.present().isEmpty()) {
            Thread.sleep(5);
        }
        return served.present().getFirst().engine();
    }

    private static List<Integer> ids(List<Made.Token> tokens) {
        return tokens.stream().map(Made.Token::id).toList();
    }

    private void assertAsAlone(List<Ask> asks, List<List<Made.Token>> texts) throws Exception {
        for (int i = 0; i < asks.size(); i++) {
            assertThat(ids(texts.get(i))).isEqualTo(ids(model.alone(asks.get(i))));
        }
    }

    private static List<Ask> asks() {
        Ask sampled = SavedModel.ask(4, 20, 150);
        return List.of(
                SavedModel.ask(1, 9, 1500),
                SavedModel.ask(2, 2000, 60),
                SavedModel.ask(3, 300, 1),
                new Ask(
                        sampled.prompt(),
                        sampled.most(),
                        new Sampler(0.8, 0, 1, 0, 1, 7),
                        Set.of()));
    }

    @Test
    void aFrontAnswersAsOneDeviceDoes() throws Exception {
        ActorRef<StandingServing.Command> standing = serve();
        Engine engine = engine();
        List<Ask> asks = asks();
        List<Answer> answers = asks.stream().map(engine::ask).toList();
        List<List<Made.Token>> texts = new ArrayList<>();
        for (Answer answer : answers) {
            texts.add(SavedModel.tokens(answer));
        }
        assertAsAlone(asks, texts);
        for (int at = 1; at < 2000; at++) {
            assertThat(answers.get(1).scores()[at]).isNegative();
        }
        assertThatThrownBy(engine.ask(SavedModel.ask(5, 5000, 5000))::next)
                .hasMessageContaining("10000 tokens do not fit");
        try (Answer answer = engine.ask(SavedModel.ask(6, 5, 5000))) {
            answer.next();
        }
        standing.tell(new StandingServing.Close());
        while (!served.present().isEmpty()) {
            Thread.sleep(5);
        }
    }

    /** As where its node dies: another serves from then on, of which it is asked what lacks. */
    @Test
    void textsGoOnWhereTheServingIsLost() throws Exception {
        ActorRef<StandingServing.Command> standing = serve();
        Engine engine = engine();
        List<Ask> asks = asks();
        List<Answer> answers = asks.stream().map(engine::ask).toList();
        List<List<Made.Token>> texts = new ArrayList<>();
        for (Answer answer : answers) {
            texts.add(new ArrayList<>(List.of(answer.next())));
        }
        for (int i = 0; i < 30; i++) {
            texts.getFirst().add(answers.getFirst().next());
        }
        kit.stop(standing);
        serve();
        for (int i = 0; i < asks.size(); i++) {
            texts.get(i).addAll(SavedModel.tokens(answers.get(i)));
        }
        assertAsAlone(asks, texts);
        assertThat(news).noneMatch(ServingNews.Ended.class::isInstance);
    }

    /** One is lost, another comes, all are lost, others come: the texts are the same. */
    @Test
    void textsGoOnWhileDevicesComeAndGo() throws Exception {
        ActorRef<StandingServing.Command> standing = serve();
        Engine engine = engine();
        List<Ask> asks = asks();
        List<Answer> answers = asks.stream().map(engine::ask).toList();
        List<Made.Token> first = new ArrayList<>(List.of(answers.getFirst().next()));
        kit.stop(devices.get(0));
        first.add(answers.getFirst().next());
        standing.tell(new StandingServing.Devices(List.of(devices.get(1), device(2))));
        for (int i = 0; i < 100; i++) {
            first.add(answers.getFirst().next());
        }
        standing.tell(new StandingServing.Devices(List.of()));
        standing.tell(new StandingServing.Devices(List.of(device(3))));
        List<List<Made.Token>> texts = new ArrayList<>();
        for (Answer answer : answers) {
            texts.add(SavedModel.tokens(answer));
        }
        first.addAll(texts.getFirst());
        texts.set(0, first);
        assertAsAlone(asks, texts);
    }

    @Test
    void aFrontThatIsLostLeavesNothingBehind() throws Exception {
        serve();
        Engine engine = engine();
        engine.ask(SavedModel.ask(6, 5, 5000)).next();
        kit.stop(fronts);
        while (true) { // it ends with a word of no front at all
            if (news.take().equals(ServingNews.Fronts.NONE)) {
                return;
            }
        }
    }
}
