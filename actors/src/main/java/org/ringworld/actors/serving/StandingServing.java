package org.ringworld.actors.serving;

import java.time.Duration;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.job.Epochs;
import org.ringworld.model.decode.Load;

/**
 * A model that a cluster serves: has a ring write what the fronts of all nodes ask for. It keeps
 * nothing that a front does not know, so whoever serves the model next is asked for all of it anew.
 */
public final class StandingServing extends AbstractBehavior<StandingServing.Command> {
    /** What it is told. */
    public sealed interface Command {}

    /** The devices that it may use from now on. */
    public record Devices(List<ActorRef<DeviceActor.Command>> devices) implements Command {}

    /** It is over; devices are given back. */
    public record Close() implements Command {}

    /** A newer model is there: it is over as soon as no front asks for this one any more. */
    public record Retire() implements Command {}

    private record Said(ToServing said) implements Command {}

    private record Listed(Receptionist.Listing listing) implements Command {}

    private record FrontLost(ActorRef<ToFront> front) implements Command {}

    private record Beat() implements Command {}

    private record TellLoad() implements Command {}

    /** Something came of a text. */
    record Came(RemoteText text, Runnable news) implements Command {}

    /** Comes behind what had come until then: fronts are told of a step at once. */
    private record Flush() implements Command {}

    private record OfRing(ServingNews news) implements Command {}

    /** So often fronts are told what there is to do, as long as that changes. */
    private static final Duration LOADS = Duration.ofMillis(500);

    private final OfferedModel offered;
    private final long generation;
    private final Consumer<ServingNews> onNews;
    private final ActorRef<ServingActor.Command> ring;
    private final ActorRef<ToServing> ear;
    private final Map<ActorRef<ToFront>, RemoteFront> fronts = new LinkedHashMap<>();
    private ServingNews.Fronts told = ServingNews.Fronts.NONE;
    private Load load = Load.UNKNOWN;
    private Load toldLoad = load;
    private long asked;
    private boolean flushes;
    private boolean retires;

    /**
     * @param generation greater than that of whoever served it before
     * @param devices to begin with
     * @param onNews is told what becomes of it, on other threads
     */
    public static Behavior<Command> create(
            OfferedModel offered,
            long generation,
            ServedRing served,
            List<ActorRef<DeviceActor.Command>> devices,
            Epochs epochs,
            Consumer<ServingNews> onNews) {
        return create(
                offered,
                generation,
                context -> {
                    ActorRef<Command> self = context.getSelf();
                    return context.spawn(
                            ServingActor.create(
                                    served,
                                    devices,
                                    epochs,
                                    Duration.ZERO,
                                    true,
                                    news -> self.tell(new OfRing(news))),
                            "ring");
                },
                onNews);
    }

    /**
     * @param ring makes whoever writes
     */
    static Behavior<Command> create(
            OfferedModel offered,
            long generation,
            Function<ActorContext<Command>, ActorRef<ServingActor.Command>> ring,
            Consumer<ServingNews> onNews) {
        return Behaviors.withTimers(
                timers ->
                        Behaviors.setup(
                                context -> {
                                    timers.startTimerWithFixedDelay(new Beat(), Fronts.BEAT);
                                    timers.startTimerWithFixedDelay(new TellLoad(), LOADS);
                                    return new StandingServing(
                                            context,
                                            offered,
                                            generation,
                                            ring.apply(context),
                                            onNews);
                                }));
    }

