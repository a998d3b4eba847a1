package org.ringworld.actors.queue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.function.BiConsumer;
import org.apache.pekko.actor.Address;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.PreRestart;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.actor.typed.receptionist.ServiceKey;
import org.apache.pekko.cluster.ClusterEvent;
import org.apache.pekko.cluster.Member;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.Down;
import org.apache.pekko.cluster.typed.Subscribe;
import org.ringworld.actors.Faults;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.job.Coordinator;
import org.ringworld.actors.queue.book.JobBook;
import org.ringworld.actors.serving.ServingNews;
import org.ringworld.checkpoints.snapshot.RunDirectory.SavedModel;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Progress;

/**
 * The cluster's one queue of jobs: gives devices to them in the order of submission and runs a
 * {@link Coordinator} for each that has some. It is the cluster's singleton; its state is the
 * queue's directory, so that a successor goes on where it was.
 */
public final class JobQueue extends AbstractBehavior<JobQueue.Command> {
    /** Under which devices are found. */
    public static final ServiceKey<DeviceActor.Command> DEVICES =
            ServiceKey.create(DeviceActor.Command.class, "devices");

    /** What a job says of itself, in its output. */
    public static final String LOG = "train.log";

    /** What it is told. */
    public sealed interface Command {}

    /** Somebody asks for something. */
    public record Request(QueueRequest request, ActorRef<QueueAnswer> replyTo) implements Command {}

    /** These devices will leave; answered when no ring has them any more. */
    public record Drain(List<ActorRef<DeviceActor.Command>> devices, ActorRef<QueueAnswer> replyTo)
            implements Command {}

    private record Listed(Receptionist.Listing listing) implements Command {}

    private record Downed(Member member) implements Command {}

    /** A job's data has been read, or cannot be. */
    record Opened(OpenedJob job) implements Command {}

    /** A job says something. */
    record Told(String id, Progress progress) implements Command {}

    /** A forward or a serving has ended. */
    private record Ended(String id, String sentence) implements Command {}

    private record Served(String id, ServingNews news) implements Command {}

    /** Runs that are followed may have saved newer models. */
    private record Look() implements Command {}

    /** A run's newest model; null: it could not be seen. */
    record Found(String id, SavedModel newest) implements Command {}

    /** A device does not get on. */
    record Hung(ActorRef<DeviceActor.Command> device) implements Command {}

    private static final Duration BETWEEN_LOOKS = Duration.ofSeconds(2);

    private final String cluster;
    private final JobBook jobs;
    private final DevicePool<ActorRef<DeviceActor.Command>> devices =
            new DevicePool<>(Comparator.comparing(d -> d.path().toString()));
    private final TrainingRuns trainings;
    private final ForwardRuns forwards;
    private final ServingRuns servings;
    private final StandingRuns standing;

    /**
     * @param directory that every node reaches
     * @param cluster its name
     * @param gauges that show the jobs while this process coordinates them
     */
    public static Behavior<Command> create(
            Path directory, String cluster, JobRuns runs, OpenJobs host, TrainingGauges gauges) {
        return Behaviors.setup(
                context -> new JobQueue(context, directory, cluster, runs, host, gauges));
    }

