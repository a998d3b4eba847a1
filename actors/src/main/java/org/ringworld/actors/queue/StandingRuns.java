package org.ringworld.actors.queue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
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
import org.ringworld.checkpoints.snapshot.RunDirectory;
import org.ringworld.checkpoints.snapshot.RunDirectory.SavedModel;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.rank.Inference;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Models that the cluster serves until they are stopped, whoever keeps the queue. Of a run that is
 * followed there may be two, each on devices of its own: the newest, and the one before until what
 * was begun with it is written.
 */
final class StandingRuns {
    private final JobBook book;
    private final DevicePool<ActorRef<DeviceActor.Command>> devices;
    private final JobRuns runs;
    private final ActorContext<JobQueue.Command> context;
    private final BiConsumer<String, ServingNews> onNews;
    // By the model's id in the front.
    private final Map<String, Running> running = new LinkedHashMap<>();
    // Of each run the last model that could not be taken.
    private final Map<String, SavedModel> refused = new HashMap<>();

    /** One that has devices, and what it said last. */
    private static final class Running {
        final String serving;
        final SavedModel model;
        final String place;
        final ActorRef<StandingServing.Command> actor;
        List<DeviceId> using;
        long epoch;
        ServingNews.Fronts fronts = ServingNews.Fronts.NONE;

        Running(
                String serving,
                SavedModel model,
                String place,
                ActorRef<StandingServing.Command> actor,
                List<DeviceId> using) {
            this.serving = serving;
            this.model = model;
            this.place = place;
            this.actor = actor;
            this.using = using;
        }

        boolean canBeAsked() {
            return epoch > 0 && fronts.opening() == 0 && !fronts.addresses().isEmpty();
        }
    }

    /**
     * @param onNews is told the ids of models, and what becomes of them, from any thread: {@link
     *     #hear} is to be called with it
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
        SavedModel newest = RunDirectory.newest(Path.of(deploy.model()));
        Inference on = runs.inference(newest.path(), deploy.settings(), false);
        int models = deploy.follow() ? 2 : 1;
        devices.requireFree(models * on.ringSize());
        QueuedServing serving =
                book.add(
                        deploy.name(),
                        newest,
                        deploy.follow() ? deploy.model() : null,
                        deploy.settings(),
                        on.ringSize(),
                        deploy.capacity());
        return QueueAnswer.ofId(serving.id());
    }

    // ---- devices

    /** Gives each of its models free devices up to its ring's size; with the first they begin. */
    void assign(QueuedServing serving) throws IOException {
        if (serving.state().isOver()) {
            return;
        }
        List<String> idle = new ArrayList<>(serving.places());
        of(serving).forEach(one -> idle.remove(one.place));
        // What waits for a newer model goes to those that are asked now, where they lack devices.
        idle.forEach(devices::giveBack);
        of(serving).forEach(one -> assign(one, serving.ringSize()));
        idle.forEach(place -> devices.assign(place, serving.ringSize()));
        for (SavedModel model : serving.models()) {
            boolean begun = of(serving).stream().anyMatch(one -> one.model.equals(model));
            idle.removeIf(place -> devices.of(place).isEmpty());
            if (!begun && !idle.isEmpty()) {
                begin(serving, model, idle.removeFirst());
            }
        }
    }

    private List<Running> of(QueuedServing serving) {
        return running.values().stream().filter(r -> r.serving.equals(serving.id())).toList();
    }

    private void assign(Running one, int ringSize) {
        Optional<DevicePool.Change<ActorRef<DeviceActor.Command>>> change =
                devices.assign(one.place, ringSize);
        if (change.isPresent()) {
            if (change.get().devices().isEmpty()) {
                one.using = List.of(); // no ring will say so
            }
            one.actor.tell(new StandingServing.Devices(change.get().devices()));
        }
    }

    private void begin(QueuedServing serving, SavedModel model, String place) throws IOException {
        String id = serving.run() == null ? serving.id() : serving.id() + "@" + model.at();
        List<ActorRef<DeviceActor.Command>> given = devices.of(place);
        try {
            long generation = book.epochs().next();
            Inference on = runs.inference(model.path(), serving.settings(), false);
            ServedRing ring =
                    new ServedRing(
                            model.path().toString(),
                            model.at(),
                            serving.settings(),
                            on.model().vocabSize(),
                            serving.ringSize(),
                            serving.capacity(),
                            on.options().deterministic(),
                            on.mirrored());
            OfferedModel offered =
                    new OfferedModel(
                            id,
                            serving.name(),
                            model.path().toString(),
                            model.at(),
                            serving.settings(),
                            serving.capacity());
            ActorRef<StandingServing.Command> actor =
                    context.spawn(
                            StandingServing.create(
                                    offered,
                                    generation,
                                    ring,
                                    given,
                                    book.epochs(),
                                    news -> onNews.accept(id, news)),
                            "serving-%s-%d".formatted(serving.id(), generation));
            List<DeviceId> using = given.stream().map(Coordinator::id).toList();
            running.put(id, new Running(serving.id(), model, place, actor, using));
        } catch (IOException | RuntimeException e) {
            ended(serving.id(), model, Faults.sentence(e));
        }
    }

