package org.ringworld.actors.serving;

import java.io.IOException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
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
import org.ringworld.model.decode.PageDirectory;
import org.ringworld.model.decode.Scheduler;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.RankAnswers;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.coordination.Report.Held;
import org.ringworld.model.training.coordination.Roster;

/**
 * Has a ring of devices write texts: forms the ring, tells it what its {@link Scheduler} decides,
 * and hears what it made. Where a device is lost, one comes or a link breaks, the ring is formed
 * anew of those that are there: each tells what its pages hold, and all texts are asked for again.
 * Where a rank fails, what was being read is answered with the fault; all other texts go on.
 */
public final class ServingActor extends AbstractBehavior<ServingActor.Command> {
    /** What it is told. */
    public sealed interface Command {}

    /**
     * Write this. The listener is called on this actor's thread.
     *
     * @param written tokens that it has been given before: it goes on after them
     */
    public record Asked(long id, Ask ask, int[] written, Scheduler.Listener listener)
            implements Command {
        public Asked(long id, Ask ask, Scheduler.Listener listener) {
            this(id, ask, new int[0], listener);
        }
    }

    /** Nobody waits for it any more. */
    public record Cancelled(long id) implements Command {}

    /** It is over; devices are given back. */
    public record Close() implements Command {}

    /** The devices that it may use from now on. */
    public record Devices(List<ActorRef<DeviceActor.Command>> devices) implements Command {}

    /** Somebody still waits for what is written. */
    public record Heard() implements Command {}

    private record Told(Report report) implements Command {}

    private record Lost(DeviceId device) implements Command {}

    /** The ring broke, and nobody was lost so far. */
    private record FormAnew(long epoch) implements Command {}

    /** A device that is lost is told of by then, most often. */
    private static final Duration BEFORE_FORMING_ANEW = Duration.ofMillis(300);

    /** Ranks that fail one after the other, before it is given up. */
    private static final int MOST_FAULTS = 3;

    /** The longest between two tries to form a ring that breaks again and again. */
    private static final Duration BETWEEN_TRIES = Duration.ofSeconds(5);

    /** So long a ring may break before anything is made; where others come, they may be late. */
    private static final Duration BROKEN = Duration.ofMinutes(1);

    private static final Duration BROKEN_WHERE_OTHERS_COME = Duration.ofMinutes(10);

    private final TimerScheduler<Command> timers;
    private final Duration patience;
    private final boolean othersCome;
    private final ServedRing served;
    private final Epochs epochs;
    private final Consumer<ServingNews> onNews;
    private final ActorRef<Report> reports;
    private final Map<DeviceId, ActorRef<DeviceActor.Command>> devices = new LinkedHashMap<>();
    private final Map<DeviceId, Held> held = new LinkedHashMap<>();
    private final RankAnswers answers = new RankAnswers();
    private final Scheduler scheduler;
    private List<Held> ring = List.of();
    // Of its devices, as every node calls them.
    private List<String> names = List.of();
    private List<Report.HeldPages> pages = List.of();
    private long epoch;
    private boolean forming;
    private boolean stands;
    // Since when nothing was made by rings that broke; 0: the last one made something.
    private long brokenSince;
    private int faults;
    private String fault;

    /**
     * @param devices as many as the ring has ranks
     * @param patience after so long without {@link Heard} it ends; zero: never
     * @param othersCome whether it waits for others where the last of them is lost, or ends
     * @param onNews is told what becomes of it, on this actor's thread
     */
    public static Behavior<Command> create(
            ServedRing served,
            List<ActorRef<DeviceActor.Command>> devices,
            Epochs epochs,
            Duration patience,
            boolean othersCome,
            Consumer<ServingNews> onNews) {
        return Behaviors.withTimers(
                timers ->
                        Behaviors.setup(
                                context ->
                                        new ServingActor(
                                                context,
                                                timers,
                                                served,
                                                devices,
                                                epochs,
                                                patience,
                                                othersCome,
                                                onNews)));
    }