    private StandingServing(
            ActorContext<Command> context,
            OfferedModel offered,
            long generation,
            ActorRef<ServingActor.Command> ring,
            Consumer<ServingNews> onNews) {
        super(context);
        this.offered = offered;
        this.generation = generation;
        this.onNews = onNews;
        this.ring = ring;
        this.ear = context.messageAdapter(ToServing.class, Said::new);
        context.watch(ring);
        // Fronts are found rather than it by them: they have been there for long, and all nodes
        // know of them; of whoever serves a model now the others would hear a gossip later.
        context.getSystem()
                .receptionist()
                .tell(
                        Receptionist.subscribe(
                                Fronts.KEY,
                                context.messageAdapter(Receptionist.Listing.class, Listed::new)));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Said.class, message -> onSaid(message.said))
                .onMessage(Came.class, this::onCame)
                .onMessage(Flush.class, _ -> onFlush())
                .onMessage(Beat.class, _ -> onBeat())
                .onMessage(TellLoad.class, _ -> onTellLoad())
                .onMessage(Listed.class, this::onListed)
                .onMessage(FrontLost.class, lost -> onFrontLost(lost.front))
                .onMessage(Devices.class, this::onDevices)
                .onMessage(Retire.class, _ -> onRetire())
                .onMessage(Close.class, _ -> onClose())
                .onMessage(OfRing.class, message -> onNews(message.news))
                .onSignal(Terminated.class, _ -> onRingGone())
                .build();
    }

    // ---- fronts

    private Behavior<Command> onListed(Listed message) {
        message.listing.getAllServiceInstances(Fronts.KEY).forEach(this::front);
        return tellFronts();
    }

    private RemoteFront front(ActorRef<ToFront> ref) {
        RemoteFront known = fronts.get(ref);
        if (known != null) {
            return known;
        }
        RemoteFront front = new RemoteFront(ref);
        fronts.put(ref, front);
        getContext().watchWith(ref, new FrontLost(ref));
        introduce(front);
        return front;
    }

    private void introduce(RemoteFront front) {
        front.ref.tell(new ToFront.Serves(ear, generation, offered));
    }

    private Behavior<Command> onBeat() {
        for (RemoteFront front : fronts.values()) {
            if (!front.heard) {
                introduce(front);
            }
            front.heard = false;
        }
        return this;
    }

    private Behavior<Command> onTellLoad() {
        if (!load.equals(toldLoad)) {
            toldLoad = load;
            fronts.keySet().forEach(front -> front.tell(new ToFront.Busy(offered.id(), load)));
        }
        return this;
    }

    private Behavior<Command> onFrontLost(ActorRef<ToFront> ref) {
        RemoteFront front = fronts.remove(ref);
        List.copyOf(front.texts.values()).forEach(this::forget);
        return tellFronts();
    }

    private Behavior<Command> onRetire() {
        retires = true;
        return tellFronts();
    }

    private Behavior<Command> tellFronts() {
        if (retires && fronts.values().stream().allMatch(f -> f.left || !f.fault.isEmpty())) {
            return onClose();
        }
        List<String> addresses =
                fronts.values().stream().map(f -> f.address).filter(a -> !a.isEmpty()).toList();
        List<String> faults =
                fronts.values().stream().map(f -> f.fault).filter(f -> !f.isEmpty()).toList();
        int opening = fronts.size() - addresses.size() - faults.size();
        ServingNews.Fronts now = new ServingNews.Fronts(addresses, opening, faults);
        if (!now.equals(told)) {
            told = now;
            onNews.accept(now);
        }
        return this;
    }

    // ---- texts

    private Behavior<Command> onSaid(ToServing said) {
        RemoteFront front = front(said.front());
        switch (said) {
            case ToServing.Asked one -> {
                RemoteText text =
                        new RemoteText(++asked, front, one.number(), getContext().getSelf());
                front.texts.put(text.number, text);
                ring.tell(new ServingActor.Asked(text.id, one.ask(), one.emitted(), text));
            }
            case ToServing.Cancelled one -> {
                RemoteText text = front.texts.get(one.number());
                if (text != null) {
                    forget(text);
                }
            }
            case ToServing.Have have -> {
                front.heard = true;
                front.address = have.address();
                front.fault = have.fault();
                front.left = have.left();
                compare(front, have.heard());
                front.ref.tell(new ToFront.Busy(offered.id(), toldLoad));
                return tellFronts();
            }
        }
        return this;
    }

    /** Messages may be lost: what the front waits for in vain it asks again. */
    private void compare(RemoteFront front, Map<Long, Integer> heard) {
        for (RemoteText text : List.copyOf(front.texts.values())) {
            Integer tokens = heard.get(text.number);
            if (tokens == null || tokens < text.toldBefore) {
                forget(text);
            }
            text.toldBefore = text.told;
        }
        Set<Long> unknown = new HashSet<>(heard.keySet());
        unknown.removeAll(front.texts.keySet());
        if (!unknown.isEmpty()) {
            front.flush();
            front.ref.tell(new ToFront.Unknown(unknown));
        }
    }

    private void forget(RemoteText text) {
        text.front.texts.remove(text.number);
        ring.tell(new ServingActor.Cancelled(text.id));
    }

    private Behavior<Command> onCame(Came came) {
        if (came.text.front.texts.get(came.text.number) == came.text) {
            came.news.run();
            if (!flushes) {
                flushes = true;
                getContext().getSelf().tell(new Flush());
            }
        }
        return this;
    }

    private Behavior<Command> onFlush() {
        flushes = false;
        fronts.values().forEach(RemoteFront::flush);
        return this;
    }

    // ---- the ring

    private Behavior<Command> onDevices(Devices message) {
        ring.tell(new ServingActor.Devices(message.devices));
        return this;
    }

    private Behavior<Command> onClose() {
        ring.tell(new ServingActor.Close());
        return this;
    }

    private Behavior<Command> onNews(ServingNews news) {
        switch (news) {
            case ServingNews.Ended ended -> {
                return end(ended.sentence());
            }
            case ServingNews.Busy busy -> {
                load = busy.load();
                // Of a new ring they hear at once.
                return load.epoch() == toldLoad.epoch() ? this : onTellLoad();
            }
            default -> onNews.accept(news);
        }
        return this;
    }

    private Behavior<Command> end(String sentence) {
        onFlush();
        ToFront.Closed closed =
                new ToFront.Closed(
                        offered.id(), sentence == null ? "the model was stopped" : sentence);
        fronts.keySet().forEach(front -> front.tell(closed));
        onNews.accept(new ServingNews.Ended(sentence));
        return Behaviors.stopped();
    }

    /** Whatever it had to say is before this. */
    private Behavior<Command> onRingGone() {
        String sentence = "its ring failed; the log of the node says why";
        getContext().getSelf().tell(new OfRing(new ServingNews.Ended(sentence)));
        return this;
    }
}