    private JobQueue(
            ActorContext<Command> context,
            Path directory,
            String cluster,
            JobRuns runs,
            OpenJobs host,
            TrainingGauges gauges)
            throws IOException {
        super(context);
        this.cluster = cluster;
        this.jobs = new JobBook(directory, cluster);
        this.trainings = new TrainingRuns(jobs, devices, runs, host, context, cluster, gauges);
        this.forwards = new ForwardRuns(devices, jobs.epochs(), runs);
        this.servings = new ServingRuns(devices, jobs.epochs(), runs);
        ActorRef<Command> self = context.getSelf();
        this.standing =
                new StandingRuns(
                        jobs,
                        devices,
                        runs,
                        context,
                        (id, news) -> self.tell(new Served(id, news)));
        Cluster.get(context.getSystem())
                .subscriptions()
                .tell(
                        Subscribe.create(
                                context.messageAdapter(
                                        ClusterEvent.MemberDowned.class,
                                        event -> new Downed(event.member())),
                                ClusterEvent.MemberDowned.class));
        context.getSystem()
                .receptionist()
                .tell(
                        Receptionist.subscribe(
                                DEVICES,
                                context.messageAdapter(Receptionist.Listing.class, Listed::new)));
        context.scheduleOnce(BETWEEN_LOOKS, self, new Look());
        context.getLog()
                .info("this node keeps the queue: {} jobs in {}", jobs.inOrder().size(), directory);
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Request.class, this::onRequest)
                .onMessage(Drain.class, this::onDrain)
                .onMessage(Listed.class, this::onListed)
                .onMessage(Downed.class, this::onDowned)
                .onMessage(Opened.class, this::onOpened)
                .onMessage(Told.class, this::onTold)
                .onMessage(Ended.class, this::onEnded)
                .onMessage(Served.class, this::onServed)
                .onMessage(Look.class, _ -> onLook())
                .onMessage(Found.class, this::onFound)
                .onMessage(Hung.class, this::onHung)
                .onSignal(PreRestart.class, signal -> onEnd())
                .onSignal(PostStop.class, signal -> onEnd())
                .build();
    }

    private Behavior<Command> onEnd() {
        trainings.leave();
        return this;
    }

    // ---- devices

    private Behavior<Command> onListed(Listed message) throws IOException {
        devices.list(message.listing.getAllServiceInstances(DEVICES));
        return assign();
    }

    private Behavior<Command> onDowned(Downed message) throws IOException {
        Address address = message.member.address();
        Cluster of = Cluster.get(getContext().getSystem());
        devices.takeOut(d -> address(d, of).equals(address));
        return assign();
    }

    /** Of the node that a device is on. */
    static Address address(ActorRef<?> device, Cluster cluster) {
        Address address = device.path().address();
        return address.hasGlobalScope() ? address : cluster.selfMember().address();
    }

    private Behavior<Command> onDrain(Drain drain) throws IOException {
        devices.drain(drain.devices);
        assign();
        // Coordinators let go of devices between steps; who asks tries again until they have.
        List<DeviceId> leaving = drain.devices.stream().map(Coordinator::id).toList();
        boolean held = standing.uses(leaving) || trainings.uses(leaving);
        drain.replyTo.tell(new QueueAnswer(!held, held ? "still in use" : ""));
        return this;
    }

    /** Gives free devices in the order of submission, to each up to its ring's size. */
    private Behavior<Command> assign() throws IOException {
        for (String id : jobs.inOrder()) {
            if (jobs.job(id) == null) {
                standing.assign(jobs.serving(id));
            } else {
                trainings.assign(jobs.job(id));
            }
        }
        return this;
    }

    private Behavior<Command> onHung(Hung hung) {
        Cluster of = Cluster.get(getContext().getSystem());
        getContext().getLog().warn("{} does not get on: its node is taken out", hung.device.path());
        of.manager().tell(new Down(address(hung.device, of)));
        return this;
    }

    // ---- requests

    private Behavior<Command> onRequest(Request request) {
        try {
            request.replyTo.tell(answer(request.request));
        } catch (IOException | RuntimeException e) {
            // Whatever somebody asks for, the queue goes on.
            request.replyTo.tell(new QueueAnswer(false, Faults.sentence(e)));
        }
        return this;
    }

    private QueueAnswer answer(QueueRequest request) throws IOException {
        Cluster of = Cluster.get(getContext().getSystem());
        QueueReport report = new QueueReport(cluster, of, jobs, trainings, standing, devices);
        ActorRef<Command> self = getContext().getSelf();
        BiConsumer<String, String> onEnd = (id, why) -> self.tell(new Ended(id, why));
        return switch (request) {
            case QueueRequest.Submit(String text) -> begins(trainings.submit(text));
            case QueueRequest.Stop(String id) -> stop(id);
            case QueueRequest.Jobs _ -> QueueAnswer.of(report.allJobs());
            case QueueRequest.Status _ -> QueueAnswer.of(report.status());
            case QueueRequest.Log(String id, long from) -> report.log(id, from);
            case QueueRequest.Metrics(String id, long from) -> report.metrics(id, from);
            case QueueRequest.Follow(String id, long after) -> report.progress(id, after);
            case QueueRequest.Forward(ForwardRun.Request one) ->
                    forwards.begin(one, getContext(), onEnd);
            case QueueRequest.Deploy one -> begins(standing.deploy(one));
            case QueueRequest.OfServing one -> servings.answer(one, getContext(), onEnd);
            case QueueRequest.Forwarded(String id) -> forwards.answer(id);
        };
    }

    /** What was taken has its devices before whoever gave it hears of it. */
    private QueueAnswer begins(QueueAnswer taken) throws IOException {
        assign();
        return taken;
    }

    private QueueAnswer stop(String id) throws IOException {
        if (servings.stop(id)) {
            return QueueAnswer.DONE;
        }
        QueueAnswer ofStanding = standing.stop(id);
        return ofStanding == null ? trainings.stop(id) : ofStanding;
    }

    private Behavior<Command> onEnded(Ended message) throws IOException {
        forwards.ended(message.id, message.sentence);
        servings.ended(message.id, message.sentence);
        return assign();
    }

    private Behavior<Command> onOpened(Opened message) throws IOException {
        trainings.opened(message.job);
        return assign();
    }

    private Behavior<Command> onTold(Told told) throws IOException {
        trainings.hear(told.id, told.progress);
        return told.progress.isLast() ? assign() : this;
    }

    private Behavior<Command> onServed(Served message) throws IOException {
        standing.hear(message.id, message.news);
        return message.news instanceof ServingNews.Ended ? assign() : this;
    }

    private Behavior<Command> onLook() {
        standing.look();
        getContext().scheduleOnce(BETWEEN_LOOKS, getContext().getSelf(), new Look());
        return this;
    }

    private Behavior<Command> onFound(Found message) throws IOException {
        standing.found(message.id, message.newest);
        return this;
    }
}
