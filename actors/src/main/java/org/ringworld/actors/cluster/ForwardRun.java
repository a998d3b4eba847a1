package org.ringworld.actors.cluster;

import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.RingProtocol;
import org.ringworld.actors.device.RingProtocol.Held;
import org.ringworld.actors.job.Roster;
import org.ringworld.actors.links.RankLinks;

/**
 * One forward of a saved model on a ring of a cluster: gather the devices, load, link up, run. Any
 * fault ends it with its sentence; whoever asked may ask again.
 */
final class ForwardRun extends AbstractBehavior<DeviceActor.Reply> {
    /**
     * What is asked for; paths are those of every member.
     *
     * @param settings {@code key=value}, a line each, as the command line's forward takes them
     */
    record Order(Path model, String settings, Path batch, Path out, boolean gradients) {}

    private final Order order;
    private final List<ActorRef<DeviceActor.Command>> devices;
    private final long epoch;
    private final Consumer<String> onEnd;
    private final Map<ActorRef<DeviceActor.Command>, Held> lefts = new LinkedHashMap<>();
    private final List<DeviceActor.Reply> answers = new ArrayList<>();
    private List<Held> ring;

    /**
     * @param onEnd is told the sentence of a fault, or null when all ranks have written their parts
     */
    static Behavior<DeviceActor.Reply> create(
            Order order,
            List<ActorRef<DeviceActor.Command>> devices,
            long epoch,
            Consumer<String> onEnd) {
        return Behaviors.setup(context -> new ForwardRun(context, order, devices, epoch, onEnd));
    }

    private ForwardRun(
            ActorContext<DeviceActor.Reply> context,
            Order order,
            List<ActorRef<DeviceActor.Command>> devices,
            long epoch,
            Consumer<String> onEnd) {
        super(context);
        this.order = order;
        this.devices = devices;
        this.epoch = epoch;
        this.onEnd = onEnd;
        for (ActorRef<DeviceActor.Command> device : devices) {
            context.watchWith(
                    device, new DeviceActor.Failed(0, epoch, 0, true, "a device was lost"));
            device.tell(new RingProtocol.Leave(epoch, context.getSelf()));
        }
    }

    @Override
    public Receive<DeviceActor.Reply> createReceive() {
        return newReceiveBuilder().onMessage(DeviceActor.Reply.class, this::onReply).build();
    }

    private Behavior<DeviceActor.Reply> onReply(DeviceActor.Reply reply) {
        switch (reply) {
            case Held left -> {
                lefts.put(left.from(), left);
                if (lefts.size() == devices.size()) {
                    ring = Roster.choose(lefts.values(), "", devices.size()).ring();
                    tellAll(this::load);
                }
            }
            case DeviceActor.Failed failed -> {
                return end(failed.sentence());
            }
            default -> {
                answers.add(reply);
                if (answers.size() == ring.size()) {
                    answers.sort(Comparator.comparingInt(DeviceActor.Reply::rank));
                    DeviceActor.Reply first = answers.getFirst();
                    answers.clear();
                    return onAll(first);
                }
            }
        }
        return this;
    }

    private RingProtocol.LoadModel load(int rank) {
        return new RingProtocol.LoadModel(
                epoch,
                rank,
                order.model().toString(),
                order.settings(),
                order.gradients(),
                getContext().getSelf());
    }

    private Behavior<DeviceActor.Reply> onAll(DeviceActor.Reply first) {
        switch (first) {
            case DeviceActor.Prepared _ -> {
                byte[] token = new byte[16];
                new SecureRandom().nextBytes(token);
                RankLinks.Places places =
                        new RankLinks.Places(
                                epoch, token, ring.stream().map(Held::address).toList());
                tellAll(
                        rank ->
                                new RingProtocol.JoinRing(
                                        epoch, rank, places, getContext().getSelf()));
            }
            case DeviceActor.Joined _ ->
                    tellAll(
                            rank ->
                                    new RingProtocol.ForwardFile(
                                            epoch,
                                            order.batch().toString(),
                                            order.out().toString(),
                                            order.gradients(),
                                            getContext().getSelf()));
            default -> {
                return end(null);
            }
        }
        return this;
    }

    private void tellAll(IntFunction<RingProtocol> command) {
        for (int rank = 0; rank < ring.size(); rank++) {
            ring.get(rank).from().tell(command.apply(rank));
        }
    }

    private Behavior<DeviceActor.Reply> end(String sentence) {
        devices.forEach(d -> d.tell(new RingProtocol.Release(epoch)));
        onEnd.accept(sentence);
        return Behaviors.stopped();
    }
}
