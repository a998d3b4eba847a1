package org.ringworld.actors.queue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
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
import org.ringworld.actors.serving.ServingNews;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;

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

    private record Opened(OpenedJob job) implements Command {}

    private record Told(String id, Progress progress) implements Command {}

    /** A forward or a serving has ended. */
    private record Ended(String id, String sentence) implements Command {}

    private record Served(String id, ServingNews news) implements Command {}

    private record Hung(ActorRef<DeviceActor.Command> device) implements Command {}

    private final String cluster;
    private final JobRuns runs;
    private final OpenJobs host;
    private final JobBook jobs;
    private final DevicePool<ActorRef<DeviceActor.Command>> devices =
            new DevicePool<>(Comparator.comparing(d -> d.path().toString()));
    private final Map<String, RunningJob> running = new LinkedHashMap<>();
    private final ProgressLog progress;
    private final ForwardRuns forwards;
    private final ServingRuns servings;
    private final StandingRuns standing;

    /**
     * @param directory that every node reaches
     * @param cluster its name
     */
    public static Behavior<Command> create(
            Path directory, String cluster, JobRuns runs, OpenJobs host) {
        return Behaviors.setup(context -> new JobQueue(context, directory, cluster, runs, host));
    }

    private JobQueue(
            ActorContext<Command> context,
            Path directory,
            String cluster,
            JobRuns runs,
            OpenJobs host)
            throws IOException {
        super(context);
        this.cluster = cluster;
        this.runs = runs;
        this.host = host;
        this.jobs = new JobBook(directory, cluster);
        this.progress = new ProgressLog(jobs.leader());
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
        context.getLog()
                .info("this node keeps the queue: {} jobs in {}", jobs.all().size(), directory);
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
                .onMessage(Hung.class, this::onHung)
                .onSignal(PreRestart.class, signal -> onEnd())
                .onSignal(PostStop.class, signal -> onEnd())
                .build();
    }

    /** Its jobs' coordinators end with it; whoever keeps the queue next opens their data anew. */
    private Behavior<Command> onEnd() {
        running.values().stream().map(r -> r.hosted).filter(Objects::nonNull).forEach(host::done);
        running.clear();
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
        boolean held =
                standing.uses(leaving)
                        || running.values().stream()
                                .anyMatch(r -> r.using.stream().anyMatch(leaving::contains));
        drain.replyTo.tell(new QueueAnswer(!held, held ? "still in use" : ""));
        return this;
    }

    /** Gives free devices in the order of submission, to each up to its ring's size. */
    private Behavior<Command> assign() throws IOException {
        for (String id : jobs.inOrder()) {
            if (jobs.job(id) == null) {
                standing.assign(jobs.serving(id));
            } else {
                assign(jobs.job(id));
            }
        }
        return this;
    }

    private void assign(QueuedJob job) {
        RunningJob runs = running.get(job.id());
        if (job.state().isOver()) {
            return;
        }
        if (runs == null) {
            int free = devices.free().size();
            if (free == 0 || (free < job.ringSize() && !job.isResumed())) {
                return;
            }
            runs = new RunningJob(job);
            running.put(job.id(), runs);
            open(job);
        }
        Optional<DevicePool.Change<ActorRef<DeviceActor.Command>>> change =
                devices.assign(job.id(), job.ringSize());
        if (runs.coordinator != null && change.isPresent()) {
            runs.coordinator.tell(
                    new Coordinator.Devices(change.get().devices(), change.get().gracefully()));
        }
    }

    private Behavior<Command> onHung(Hung hung) {
        Cluster of = Cluster.get(getContext().getSystem());
        getContext().getLog().warn("{} does not get on: its node is taken out", hung.device.path());
        of.manager().tell(new Down(address(hung.device, of)));
        return this;
    }

    // ---- jobs

    /** Reads the job's data on another thread; it may take long. */
    private void open(QueuedJob job) {
        CompletableFuture<OpenedJob> opened =
                CompletableFuture.supplyAsync(
                        () -> OpenedJob.open(job, host, runs, cluster),
                        task -> Thread.ofPlatform().daemon().name("job-opener").start(task));
        getContext().pipeToSelf(opened, (value, error) -> new Opened(value));
    }

    private Behavior<Command> onOpened(Opened message) throws IOException {
        OpenedJob opened = message.job;
        String id = opened.queued().id();
        RunningJob runs = running.get(id);
        if (opened.fence() == null || runs == null) {
            return notBegun(opened, opened.fault(), runs != null);
        }
        Job job = opened.job().job();
        Consumer<Progress> report;
        try {
            report = this.runs.report(job, opened.flopsOfThread() * job.ringSize());
        } catch (IOException | RuntimeException e) {
            return notBegun(opened, Faults.sentence(e), true);
        }
        ActorRef<Command> self = getContext().getSelf();
        ActorRef<Progress> listener =
                getContext().spawnAnonymous(listener(report, p -> self.tell(new Told(id, p))));
        runs.hosted = opened.job();
        runs.coordinator =
                getContext()
                        .spawn(
                                Coordinator.create(
                                        opened.job(),
                                        devices.of(id),
                                        opened.flopsOfThread(),
                                        jobs.epochs(),
                                        opened.fence(),
                                        opened.queued().isResumed(),
                                        listener,
                                        device -> self.tell(new Hung(device))),
                                "coordinator-" + id);
        jobs.keep(opened.queued().now(QueuedJob.State.RUNNING, ""));
        return this;
    }

    private static Behavior<Progress> listener(
            Consumer<Progress> report, Consumer<Progress> queue) {
        return Behaviors.receiveMessage(
                progress -> {
                    report.accept(progress);
                    queue.accept(progress);
                    return progress.isLast() ? Behaviors.stopped() : Behaviors.same();
                });
    }

    /**
     * A job that there is nothing to do for, or that cannot be opened.
     *
     * @param fault why it cannot; null: it was finished already
     * @param wanted false: it was stopped meanwhile, which is on record
     */
    private Behavior<Command> notBegun(OpenedJob opened, String fault, boolean wanted)
            throws IOException {
        opened.letGo(host);
        if (wanted) {
            QueuedJob job = opened.queued();
            letGo(job.id());
            boolean done = fault == null;
            jobs.keep(done ? job.endedBefore() : job.ended(new Progress.Failed(fault, 0, null)));
        }
        return assign();
    }

    private void letGo(String id) {
        running.remove(id);
        devices.giveBack(id);
    }

    private Behavior<Command> onTold(Told told) throws IOException {
        RunningJob runs = running.get(told.id);
        if (runs == null) {
            return this;
        }
        runs.hear(told.progress);
        if (told.progress instanceof Progress.Formed formed) {
            String line = "epoch {} of {} is formed by {}: {} devices, step {} is finished";
            Address here = Cluster.get(getContext().getSystem()).selfMember().address();
            getContext()
                    .getLog()
                    .info(line, formed.epoch(), told.id, here, formed.size(), formed.step());
        }
        if (told.progress.isLast()) {
            letGo(told.id);
            host.done(runs.hosted);
            jobs.keep(runs.job.ended(told.progress));
            assign();
        } else {
            progress.add(told.id, told.progress);
        }
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
        QueueReport report =
                new QueueReport(cluster, of, jobs, running, standing, progress, devices);
        ActorRef<Command> self = getContext().getSelf();
        BiConsumer<String, String> onEnd = (id, why) -> self.tell(new Ended(id, why));
        return switch (request) {
            case QueueRequest.Submit(String text) -> submit(text);
            case QueueRequest.Stop(String id) -> stop(id);
            case QueueRequest.Jobs _ -> QueueAnswer.of(report.allJobs());
            case QueueRequest.Status _ -> QueueAnswer.of(report.status());
            case QueueRequest.Log(String id, long from) -> report.log(id, from);
            case QueueRequest.Metrics(String id, long from) -> report.metrics(id, from);
            case QueueRequest.Follow(String id, long after) -> report.progress(id, after);
            case QueueRequest.Forward(ForwardRun.Request one) ->
                    forwards.begin(one, getContext(), onEnd);
            case QueueRequest.Deploy one -> deploy(one);
            case QueueRequest.OfServing one -> servings.answer(one, getContext(), onEnd);
            case QueueRequest.Forwarded(String id) -> forwards.answer(id);
        };
    }

    private QueueAnswer submit(String text) throws IOException {
        Job job;
        try {
            job = runs.read(text);
        } catch (RuntimeException e) {
            return new QueueAnswer(false, Faults.sentence(e));
        }
        String output = job.output().toAbsolutePath().normalize().toString();
        QueuedJob other = jobs.writerInto(output);
        if (other != null) {
            return new QueueAnswer(false, "job %s writes into %s".formatted(other.id(), output));
        }
        String id = jobs.add(text, job, output).id();
        assign();
        return QueueAnswer.ofId(id);
    }

    private QueueAnswer deploy(QueueRequest.Deploy one) throws IOException {
        QueueAnswer answer = standing.deploy(one);
        assign();
        return answer;
    }

    private QueueAnswer stop(String id) throws IOException {
        if (servings.stop(id)) {
            return QueueAnswer.DONE;
        }
        QueueAnswer ofStanding = standing.stop(id);
        return ofStanding == null ? stopJob(id) : ofStanding;
    }

    private QueueAnswer stopJob(String id) throws IOException {
        QueuedJob job = jobs.job(id);
        if (job == null) {
            return new QueueAnswer(false, jobs.unknown(id));
        }
        RunningJob runs = running.get(id);
        if (runs != null && runs.coordinator != null) {
            runs.coordinator.tell(new Coordinator.Stop());
        } else if (job.state().isOver()) {
            return new QueueAnswer(false, "job %s is over: %s".formatted(id, job.sentence()));
        } else {
            letGo(id);
            jobs.keep(job.neverBegun());
        }
        return QueueAnswer.DONE;
    }

    private Behavior<Command> onEnded(Ended message) throws IOException {
        forwards.ended(message.id, message.sentence);
        servings.ended(message.id, message.sentence);
        return assign();
    }

    private Behavior<Command> onServed(Served message) throws IOException {
        standing.hear(message.id, message.news);
        return message.news instanceof ServingNews.Ended ? assign() : this;
    }
}
