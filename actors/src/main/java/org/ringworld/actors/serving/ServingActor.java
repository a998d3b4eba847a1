package org.ringworld.actors.serving;

import java.io.IOException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.job.Coordinator;
import org.ringworld.actors.job.Epochs;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Scheduler;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.RankAnswers;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.coordination.Report.Held;
import org.ringworld.model.training.coordination.Roster;

/**
 * Has a ring of devices write texts: forms the ring, tells it what its {@link Scheduler} decides,
 * and hears what it made. Where a rank fails, the ring is formed anew over the same pages, and what
 * was being read is answered with the fault; all other texts go on.
 */
public final class ServingActor extends AbstractBehavior<ServingActor.Command> {
    /** What it is told. */
    public sealed interface Command {}

    /** Write this. The listener is called on this actor's thread. */
    public record Asked(long id, Ask ask, Scheduler.Listener listener) implements Command {}

    /** Nobody waits for it any more. */
    public record Cancelled(long id) implements Command {}

    /** It is over; devices are given back. */
    public record Close() implements Command {}

    /** The devices that it may use from now on. */
    public record Devices(List<ActorRef<DeviceActor.Command>> devices, boolean gracefully)
            implements Command {}

    /** Somebody still waits for what is written. */
    public record Heard() implements Command {}

    private record Told(Report report) implements Command {}

    private record Lost(DeviceId device) implements Command {}

    /** Rings that break one after the other, before it is given up. */
    private static final int MOST_BROKEN = 3;

    private final TimerScheduler<Command> timers;
    private final Duration patience;
    private final ServedRing served;
    private final Epochs epochs;
    private final Consumer<ServingNews> onNews;
    private final ActorRef<Report> reports;
    private final Map<DeviceId, ActorRef<DeviceActor.Command>> devices = new LinkedHashMap<>();
    private final Map<DeviceId, Held> held = new LinkedHashMap<>();
    private final RankAnswers answers = new RankAnswers();
    private final Scheduler scheduler;
    private List<DeviceId> ring = List.of();
    private List<Held> places = List.of();
    private long epoch;
    private boolean stands;
    private boolean ready;
    private int broken;
    private String fault;

    /**
     * @param devices as many as the ring has ranks
     * @param patience after so long without {@link Heard} it ends; zero: never
     * @param onNews is told what becomes of it, on this actor's thread
     */
    public static Behavior<Command> create(
            ServedRing served,
            List<ActorRef<DeviceActor.Command>> devices,
            Epochs epochs,
            Duration patience,
            Consumer<ServingNews> onNews) {
        return Behaviors.withTimers(
                timers ->
                        Behaviors.setup(
                                context ->
                                        new ServingActor(
                                                context, timers, served, devices, epochs, patience,
                                                onNews)));
    }

    private ServingActor(
            ActorContext<Command> context,
            TimerScheduler<Command> timers,
            ServedRing served,
            List<ActorRef<DeviceActor.Command>> devices,
            Epochs epochs,
            Duration patience,
            Consumer<ServingNews> onNews)
            throws IOException {
        super(context);
        this.timers = timers;
        this.patience = patience;
        this.served = served;
        this.epochs = epochs;
        this.onNews = onNews;
        this.scheduler = served.scheduler();
        this.reports = context.messageAdapter(Report.class, Told::new);
        for (ActorRef<DeviceActor.Command> device : devices) {
            DeviceId id = Coordinator.id(device);
            this.devices.put(id, device);
            context.watchWith(device, new Lost(id));
        }
        onHeard();
        gather();
    }

