package org.ringworld.actors.device;

import com.typesafe.config.ConfigFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
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
import org.ringworld.actors.links.RankLinks;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.Probe;
import org.ringworld.runtime.DType;
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
    private final Layout layout;
    private final long epoch;
    private long asked;

    private record Spawn(
            int rank,
            Device device,
            Links links,
            ActorRef<ActorRef<DeviceActor.Command>> replyTo) {}

    /**
     * Forms a ring.
     *
     * @param devices one for each rank, owned by the ring from now on
     * @param training whether {@link #train} or gradients will be asked for
     * @throws RingFailedException saying what failed
     */
    public DeviceRing(
            ModelSource source,
            DType dtype,
            List<Device> devices,
            Layout layout,
            boolean training) {
        this(source, dtype, devices, layout, training, Links.inProcess());
    }

    private DeviceRing(
            ModelSource source,
            DType dtype,
            List<Device> devices,
            Layout layout,
            boolean training,
            Links links) {
        this(
                source,
                dtype,
                devices,
                layout,
                training,
                links,
                new RankLinks.Places(
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
            ModelSource source,
            DType dtype,
            List<Device> devices,
            Layout layout,
            boolean training,
            Links links,
            RankLinks.Places places,
            int first) {
        this.layout = layout;
        this.system = ActorSystem.create(guardian(), "ringworld", ConfigFactory.load());
        this.epoch = places.epoch();
        try {
            for (int i = 0; i < devices.size(); i++) {
                Device device = devices.get(i);
                int rank = first + i;
                this.devices.add(
                        join(
                                AskPattern.<Spawn, ActorRef<DeviceActor.Command>>ask(
                                                system,
                                                replyTo -> new Spawn(rank, device, links, replyTo),
                                                PATIENCE,
                                                system.scheduler())
                                        .toCompletableFuture()));
            }
            askAll(rank -> replyTo -> new DeviceActor.Prepare(source, dtype, training, replyTo));
            askAll(i -> replyTo -> new RingProtocol.JoinRing(epoch, first + i, places, replyTo));
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
                                    DeviceActor.create(spawn.rank, spawn.device, spawn.links),
                                    "device-" + spawn.rank);
                    spawn.replyTo.tell(device);
                    return Behaviors.same();
                });
    }

    /** Evaluates probes, a batch at a time; {@code each} is told after each batch. */
    public List<Probe.Result> evaluate(List<Probe> probes, double ropeTheta, Runnable each) {
        Evaluation evaluating = new Evaluation(probes);
        for (JobData.Batch batch : JobData.batches(probes, layout, devices.size())) {
            long id = asked++;
            evaluating.add(
                    batch.probe(),
                    batch.micro(),
                    askAll(
                                    rank ->
                                            replyTo ->
                                                    new DeviceActor.Evaluate(
                                                            epoch,
                                                            id,
                                                            batch.micro(),
                                                            ropeTheta,
                                                            replyTo))
                            .stream()
                            .map(DeviceActor.Evaluated.class::cast)
                            .toList());
            each.run();
        }
        return evaluating.results();
    }

    /** Logits of one row, its loss and, where asked for, all gradients. */
    public RowResult forward(Row row, boolean gradients) {
        MicroBatch batch = MicroBatch.of(List.of(row), layout, devices.size());
        List<DeviceActor.Forwarded> ranks =
                askAll(rank -> replyTo -> new DeviceActor.Forward(epoch, batch, gradients, replyTo))
                        .stream()
                        .map(DeviceActor.Forwarded.class::cast)
                        .toList();
        return RowResult.of(row, batch, ranks);
    }

    /** One optimizer step. */
    public List<DeviceActor.Stepped> train(StepPlan plan, String recompute) {
        return askAll(rank -> replyTo -> new DeviceActor.Step(epoch, plan, recompute, replyTo))
                .stream()
                .map(DeviceActor.Stepped.class::cast)
                .toList();
    }

    /** What the memory of each rank is used for, after training steps. */
    public List<MemoryUse> memory() {
        return askAll(_ -> DeviceActor.Measure::new).stream()
                .map(r -> ((DeviceActor.Measured) r).memory())
                .toList();
    }

    private List<DeviceActor.Reply> askAll(IntFunction<IntoCommand> command) {
        List<CompletableFuture<DeviceActor.Reply>> futures = new ArrayList<>();
        for (int rank = 0; rank < devices.size(); rank++) {
            IntoCommand into = command.apply(rank);
            futures.add(
                    AskPattern.<DeviceActor.Command, DeviceActor.Reply>ask(
                                    devices.get(rank), into::of, PATIENCE, system.scheduler())
                            .toCompletableFuture());
        }
        List<DeviceActor.Reply> replies = futures.stream().map(DeviceRing::join).toList();
        // Faults that follow from the first one speak of the ring; the first one is told.
        replies.stream()
                .filter(DeviceActor.Failed.class::isInstance)
                .map(DeviceActor.Failed.class::cast)
                .min(java.util.Comparator.comparing(f -> f.sentence().startsWith("rank ")))
                .ifPresent(
                        failed -> {
                            throw new RingFailedException(failed.sentence());
                        });
        return replies;
    }

    private interface IntoCommand {
        DeviceActor.Command of(ActorRef<DeviceActor.Reply> replyTo);
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