    private ServingActor(
            ActorContext<Command> context,
            TimerScheduler<Command> timers,
            ServedRing served,
            List<ActorRef<DeviceActor.Command>> devices,
            Epochs epochs,
            Duration patience,
            boolean othersCome,
            Consumer<ServingNews> onNews)
            throws IOException {
        super(context);
        this.timers = timers;
        this.patience = patience;
        this.othersCome = othersCome;
        this.served = served;
        this.epochs = epochs;
        this.onNews = onNews;
        this.scheduler = served.scheduler();
        this.reports = context.messageAdapter(Report.class, Told::new);
        for (ActorRef<DeviceActor.Command> device : devices) {
            add(Coordinator.id(device), device);
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
                .onMessage(Lost.class, this::onLost)
                .onMessage(FormAnew.class, this::onFormAnew)
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
        scheduler.ask(asked.id, asked.ask, asked.written, asked.listener);
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
        if (stands) {
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
            tell(ring.get(rank).device(), order.apply(rank));
        }
    }

    private void gather() throws IOException {
        epoch = epochs.next();
        forming = true;
        stands = false;
        held.clear();
        answers.clear();
        devices.keySet().forEach(device -> tell(device, new Order.Leave(epoch, device)));
    }

    private Behavior<Command> onLost(Lost lost) throws IOException {
        if (devices.remove(lost.device) == null) {
            return this;
        }
        if (devices.isEmpty() && !othersCome) {
            return end("device " + lost.device.name() + " was lost, the last of its ring");
        }
        getContext().getLog().warn("{} is lost, {} go on", lost.device.name(), devices.size());
        gather();
        return this;
    }

    private Behavior<Command> onFormAnew(FormAnew anew) throws IOException {
        if (anew.epoch == epoch) {
            gather();
        }
        return this;
    }

    private Behavior<Command> onReport(Report report) throws IOException {
        switch (report) {
            case Held one -> {
                if (one.epoch() == epoch) {
                    held.put(one.device(), one);
                    if (held.size() == devices.size()) {
                        load();
                    }
                }
            }
            case Report.Failed failed -> {
                return onFailed(failed);
            }
            case Report.Served made -> {
                if (made.epoch() == epoch) {
                    brokenSince = 0;
                    faults = 0;
                    scheduler.made(made.made());
                    return serve();
                }
            }
            case Report.HeldPages one -> {
                List<Report> all = one.epoch() == epoch ? answer(one) : List.of();
                if (!all.isEmpty()) {
                    pages = RankAnswers.as(Report.HeldPages.class, all);
                    RingPlaces places = new RingPlaces(epoch, RingPlaces.newToken(), addresses());
                    tellAll(rank -> new Order.JoinRing(epoch, rank, places));
                }
            }
            case Report.Joined one -> {
                if (one.epoch() == epoch && !answer(one).isEmpty()) {
                    begin();
                }
            }
            default -> {}
        }
        return this;
    }

    private List<Report> answer(Report report) {
        return answers.add(report, ring.size());
    }

    private List<LinkAddress> addresses() {
        return ring.stream().map(Held::address).toList();
    }

    private void load() {
        ring = Roster.choose(held.values(), "", devices.size()).ring();
        ActorRefResolver refs = ActorRefResolver.get(getContext().getSystem());
        names =
                ring.stream()
                        .map(one -> refs.toSerializationFormat(devices.get(one.device())))
                        .toList();
        tellAll(
                rank ->
                        new Order.LoadServing(
                                epoch,
                                rank,
                                served.model(),
                                served.saved(),
                                served.settings(),
                                served.pagesOfRank(),
                                served.openOfRank()));
    }

    private void begin() {
        PageDirectory directory = served.pages(addresses());
        for (Report.HeldPages of : pages) {
            of.pages().forEach(page -> directory.holds(of.rank(), page));
        }
        scheduler.restart(directory, fault);
        fault = null;
        forming = false;
        stands = true;
        int held = pages.stream().mapToInt(of -> of.pages().size()).sum();
        getContext()
                .getLog()
                .info(
                        "epoch {} of {} is formed: {} devices, which hold {} pages",
                        epoch,
                        served.model(),
                        ring.size(),
                        held);
        onNews.accept(new ServingNews.Stands(epoch, ring.stream().map(Held::device).toList()));
        serve();
    }

    private Behavior<Command> onFailed(Report.Failed failed) throws IOException {
        if (failed.epoch() != epoch) {
            // It was at fault before the ring broke: now it is told.
            fault = failed.ringBroke() || fault != null ? fault : failed.sentence();
            return this;
        }
        getContext().getLog().warn("rank {}: {}", failed.rank(), failed.sentence());
        stands = false;
        if (failed.ringBroke()) {
            return onBroken(failed.sentence());
        }
        if (forming || ++faults > MOST_FAULTS) {
            return end(failed.sentence());
        }
        fault = failed.sentence();
        gather();
        return this;
    }

    /** Tries again, the less often the longer it has been in vain. */
    private Behavior<Command> onBroken(String sentence) {
        long now = System.nanoTime();
        brokenSince = brokenSince == 0 ? now : brokenSince;
        Duration vain = Duration.ofNanos(now - brokenSince);
        if (vain.compareTo(othersCome ? BROKEN_WHERE_OTHERS_COME : BROKEN) > 0) {
            return end(sentence);
        }
        Duration pause = vain.dividedBy(10);
        pause = pause.compareTo(BEFORE_FORMING_ANEW) < 0 ? BEFORE_FORMING_ANEW : pause;
        pause = pause.compareTo(BETWEEN_TRIES) > 0 ? BETWEEN_TRIES : pause;
        timers.startSingleTimer(new FormAnew(epoch), pause);
        return this;
    }

    private Behavior<Command> onDevices(Devices message) throws IOException {
        Set<DeviceId> before = Set.copyOf(devices.keySet());
        Map<DeviceId, ActorRef<DeviceActor.Command>> now = new LinkedHashMap<>();
        message.devices.forEach(device -> now.put(Coordinator.id(device), device));
        for (DeviceId id : before) {
            if (!now.containsKey(id)) {
                tell(id, new Order.Release(epoch));
            }
        }
        devices.clear();
        now.forEach(this::add);
        if (!now.keySet().equals(before)) {
            gather();
        }
        return this;
    }

    private void add(DeviceId id, ActorRef<DeviceActor.Command> device) {
        devices.put(id, device);
        getContext().watchWith(device, new Lost(id));
    }

    private Behavior<Command> end(String sentence) {
        scheduler.failAll(sentence == null ? "the ring that writes it was closed" : sentence);
        devices.keySet().forEach(device -> tell(device, new Order.Release(epoch)));
        onNews.accept(new ServingNews.Ended(sentence));
        return Behaviors.stopped();
    }
}