    private Behavior<Command> onHeard() {
        if (!patience.isZero()) {
            timers.startSingleTimer(new Close(), patience);
        }
        return this;
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Asked.class, this::onAsked)
                .onMessage(Cancelled.class, this::onCancelled)
                .onMessage(Told.class, told -> onReport(told.report))
                .onMessage(Lost.class, lost -> onLost(lost.device))
                .onMessage(Devices.class, this::onDevices)
                .onMessage(Heard.class, _ -> onHeard())
                .onMessage(Close.class, _ -> end(null))
                .onSignal(PostStop.class, _ -> onStop())
                .build();
    }

    private Behavior<Command> onStop() {
        scheduler.failAll("the ring that writes it has ended");
        return this;
    }

    private Behavior<Command> onAsked(Asked asked) {
        scheduler.ask(asked.id, asked.ask, asked.listener);
        return serve();
    }

    private Behavior<Command> onCancelled(Cancelled cancelled) {
        scheduler.cancel(cancelled.id);
        return serve();
    }

    private Behavior<Command> serve() {
        while (stands) {
            var next = scheduler.next();
            if (next.isEmpty()) {
                break;
            }
            tellAll(_ -> new Order.Serve(epoch, next.get()));
        }
        if (!ring.isEmpty()) {
            List<String> names = ring.stream().map(DeviceId::name).toList();
            onNews.accept(new ServingNews.Busy(scheduler.load().of(epoch, names)));
        }
        return this;
    }

    // ---- the ring

    private void tell(DeviceId device, Order order) {
        devices.get(device).tell(new DeviceActor.Ordered(order, reports));
    }

    private void tellAll(IntFunction<Order> order) {
        for (int rank = 0; rank < ring.size(); rank++) {
            tell(ring.get(rank), order.apply(rank));
        }
    }

    private void gather() throws IOException {
        epoch = epochs.next();
        stands = false;
        held.clear();
        answers.clear();
        devices.keySet().forEach(device -> tell(device, new Order.Leave(epoch, device)));
    }

    private Behavior<Command> onReport(Report report) throws IOException {
        switch (report) {
            case Held one -> {
                if (one.epoch() == epoch) {
                    held.put(one.device(), one);
                    if (held.size() == devices.size()) {
                        return load();
                    }
                }
            }
            case Report.Failed failed -> {
                return onFailed(failed);
            }
            case Report.Served made -> {
                if (made.epoch() == epoch) {
                    broken = 0;
                    scheduler.made(made.made());
                    return serve();
                }
            }
            default -> {
                if (epochOf(report) == epoch && !answers.add(report, ring.size()).isEmpty()) {
                    onAll(report);
                }
            }
        }
        return this;
    }

    private static long epochOf(Report report) {
        return switch (report) {
            case Report.Prepared prepared -> prepared.epoch();
            case Report.Joined joined -> joined.epoch();
            default -> -1;
        };
    }

    /** Ranks keep their places: their pages are known by them. */
    private Behavior<Command> load() {
        if (ring.isEmpty()) {
            ring =
                    Roster.choose(held.values(), "", devices.size()).ring().stream()
                            .map(Held::device)
                            .toList();
        }
        places = ring.stream().map(held::get).toList();
        tellAll(
                rank ->
                        new Order.LoadServing(
                                epoch,
                                rank,
                                served.model(),
                                served.settings(),
                                served.pagesOfRank(),
                                served.openOfRank()));
        return this;
    }

    private void onAll(Report done) {
        if (done instanceof Report.Prepared) {
            RingPlaces addresses =
                    new RingPlaces(
                            epoch,
                            RingPlaces.newToken(),
                            places.stream().map(Held::address).toList());
            tellAll(rank -> new Order.JoinRing(epoch, rank, addresses));
            return;
        }
        stands = true;
        if (ready) {
            scheduler.restart(fault);
        } else {
            ready = true;
        }
        onNews.accept(new ServingNews.Stands(epoch, ring));
        fault = null;
        serve();
    }

    private Behavior<Command> onFailed(Report.Failed failed) throws IOException {
        if (failed.epoch() != epoch) {
            // It was at fault before the ring broke: now it is told.
            fault = failed.ringBroke() || fault != null ? fault : failed.sentence();
            return this;
        }
        getContext().getLog().warn("rank {}: {}", failed.rank(), failed.sentence());
        if (!stands || ++broken > MOST_BROKEN) {
            return end(failed.sentence());
        }
        fault = failed.ringBroke() ? null : failed.sentence();
        gather();
        return this;
    }

    private Behavior<Command> onDevices(Devices message) {
        List<DeviceId> stay = message.devices.stream().map(Coordinator::id).toList();
        Optional<DeviceId> lost =
                devices.keySet().stream().filter(d -> !stay.contains(d)).findAny();
        return lost.isEmpty() ? this : onLost(lost.get());
    }

    private Behavior<Command> onLost(DeviceId device) {
        return end("device " + device.name() + " was lost");
    }

    private Behavior<Command> end(String sentence) {
        scheduler.failAll(sentence == null ? "the ring that writes it was closed" : sentence);
        devices.keySet().forEach(device -> tell(device, new Order.Release(epoch)));
        onNews.accept(new ServingNews.Ended(sentence));
        return Behaviors.stopped();
    }
}