    // ---- newer models

    /** Looks for newer models of the runs that are followed, on threads of their own. */
    void look() {
        for (String id : book.inOrder()) {
            QueuedServing serving = book.serving(id);
            if (serving == null || serving.run() == null || serving.state().isOver()) {
                continue;
            }
            context.pipeToSelf(
                    CompletableFuture.supplyAsync(
                            () -> newest(serving), task -> Thread.ofVirtual().start(task)),
                    (newest, _) -> new JobQueue.Found(id, newest));
        }
    }

    /** Null where it cannot be seen now; there will be another look. */
    private static SavedModel newest(QueuedServing serving) {
        try {
            return RunDirectory.newest(Path.of(serving.run()));
        } catch (IOException | RuntimeException e) {
            return null;
        }
    }

    /** Serves a run's newest model; a third one waits until the first is not used any more. */
    void found(String id, SavedModel newest) throws IOException {
        QueuedServing serving = book.serving(id);
        boolean wanted =
                newest != null
                        && !serving.state().isOver()
                        && serving.models().size() == 1
                        && !serving.models().contains(newest)
                        && !newest.equals(refused.get(id));
        if (wanted) {
            context.getLog().info("{} takes {}", id, newest.path());
            assign(book.keep(serving.serves(List.of(newest, serving.models().getFirst()))));
        }
    }

    // ---- news

    void hear(String id, ServingNews news) throws IOException {
        Running one = running.get(id);
        if (one == null) {
            return;
        }
        switch (news) {
            case ServingNews.Stands stands -> {
                one.using = devices.of(one.place).isEmpty() ? List.of() : stands.devices();
                one.epoch = stands.epoch();
            }
            case ServingNews.Fronts fronts -> one.fronts = fronts;
            case ServingNews.Ended(String sentence) -> {
                running.remove(id);
                ended(one.serving, one.model, sentence);
                return;
            }
            case ServingNews.Busy _ -> {} // its fronts tell
        }
        QueuedServing serving = book.serving(one.serving);
        boolean newest = one.model.equals(serving.models().getFirst());
        if (newest && one.canBeAsked()) {
            of(serving).stream()
                    .filter(other -> other != one)
                    .forEach(other -> other.actor.tell(new StandingServing.Retire()));
        }
    }

    /** Where another model of the run is there, it goes on with that. */
    private void ended(String id, SavedModel model, String sentence) throws IOException {
        QueuedServing serving = book.serving(id);
        List<SavedModel> others = new ArrayList<>(serving.models());
        boolean newest = others.indexOf(model) == 0;
        others.remove(model);
        if (serving.state().isOver()) {
            giveBack(serving); // one that was stopped is on record as such already
        } else if (others.isEmpty()) {
            giveBack(serving);
            book.keep(serving.now(QueuedJob.State.FAILED, sentence));
        } else {
            if (newest) {
                refused.put(id, model);
                context.getLog().warn("{} does not take {}: {}", id, model.path(), sentence);
            }
            book.keep(serving.serves(others));
        }
    }

    private void giveBack(QueuedServing serving) {
        if (of(serving).isEmpty()) {
            serving.places().forEach(devices::giveBack);
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
        of(serving).forEach(one -> one.actor.tell(new StandingServing.Close()));
        giveBack(serving);
        return QueueAnswer.DONE;
    }

    // ---- what is said of it

    /** Among the jobs. */
    void report(QueuedServing serving, ObjectNode to) {
        to.put("name", serving.name()).put("model", serving.model());
        if (serving.run() != null) {
            to.put("follows", serving.run()).put("endsWith", serving.before());
        }
        Running one =
                of(serving).stream()
                        .filter(r -> r.model.equals(serving.models().getFirst()))
                        .findFirst()
                        .orElse(null);
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
        to.put("sentence", sentence(serving, one));
    }

    private static String sentence(QueuedServing serving, Running one) {
        if (one.using.isEmpty()) {
            return "waits for devices";
        }
        if (one.epoch == 0) {
            return "is loaded";
        }
        String addresses = String.join(", ", one.fronts.addresses());
        return serving.run() == null
                ? "serves %s at %s".formatted(serving.name(), addresses)
                : "serves %s at %s, from %s".formatted(serving.name(), addresses, one.model.path());
    }
}
