package org.ringworld.actors.job;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Effect;
import org.ringworld.model.training.coordination.Evaluation;
import org.ringworld.model.training.coordination.Event;
import org.ringworld.model.training.coordination.JobDecisions;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.rank.OpenJob;

/** Runs one job on a ring of devices: carries the events and effects of {@link JobDecisions}. */
public final class Coordinator extends AbstractBehavior<Coordinator.Command> {
    /** What it is told. */
    public sealed interface Command {}

    /** Finish the steps on their way, save, end: for SIGINT and SIGTERM. */
    public record Stop() implements Command {}

    /** The devices that the job may use from now on, as {@link Event.Devices} says. */
    public record Devices(List<ActorRef<DeviceActor.Command>> devices, boolean gracefully)
            implements Command {}

    private record Happened(Event event) implements Command {}

    private static final Duration TICK = Duration.ofSeconds(1);

    private final JobDecisions decisions;
    private final JobFiles files;
    private final ActorRef<Progress> listener;
    private final ActorRef<Report> reports;
    private final Consumer<ActorRef<DeviceActor.Command>> onHung;
    private final Map<DeviceId, ActorRef<DeviceActor.Command>> devices = new HashMap<>();

    /**
     * @param devices those to begin with; {@link Devices} changes them
     * @param flopsPerDevice FLOP/s that one device can do
     * @param fence of the ownership of the job's output
     * @param resumed whether the job has run before: then it does with fewer devices from the start
     * @param listener is told what happens
     * @param onHung is told of a device that has not got on for long; null: nobody can remove it,
     *     the job fails
     */
    public static Behavior<Command> create(
            OpenJob job,
            List<ActorRef<DeviceActor.Command>> devices,
            double flopsPerDevice,
            Epochs epochs,
            Fence fence,
            boolean resumed,
            ActorRef<Progress> listener,
            Consumer<ActorRef<DeviceActor.Command>> onHung) {
        JobDecisions decisions =
                new JobDecisions(
                        job.job(),
                        job.id(),
                        flopsPerDevice,
                        fence.number(),
                        resumed,
                        onHung != null,
                        s -> new Evaluation(job.data().probes(s), job.data().places(s)));
        JobFiles files = new JobFiles(job.job(), epochs, fence);
        return Behaviors.setup(
                context -> {
                    context.getSelf().tell(new Devices(devices, false));
                    return Behaviors.withTimers(
                            timers -> {
                                Happened tick = new Happened(new Event.Tick());
                                timers.startTimerWithFixedDelay(tick, TICK);
                                return new Coordinator(context, decisions, files, listener, onHung);
                            });
                });
    }

    private Coordinator(
            ActorContext<Command> context,
            JobDecisions decisions,
            JobFiles files,
            ActorRef<Progress> listener,
            Consumer<ActorRef<DeviceActor.Command>> onHung) {
        super(context);
        this.decisions = decisions;
        this.files = files;
        this.listener = listener;
        this.onHung = onHung;
        this.reports =
                context.messageAdapter(
                        Report.class, report -> new Happened(new Event.Told(report)));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Happened.class, message -> on(message.event))
                .onMessage(Devices.class, this::onDevices)
                .onMessage(Stop.class, message -> on(new Event.StopAsked()))
                .onSignal(Terminated.class, lost -> on(new Event.Lost(id(lost.getRef()))))
                .onSignal(PostStop.class, signal -> onPostStop())
                .build();
    }

    /** What decisions call a device. */
    public static DeviceId id(ActorRef<?> device) {
        return new DeviceId(device.path().toSerializationFormat());
    }

    private Behavior<Command> onDevices(Devices message) {
        for (ActorRef<DeviceActor.Command> device : message.devices) {
            if (devices.putIfAbsent(id(device), device) == null) {
                getContext().watch(device);
            }
        }
        List<DeviceId> ids = message.devices.stream().map(Coordinator::id).toList();
        return on(new Event.Devices(ids, message.gracefully));
    }

    /** An effect's answer comes before any other event. */
    private Behavior<Command> on(Event event) {
        Queue<Event> events = new ArrayDeque<>(List.of(event));
        boolean ended = false;
        while (!events.isEmpty()) {
            for (Effect effect : decisions.on(events.remove(), System.nanoTime())) {
                Event answer = carryOut(effect);
                if (answer != null) {
                    events.add(answer);
                }
                ended |= effect instanceof Effect.End;
            }
        }
        return ended ? Behaviors.stopped() : this;
    }

    /** The event that answers; null: none does. */
    private Event carryOut(Effect effect) {
        switch (effect) {
            case Effect.Tell(DeviceId device, Order order) ->
                    devices.get(device).tell(new DeviceActor.Ordered(order, reports));
            case Effect.OnFiles onFiles -> {
                return files.carryOut(onFiles);
            }
            case Effect.Pause(long epoch, Duration time) -> {
                Happened over = new Happened(new Event.PauseOver(epoch));
                getContext().scheduleOnce(time, getContext().getSelf(), over);
            }
            case Effect.TakeOut(DeviceId device) -> onHung.accept(devices.get(device));
            case Effect.Notify(Progress progress) -> listener.tell(progress);
            case Effect.Log(String sentence) -> getContext().getLog().info(sentence);
            case Effect.End _ -> {}
        }
        return null;
    }

    private Behavior<Command> onPostStop() throws IOException {
        decisions.abandoned().forEach(this::carryOut);
        files.close();
        return this;
    }
}
