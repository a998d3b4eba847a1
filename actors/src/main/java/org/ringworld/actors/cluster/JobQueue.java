package org.ringworld.actors.cluster;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
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
import org.ringworld.actors.job.Epochs;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.rank.Inference;
import org.ringworld.model.training.rank.OpenJob;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

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

    /**
     * Somebody asks for something.
     *
     * @param what {@code submit} a configuration, {@code stop} a job, {@code jobs}, {@code status}
     */
    public record Request(String what, String argument, ActorRef<Answer> replyTo)
            implements Command {}

    /** These devices will leave; answered when no ring has them any more. */
    public record Drain(List<ActorRef<DeviceActor.Command>> devices, ActorRef<Answer> replyTo)
            implements Command {}

    /**
     * @param done whether what was asked for was done
     * @param text JSON, or the sentence that says why not
     */
    public record Answer(boolean done, String text) {}

    private record Listed(Receptionist.Listing listing) implements Command {}

    private record Downed(Member member) implements Command {}

    private record Opened(QueuedJob job, OpenJob hosted, Fence fence, String fault)
            implements Command {}

    private record Told(String id, Progress progress) implements Command {}

    private record Forwarded(String id, String sentence) implements Command {}

    private record Hung(ActorRef<DeviceActor.Command> device) implements Command {}

    private final Path directory;
    private final String cluster;
    private final JobRuns runs;
    private final OpenJobs host;
    private final Epochs epochs;
    private final Map<String, QueuedJob> jobs = new LinkedHashMap<>();
    private final Map<String, RunningJob> running = new LinkedHashMap<>();
    private final Set<ActorRef<DeviceActor.Command>> listed = new LinkedHashSet<>();
    private final Set<ActorRef<DeviceActor.Command>> gone = new HashSet<>();
    private final Set<ActorRef<DeviceActor.Command>> draining = new HashSet<>();
    private final Map<String, List<ActorRef<DeviceActor.Command>>> forwarding = new HashMap<>();
    private final Map<String, Optional<String>> forwarded = new HashMap<>();
    private int forwards;

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
        this.directory = directory;
        this.cluster = cluster;
        this.runs = runs;
        this.host = host;
        // From now on a leader that was stopped and wakes up begins no epoch any more.
        this.epochs = Epochs.of(Fence.claim(directory, cluster));
        for (QueuedJob job : QueuedJob.all(directory)) {
            jobs.put(job.id(), job);
        }
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
        context.getLog().info("this node keeps the queue: {} jobs in {}", jobs.size(), directory);
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
                .onMessage(Forwarded.class, this::onForwarded)
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

    private Behavior<Command> onListed(Listed message) {
        listed.clear();
        listed.addAll(message.listing.getAllServiceInstances(DEVICES));
        gone.retainAll(listed);
        return assign();
    }

    /** The cluster has decided: that process takes no further part, whatever it may still do. */
    private Behavior<Command> onDowned(Downed message) {
        Address address = message.member.address();
        listed.stream().filter(d -> address(d).equals(address)).forEach(gone::add);
        return assign();
    }

    private Address address(ActorRef<?> device) {
        return address(device, Cluster.get(getContext().getSystem()));
    }

    /** Of the node that a device is on. */
    static Address address(ActorRef<?> device, Cluster cluster) {
        Address address = device.path().address();
        return address.hasGlobalScope() ? address : cluster.selfMember().address();
    }

    private Behavior<Command> onDrain(Drain drain) {
        draining.addAll(drain.devices);
        assign();
        // Coordinators let go of devices between steps; who asks tries again until they have.
        List<DeviceId> leaving = drain.devices.stream().map(Coordinator::id).toList();
        boolean held =
                running.values().stream()
                        .anyMatch(r -> r.using.stream().anyMatch(leaving::contains));
        drain.replyTo.tell(new Answer(!held, held ? "still in use" : ""));
        return this;
    }

    /** Gives free devices to jobs, those that run already first, each up to its ring's size. */
    private Behavior<Command> assign() {
        List<ActorRef<DeviceActor.Command>> present = new ArrayList<>(listed);
        present.removeAll(gone);
        List<ActorRef<DeviceActor.Command>> free = free();
        for (QueuedJob job : List.copyOf(jobs.values())) {
            RunningJob runs = running.get(job.id());
            if (job.state().isOver()) {
                continue;
            }
            if (runs == null) {
                if (free.isEmpty() || (free.size() < job.ringSize() && !isResumed(job))) {
                    continue;
                }
                runs = new RunningJob(job);
                running.put(job.id(), runs);
                open(job);
            }
            Set<ActorRef<DeviceActor.Command>> before = Set.copyOf(runs.devices);
            runs.devices.retainAll(present);
            boolean lost = !runs.devices.containsAll(before);
            boolean retire = runs.devices.removeAll(draining);
            while (runs.devices.size() < job.ringSize() && !free.isEmpty()) {
                runs.devices.add(free.removeFirst());
            }
            if (runs.coordinator != null && !runs.devices.equals(before)) {
                runs.coordinator.tell(
                        new Coordinator.Devices(List.copyOf(runs.devices), retire && !lost));
            }
        }
        return this;
    }

    private List<ActorRef<DeviceActor.Command>> free() {
        List<ActorRef<DeviceActor.Command>> free = new ArrayList<>(listed);
        free.removeAll(gone);
        free.removeAll(draining);
        running.values().forEach(r -> free.removeAll(r.devices));
        forwarding.values().forEach(free::removeAll);
        free.sort(Comparator.comparing(d -> d.path().toString()));
        return free;
    }

    /** A job that has begun goes on with fewer devices than it asks for. */
    private static boolean isResumed(QueuedJob job) {
        return job.state() == QueuedJob.State.RUNNING;
    }

    private Behavior<Command> onHung(Hung hung) {
        Cluster of = Cluster.get(getContext().getSystem());
        getContext().getLog().warn("{} does not get on: its node is taken out", hung.device.path());
        of.manager().tell(new Down(address(hung.device)));
        return this;
    }

    // ---- jobs

    /** Reads the job's data on another thread; it may take long. */
    private void open(QueuedJob job) {
        CompletableFuture<Opened> opened =
                CompletableFuture.supplyAsync(
                        () -> {
                            OpenJob hosted = null;
                            try {
                                hosted = (OpenJob) host.open(job.id(), job.text());
                                if (!runs.begin(hosted.job())) {
                                    return new Opened(job, hosted, null, null);
                                }
                                Fence fence = Fence.claim(hosted.job().output(), cluster);
                                return new Opened(job, hosted, fence, null);
                            } catch (Exception | Error e) {
                                return new Opened(job, hosted, null, Faults.sentence(e));
                            }
                        },
                        task -> Thread.ofPlatform().daemon().name("job-opener").start(task));
        getContext().pipeToSelf(opened, (value, error) -> value);
    }

    private Behavior<Command> onOpened(Opened opened) throws IOException {
        RunningJob runs = running.get(opened.job.id());
        if (opened.fence == null || runs == null) {
            return notBegun(opened, runs != null);
        }
        Job job = opened.hosted.job();
        double flops;
        Consumer<Progress> report;
        try {
            flops = this.runs.flopsOfThread(job);
            report = this.runs.report(job, flops * job.ringSize());
        } catch (IOException | RuntimeException e) {
            String fault = Faults.sentence(e);
            return notBegun(new Opened(opened.job, opened.hosted, opened.fence, fault), true);
        }
        ActorRef<Command> self = getContext().getSelf();
        String id = opened.job.id();
        ActorRef<Progress> listener =
                getContext()
                        .spawnAnonymous(
                                Behaviors.receiveMessage(
                                        progress -> {
                                            report.accept(progress);
                                            self.tell(new Told(id, progress));
                                            return progress.isLast()
                                                    ? Behaviors.stopped()
                                                    : Behaviors.same();
                                        }));
        runs.hosted = opened.hosted;
        runs.coordinator =
                getContext()
                        .spawn(
                                Coordinator.create(
                                        opened.hosted,
                                        List.copyOf(runs.devices),
                                        flops,
                                        epochs,
                                        opened.fence,
                                        isResumed(opened.job),
                                        listener,
                                        device -> self.tell(new Hung(device))),
                                "coordinator-" + id);
        keep(opened.job.now(QueuedJob.State.RUNNING, ""));
        return this;
    }

    /**
     * A job that there is nothing to do for, or that cannot be opened.
     *
     * @param wanted false: it was stopped meanwhile, which is on record
     */
    private Behavior<Command> notBegun(Opened opened, boolean wanted) throws IOException {
        if (opened.fence != null) {
            opened.fence.release();
        }
        if (opened.hosted != null) {
            host.done(opened.hosted);
        }
        if (wanted) {
            running.remove(opened.job.id());
            boolean done = opened.fault == null;
            QueuedJob.State state = done ? QueuedJob.State.DONE : QueuedJob.State.FAILED;
            keep(opened.job.now(state, done ? "it was finished already" : opened.fault));
        }
        return assign();
    }

    /** A leader that has a successor, having been stopped or cut off, says nothing of its jobs. */
    private void keep(QueuedJob job) throws IOException {
        epochs.next(); // fails where another keeps the queue by now
        job.write(directory);
        jobs.put(job.id(), job);
    }

    private Behavior<Command> onTold(Told told) throws IOException {
        RunningJob runs = running.get(told.id);
        if (runs == null) {
            return this;
        }
        runs.hear(told.progress);
        switch (told.progress) {
            case Progress.Formed formed ->
                    getContext()
                            .getLog()
                            .info(
                                    "epoch {} of {} is formed by {}: {} devices, step {} is finished",
                                    formed.epoch(),
                                    told.id,
                                    Cluster.get(getContext().getSystem()).selfMember().address(),
                                    formed.size(),
                                    formed.step());
            case Progress.Completed c ->
                    ended(runs, QueuedJob.State.DONE, "its model is " + c.model());
            case Progress.Interrupted i ->
                    ended(runs, QueuedJob.State.STOPPED, "stopped after step " + i.step());
            case Progress.Failed f -> ended(runs, QueuedJob.State.FAILED, f.sentence());
            default -> {}
        }
        return this;
    }

    private void ended(RunningJob runs, QueuedJob.State state, String sentence) throws IOException {
        running.remove(runs.job.id());
        host.done(runs.hosted);
        keep(runs.job.now(state, sentence));
        assign();
    }

    // ---- requests

    private Behavior<Command> onRequest(Request request) {
        try {
            request.replyTo.tell(
                    switch (request.what) {
                        case "submit" -> submit(request.argument);
                        case "stop" -> stop(request.argument);
                        case "jobs" -> new Answer(true, report().allJobs().toString());
                        case "forward" -> forward(request.argument);
                        case "forwarded" -> forwarded(request.argument);
                        case "log" -> report().log(request.argument);
                        case "status" -> new Answer(true, report().status().toString());
                        default -> new Answer(false, "nothing known of " + request.what);
                    });
        } catch (IOException | RuntimeException e) {
            // Whatever somebody asks for, the queue goes on.
            request.replyTo.tell(new Answer(false, Faults.sentence(e)));
        }
        return this;
    }

    private QueueReport report() {
        Cluster of = Cluster.get(getContext().getSystem());
        return new QueueReport(cluster, of, jobs, running, listed, gone, draining);
    }

    private Answer submit(String text) throws IOException {
        Job job;
        try {
            job = runs.read(text);
        } catch (RuntimeException e) {
            return new Answer(false, Faults.sentence(e));
        }
        String output = job.output().toAbsolutePath().normalize().toString();
        for (QueuedJob other : jobs.values()) {
            if (!other.state().isOver() && other.output().equals(output)) {
                return new Answer(false, "job %s writes into %s".formatted(other.id(), output));
            }
        }
        int number = jobs.values().stream().mapToInt(QueuedJob::number).max().orElse(0) + 1;
        String id = number + "-" + job.name().replaceAll("[^A-Za-z0-9_.-]", "_");
        keep(
                new QueuedJob(
                        id,
                        text,
                        output,
                        job.ringSize(),
                        QueuedJob.State.QUEUED,
                        "waits for devices"));
        assign();
        return new Answer(true, JsonMapper.shared().createObjectNode().put("id", id).toString());
    }

    // ---- forward: nothing of it is kept; who loses the answer asks again

    private Answer forward(String argument) throws IOException {
        ForwardRun.Request order =
                JsonMapper.shared().readValue(argument, ForwardRun.Request.class);
        Inference on = runs.inference(order.model(), order.settings(), order.gradients());
        List<ActorRef<DeviceActor.Command>> free = free();
        if (free.size() < on.ringSize()) {
            return new Answer(
                    false,
                    "%d devices are free, %d are needed".formatted(free.size(), on.ringSize()));
        }
        String id = "f" + (++forwards);
        List<ActorRef<DeviceActor.Command>> taken = List.copyOf(free.subList(0, on.ringSize()));
        forwarding.put(id, taken);
        ActorRef<Command> self = getContext().getSelf();
        getContext()
                .spawn(
                        ForwardRun.create(
                                order,
                                taken,
                                epochs.next(),
                                sentence -> self.tell(new Forwarded(id, sentence))),
                        "forward-" + id);
        return new Answer(true, JsonMapper.shared().createObjectNode().put("id", id).toString());
    }

    private Behavior<Command> onForwarded(Forwarded message) {
        forwarding.remove(message.id);
        forwarded.put(message.id, Optional.ofNullable(message.sentence));
        return assign();
    }

    private Answer forwarded(String id) {
        Optional<String> sentence = forwarded.get(id);
        if (sentence != null && sentence.isPresent()) {
            return new Answer(false, sentence.get());
        }
        if (sentence == null && !forwarding.containsKey(id)) {
            return new Answer(false, "nothing is known of it any more; ask again");
        }
        ObjectNode node = JsonMapper.shared().createObjectNode().put("done", sentence != null);
        return new Answer(true, node.toString());
    }

    private Answer stop(String id) throws IOException {
        QueuedJob job = jobs.get(id);
        if (job == null) {
            return new Answer(
                    false, "there is no job %s; there are %s".formatted(id, jobs.keySet()));
        }
        RunningJob runs = running.get(id);
        if (runs != null && runs.coordinator != null) {
            runs.coordinator.tell(new Coordinator.Stop());
            return new Answer(true, "{}");
        }
        if (job.state().isOver()) {
            return new Answer(false, "job %s is over: %s".formatted(id, job.sentence()));
        }
        running.remove(id);
        keep(job.now(QueuedJob.State.STOPPED, "stopped before it began"));
        return new Answer(true, "{}");
    }
}
