package org.ringworld.actors.queue;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.apache.pekko.actor.Address;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.cluster.typed.Cluster;
import org.ringworld.actors.Faults;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.job.Coordinator;
import org.ringworld.actors.queue.book.JobBook;
import org.ringworld.actors.queue.book.QueuedJob;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;

/** Jobs that train: each that has devices has a {@link Coordinator}. */
final class TrainingRuns {
    private final JobBook jobs;
    private final DevicePool<ActorRef<DeviceActor.Command>> devices;
    private final JobRuns runs;
    private final OpenJobs host;
    private final ActorContext<JobQueue.Command> context;
    private final String cluster;
    private final TrainingGauges gauges;
    private final ProgressLog progress;
    private final Map<String, RunningJob> running = new LinkedHashMap<>();

    TrainingRuns(
            JobBook jobs,
            DevicePool<ActorRef<DeviceActor.Command>> devices,
            JobRuns runs,
            OpenJobs host,
            ActorContext<JobQueue.Command> context,
            String cluster,
            TrainingGauges gauges) {
        this.jobs = jobs;
        this.devices = devices;
        this.runs = runs;
        this.host = host;
        this.context = context;
        this.cluster = cluster;
        this.gauges = gauges;
        this.progress = new ProgressLog(jobs.leader());
    }

    /** Null where it has no devices. */
    RunningJob running(String id) {
        return running.get(id);
    }

    /** What they told lately. */
    ProgressLog progress() {
        return progress;
    }

    /** Takes a job; {@link #assign} begins it. */
    QueueAnswer submit(String text) throws IOException {
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
        return QueueAnswer.ofId(jobs.add(text, job, output).id());
    }

    /** Gives it free devices up to its ring's size, and begins it where there are enough. */
    void assign(QueuedJob job) {
        RunningJob one = running.get(job.id());
        if (job.state().isOver()) {
            return;
        }
        if (one == null) {
            int free = devices.free().size();
            if (free == 0 || (free < job.ringSize() && !job.hasBegun())) {
                return;
            }
            one = new RunningJob(job);
            running.put(job.id(), one);
            open(job);
        }
        Optional<DevicePool.Change<ActorRef<DeviceActor.Command>>> change =
                devices.assign(job.id(), job.ringSize());
        if (one.coordinator != null && change.isPresent()) {
            one.coordinator.tell(
                    new Coordinator.Devices(change.get().devices(), change.get().gracefully()));
        }
    }

    /** Whether a ring has one of these. */
    boolean uses(List<DeviceId> some) {
        return running.values().stream().anyMatch(r -> r.using.stream().anyMatch(some::contains));
    }

    /** Reads the job's data on another thread; it may take long. */
    private void open(QueuedJob job) {
        CompletableFuture<OpenedJob> opened =
                CompletableFuture.supplyAsync(
                        () -> OpenedJob.open(job, host, runs, cluster),
                        task -> Thread.ofPlatform().daemon().name("job-opener").start(task));
        context.pipeToSelf(opened, (value, error) -> new JobQueue.Opened(value));
    }

    void opened(OpenedJob opened) throws IOException {
        String id = opened.queued().id();
        RunningJob one = running.get(id);
        if (opened.fence() == null || one == null) {
            notBegun(opened, opened.fault(), one != null);
            return;
        }
        Job job = opened.job().job();
        Consumer<Progress> report;
        try {
            report = runs.report(job, opened.flopsOfThread() * job.ringSize());
        } catch (IOException | RuntimeException e) {
            notBegun(opened, Faults.sentence(e), true);
            return;
        }
        ActorRef<JobQueue.Command> queue = context.getSelf();
        ActorRef<Progress> listener =
                context.spawnAnonymous(listener(report, p -> queue.tell(new JobQueue.Told(id, p))));
        one.hosted = opened.job();
        one.coordinator =
                context.spawn(
                        Coordinator.create(
                                opened.job(),
                                devices.of(id),
                                opened.flopsOfThread(),
                                jobs.epochs(),
                                opened.fence(),
                                opened.queued().hasBegun(),
                                listener,
                                device -> queue.tell(new JobQueue.Hung(device))),
                        "coordinator-" + id);
        jobs.keep(opened.queued().now(QueuedJob.State.RUNNING, ""));
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
    private void notBegun(OpenedJob opened, String fault, boolean wanted) throws IOException {
        opened.letGo(host);
        if (wanted) {
            QueuedJob job = opened.queued();
            letGo(job.id());
            boolean done = fault == null;
            jobs.keep(done ? job.endedBefore() : job.ended(new Progress.Failed(fault, 0, null)));
        }
    }

    private void letGo(String id) {
        running.remove(id);
        devices.giveBack(id);
    }

    /** One of them says something. */
    void hear(String id, Progress said) throws IOException {
        RunningJob one = running.get(id);
        if (one == null) {
            return;
        }
        one.hear(said);
        gauges.hear(id, said);
        if (said instanceof Progress.Formed formed) {
            String line = "epoch {} of {} is formed by {}: {} devices, step {} is finished";
            Address here = Cluster.get(context.getSystem()).selfMember().address();
            context.getLog().info(line, formed.epoch(), id, here, formed.size(), formed.step());
        }
        if (said.isLast()) {
            letGo(id);
            host.done(one.hosted);
            jobs.keep(one.job.ended(said));
        } else {
            progress.add(id, said);
        }
    }

    QueueAnswer stop(String id) throws IOException {
        QueuedJob job = jobs.job(id);
        if (job == null) {
            return new QueueAnswer(false, jobs.unknown(id));
        }
        RunningJob one = running.get(id);
        if (one != null && one.coordinator != null) {
            one.coordinator.tell(new Coordinator.Stop());
        } else if (job.state().isOver()) {
            return new QueueAnswer(false, "job %s is over: %s".formatted(id, job.sentence()));
        } else {
            letGo(id);
            jobs.keep(job.neverBegun());
        }
        return QueueAnswer.DONE;
    }

    /** Their coordinators end with the queue; whoever keeps it next opens their data anew. */
    void leave() {
        running.values().stream().map(r -> r.hosted).filter(Objects::nonNull).forEach(host::done);
        running.clear();
        gauges.clear();
    }
}
