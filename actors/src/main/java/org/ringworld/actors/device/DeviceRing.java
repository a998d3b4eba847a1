package org.ringworld.actors.device;

import com.typesafe.config.ConfigFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.IntFunction;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AskPattern;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.ringworld.actors.Faults;
import org.ringworld.actors.job.Coordinator;
import org.ringworld.actors.links.Links;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.model.training.MemoryUse;
import org.ringworld.model.training.StepRows;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Evaluation;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.RankAnswers;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.Probe;
import org.ringworld.model.training.rank.HeldWork;
import org.ringworld.model.training.rank.RowResult;
import org.ringworld.runtime.Device;
import org.ringworld.tokenizer.packing.Row;

/**
 * A ring of device actors driven by a caller that waits: forward, evaluation, benchmarks. Training
 * has the {@link Coordinator}.
 */
public final class DeviceRing implements AutoCloseable {
    /** The longest that one batch may take. */
    private static final Duration PATIENCE = Duration.ofHours(24);

    private static final long EPOCH = 1;

    private final ActorSystem<Spawn> system;
    private final List<ActorRef<DeviceActor.Command>> devices = new ArrayList<>();
    private final HeldWork work;
    private final Layout layout;
    private final long epoch;
    private final int ranks;
    private int asked;

    private record Spawn(
            int rank,
            Device device,
            Links links,
            OpenJobs jobs,
            ActorRef<ActorRef<DeviceActor.Command>> replyTo) {}

    /**
     * Forms a ring.
     *
     * @param devices one for each rank, owned by the ring from now on
     * @throws RingFailedException saying what failed
     */
    public DeviceRing(HeldWork work, List<Device> devices, Layout layout) {
        this(work, devices, layout, Links.inProcess());
    }

    private DeviceRing(HeldWork work, List<Device> devices, Layout layout, Links links) {
        this(
                work,
                devices,
                layout,
                links,
                new RingPlaces(
                        EPOCH, new byte[0], Collections.nCopies(devices.size(), links.address())),
                0);
    }

    /**
     * Joins a ring of several processes, each of which does the same at the same time.
     *
     * @param devices one for each rank of this process
     * @param links of this process, which stay the caller's
     * @param first rank of this process
     */
    public DeviceRing(
            HeldWork work,
            List<Device> devices,
            Layout layout,
            Links links,
            RingPlaces places,
            int first) {
        this.work = work;
        this.layout = layout;
        this.system = ActorSystem.create(guardian(), "ringworld", ConfigFactory.load());
        this.epoch = places.epoch();
        this.ranks = places.size();
        OpenJobs jobs = new OpenJobs(work);
        try {
            for (int i = 0; i < devices.size(); i++) {
                Device device = devices.get(i);
                int rank = first + i;
                this.devices.add(
                        join(
                                AskPattern.<Spawn, ActorRef<DeviceActor.Command>>ask(
                                                system,
                                                to -> new Spawn(rank, device, links, jobs, to),
                                                PATIENCE,
                                                system.scheduler())
                                        .toCompletableFuture()));
            }
            askAll(rank -> new Order.Leave(epoch, new DeviceId("device-" + (first + rank))));
            askAll(
                    rank ->
                            new Order.Host(
                                    epoch,
                                    first + rank,
                                    work.id(),
                                    "",
                                    Order.Weights.START,
                                    "",
                                    0));
            askAll(rank -> new Order.JoinRing(epoch, first + rank, places));
        } catch (RingFailedException e) {
            close();
            throw e;
        }
    }

    private static Behavior<Spawn> guardian() {
        return Behaviors.receive(
                (context, spawn) -> {
                    ActorRef<DeviceActor.Command> device =
                            context.spawn(
                                    DeviceActor.create(
                                            spawn.rank,
                                            spawn.device,
                                            spawn.links,
                                            spawn.jobs,
                                            () -> {}),
                                    "device-" + spawn.rank);
                    spawn.replyTo.tell(device);
                    return Behaviors.same();
                });
    }

    /** Evaluates probes, a batch at a time; {@code each} is told after each batch. */
    public List<Probe.Result> evaluate(List<Probe> probes, double ropeTheta, Runnable each) {
        Evaluation evaluation = new Evaluation(probes, JobData.places(probes));
        for (JobData.Batch batch : JobData.batches(probes, layout, ranks)) {
            int id = asked++;
            work.hold(id, batch.micro());
            evaluation.add(
                    RankAnswers.as(
                            Report.Evaluated.class,
                            askAll(_ -> new Order.EvaluateBatch(epoch, 0, id, ropeTheta))));
            each.run();
        }
        return evaluation.results();
    }

    /** Logits of one row, its loss and, where asked for, all gradients. */
    public RowResult forward(Row row, boolean gradients) {
        MicroBatch batch = MicroBatch.of(List.of(row), layout, ranks);
        work.hold("row", batch);
        return RowResult.of(
                row,
                batch,
                RankAnswers.as(
                        Report.Forwarded.class,
                        askAll(_ -> new Order.Forward(epoch, "row", "", gradients))));
    }

    /** One optimizer step. */
    public List<Report.Stepped> train(StepRows rows) {
        work.hold(rows);
        return RankAnswers.as(
                Report.Stepped.class, askAll(_ -> new Order.TrainStep(epoch, rows.step().step())));
    }

    /** What the memory of each rank is used for, after training steps. */
    public List<MemoryUse> memory() {
        return RankAnswers.as(Report.Measured.class, askAll(_ -> new Order.Measure(epoch))).stream()
                .map(Report.Measured::memory)
                .toList();
    }

    /** Tells all, and waits for what all say. */
    private List<Report> askAll(IntFunction<Order> order) {
        List<CompletableFuture<Report>> futures = new ArrayList<>();
        for (int rank = 0; rank < devices.size(); rank++) {
            Order one = order.apply(rank);
            futures.add(
                    AskPattern.<DeviceActor.Command, Report>ask(
                                    devices.get(rank),
                                    to -> new DeviceActor.Ordered(one, to),
                                    PATIENCE,
                                    system.scheduler())
                            .toCompletableFuture());
        }
        List<Report> reports = futures.stream().map(DeviceRing::join).toList();
        // Faults that follow from the first one speak of the ring; the first one is told.
        reports.stream()
                .filter(Report.Failed.class::isInstance)
                .map(Report.Failed.class::cast)
                .min(Comparator.comparing(f -> f.sentence().startsWith("rank ")))
                .ifPresent(
                        failed -> {
                            throw new RingFailedException(failed.sentence());
                        });
        return reports;
    }

    private static <T> T join(CompletableFuture<T> future) {
        try {
            return future.join();
        } catch (CompletionException e) {
            throw new RingFailedException(Faults.sentence(e.getCause()));
        }
    }

    @Override
    public void close() {
        system.terminate();
        system.getWhenTerminated().toCompletableFuture().join();
    }
}
