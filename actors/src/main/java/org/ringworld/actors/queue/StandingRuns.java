package org.ringworld.actors.queue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.ringworld.actors.Faults;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.job.Coordinator;
import org.ringworld.actors.queue.book.JobBook;
import org.ringworld.actors.queue.book.QueuedJob;
import org.ringworld.actors.queue.book.QueuedServing;
import org.ringworld.actors.serving.OfferedModel;
import org.ringworld.actors.serving.ServedRing;
import org.ringworld.actors.serving.ServingNews;
import org.ringworld.actors.serving.StandingServing;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.rank.Inference;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Models that the cluster serves until they are stopped, whoever keeps the queue. */
final class StandingRuns {
    private final JobBook book;
    private final DevicePool<ActorRef<DeviceActor.Command>> devices;
    private final JobRuns runs;
    private final ActorContext<JobQueue.Command> context;
    private final BiConsumer<String, ServingNews> onNews;
    private final Map<String, Running> running = new LinkedHashMap<>();

    /** One that has devices, and what it said last. */
    private static final class Running {
        final ActorRef<StandingServing.Command> actor;
        List<DeviceId> using;
        long epoch;
        ServingNews.Fronts fronts = ServingNews.Fronts.NONE;

        Running(ActorRef<StandingServing.Command> actor, List<DeviceId> using) {
            this.actor = actor;
            this.using = using;
        }
    }

    /**
     * @param onNews is told ids, and what becomes of them, from any thread: {@link #hear} is to be
     *     called with it
     */
    StandingRuns(
            JobBook book,
            DevicePool<ActorRef<DeviceActor.Command>> devices,
            JobRuns runs,
            ActorContext<JobQueue.Command> context,
            BiConsumer<String, ServingNews> onNews) {
        this.book = book;
        this.devices = devices;
        this.runs = runs;
        this.context = context;
        this.onNews = onNews;
    }

    /** Takes one, if it can begin at once; {@link #assign} begins it. */
    QueueAnswer deploy(QueueRequest.Deploy deploy) throws IOException {
        QueuedServing other = book.serves(deploy.name());
        if (other != null) {
            return new QueueAnswer(
                    false,
                    "%s serves %s as %s: stop it first, or give another name="
                            .formatted(other.id(), other.model(), other.name()));
        }
        Inference on = inference(deploy.model(), deploy.settings());
        devices.requireFree(on.ringSize());
        QueuedServing serving =
                book.add(
                        deploy.name(),
                        deploy.model(),
                        deploy.settings(),
                        on.ringSize(),
                        deploy.capacity());
        return QueueAnswer.ofId(serving.id());
    }

    private Inference inference(String model, String settings) throws IOException {
        return runs.inference(Path.of(model), settings, false);
    }

    /** Gives it free devices up to its ring's size; with the first it begins. */
    void assign(QueuedServing serving) throws IOException {
        if (serving.state().isOver()) {
            return;
        }
        Optional<DevicePool.Change<ActorRef<DeviceActor.Command>>> change =
                devices.assign(serving.id(), serving.ringSize());
        Running one = running.get(serving.id());
        if (one != null && change.isPresent()) {
            if (change.get().devices().isEmpty()) {
                one.using = List.of(); // no ring will say so
            }
            one.actor.tell(new StandingServing.Devices(change.get().devices()));
        }
        if (one == null && !devices.of(serving.id()).isEmpty()) {
            try {
                begin(serving, devices.of(serving.id()));
            } catch (IOException | RuntimeException e) {
                ended(serving.id(), Faults.sentence(e));
            }
        }
    }

    private void begin(QueuedServing serving, List<ActorRef<DeviceActor.Command>> given)
            throws IOException {
        Inference on = inference(serving.model(), serving.settings());
        ServedRing ring =
                new ServedRing(
                        serving.model(),
                        serving.settings(),
                        on.model().vocabSize(),
                        serving.ringSize(),
                        serving.capacity(),
                        on.options().deterministic(),
                        on.mirrored());
        String id = serving.id();
        ActorRef<StandingServing.Command> actor =
                context.spawn(
                        StandingServing.create(
                                new OfferedModel(
                                        id,
                                        serving.name(),
                                        serving.model(),
                                        serving.settings(),
                                        serving.capacity()),
                                book.epochs().next(),
                                ring,
                                given,
                                book.epochs(),
                                news -> onNews.accept(id, news)),
                        "serving-" + id);
        running.put(id, new Running(actor, given.stream().map(Coordinator::id).toList()));
    }

    void hear(String id, ServingNews news) throws IOException {
        Running one = running.get(id);
        if (one == null) {
            return;
        }
        switch (news) {
            case ServingNews.Stands stands -> {
                one.using = devices.of(id).isEmpty() ? List.of() : stands.devices();
                one.epoch = stands.epoch();
            }
            case ServingNews.Fronts fronts -> one.fronts = fronts;
            case ServingNews.Ended(String sentence) -> ended(id, sentence);
            case ServingNews.Busy _ -> {} // its fronts tell
        }
    }

    /** One that was stopped is on record as such already. */
    private void ended(String id, String sentence) throws IOException {
        running.remove(id);
        devices.giveBack(id);
        QueuedServing serving = book.serving(id);
        if (!serving.state().isOver()) {
            book.keep(serving.now(QueuedJob.State.FAILED, sentence));
        }
    }

    /** Whether a ring has one of these. */
    boolean uses(List<DeviceId> some) {
        return running.values().stream().anyMatch(r -> r.using.stream().anyMatch(some::contains));
    }

    /** Null where that is none. */
    QueueAnswer stop(String id) throws IOException {
        QueuedServing serving = book.serving(id);
        if (serving == null) {
            return null;
        }
        if (serving.state().isOver()) {
            return new QueueAnswer(false, "%s is over: %s".formatted(id, serving.sentence()));
        }
        book.keep(serving.now(QueuedJob.State.STOPPED, "it was stopped"));
        if (running.containsKey(id)) {
            running.get(id).actor.tell(new StandingServing.Close());
        } else {
            devices.giveBack(id);
        }
        return QueueAnswer.DONE;
    }

    /** What is said of it among the jobs. */
    void report(QueuedServing serving, ObjectNode to) {
        to.put("name", serving.name()).put("model", serving.model());
        Running one = running.get(serving.id());
        if (one == null) {
            to.put("sentence", serving.state().isOver() ? serving.sentence() : "waits for devices");
            return;
        }
        to.put("devices", one.using.size()).put("ringSize", serving.ringSize());
        to.put("epoch", one.epoch);
        to.put("opening", one.fronts.opening());
        ArrayNode fronts = to.putArray("fronts");
        one.fronts.addresses().forEach(fronts::add);
        ArrayNode faults = to.putArray("faults");
        one.fronts.faults().forEach(faults::add);
        to.put("sentence", sentence(serving.name(), one));
    }

    private static String sentence(String name, Running one) {
        if (one.using.isEmpty()) {
            return "waits for devices";
        }
        if (one.epoch == 0) {
            return "is loaded";
        }
        return "serves %s at %s".formatted(name, String.join(", ", one.fronts.addresses()));
    }
}
