package org.ringworld.actors.queue;

import java.nio.file.Path;
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
import org.ringworld.actors.job.Coordinator;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.RankAnswers;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.coordination.Report.Held;
import org.ringworld.model.training.coordination.Roster;

/**
 * One forward of a saved model on a ring of a cluster: gather the devices, load, link up, run. Any
 * fault ends it with its sentence; whoever asked may ask again.
 */
public final class ForwardRun extends AbstractBehavior<Report> {
    /**
     * What is asked for; paths are those of every member.
     *
     * @param settings {@code key=value}, a line each, as the command line's forward takes them
     */
    public record Request(Path model, String settings, Path batch, Path out, boolean gradients) {}

    private final Request request;
    private final Map<DeviceId, ActorRef<DeviceActor.Command>> devices = new LinkedHashMap<>();
    private final long epoch;
    private final Consumer<String> onEnd;
    private final Map<DeviceId, Held> held = new LinkedHashMap<>();
    private final RankAnswers answers = new RankAnswers();
    private List<Held> ring;

    /**
     * @param onEnd is told the sentence of a fault, or null when all ranks have written their parts
     */
    static Behavior<Report> create(
            Request request,
            List<ActorRef<DeviceActor.Command>> devices,
            long epoch,
            Consumer<String> onEnd) {
        return Behaviors.setup(context -> new ForwardRun(context, request, devices, epoch, onEnd));
    }

    private ForwardRun(
            ActorContext<Report> context,
            Request request,
            List<ActorRef<DeviceActor.Command>> devices,
            long epoch,
            Consumer<String> onEnd) {
        super(context);
        this.request = request;
        this.epoch = epoch;
        this.onEnd = onEnd;
        for (ActorRef<DeviceActor.Command> device : devices) {
            DeviceId id = Coordinator.id(device);
            this.devices.put(id, device);
            context.watchWith(device, new Report.Failed(0, epoch, 0, true, "a device was lost"));
            tell(device, new Order.Leave(epoch, id));
        }
    }

    private void tell(ActorRef<DeviceActor.Command> device, Order order) {
        device.tell(new DeviceActor.Ordered(order, getContext().getSelf()));
    }

    private void tellAll(IntFunction<Order> order) {
        for (int rank = 0; rank < ring.size(); rank++) {
            tell(devices.get(ring.get(rank).device()), order.apply(rank));
        }
    }

    @Override
    public Receive<Report> createReceive() {
        return newReceiveBuilder().onMessage(Report.class, this::onReport).build();
    }

    private Behavior<Report> onReport(Report report) {
        switch (report) {
            case Held one -> {
                held.put(one.device(), one);
                if (held.size() == devices.size()) {
                    ring = Roster.choose(held.values(), "", devices.size()).ring();
                    tellAll(this::load);
                }
            }
            case Report.Failed failed -> {
                return end(failed.sentence());
            }
            default -> {
                if (!answers.add(report, ring.size()).isEmpty()) {
                    return onAll(report);
                }
            }
        }
        return this;
    }

    private Order load(int rank) {
        return new Order.LoadModel(
                epoch, rank, request.model.toString(), request.settings, request.gradients);
    }

    private Behavior<Report> onAll(Report done) {
        switch (done) {
            case Report.Prepared _ -> {
                RingPlaces places =
                        new RingPlaces(
                                epoch,
                                RingPlaces.newToken(),
                                ring.stream().map(Held::address).toList());
                tellAll(rank -> new Order.JoinRing(epoch, rank, places));
            }
            case Report.Joined _ -> {
                String batch = request.batch.toString();
                String out = request.out.toString();
                tellAll(_ -> new Order.Forward(epoch, batch, out, request.gradients));
            }
            default -> {
                return end(null);
            }
        }
        return this;
    }

    private Behavior<Report> end(String sentence) {
        devices.values().forEach(device -> tell(device, new Order.Release(epoch)));
        onEnd.accept(sentence);
        return Behaviors.stopped();
    }
}
