package org.ringworld.actors.device;

import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.ringworld.actors.Faults;
import org.ringworld.actors.links.LinkException;
import org.ringworld.actors.links.Links;
import org.ringworld.actors.links.RankLinks;
import org.ringworld.model.ring.RingBrokenException;
import org.ringworld.model.training.coordination.DeviceEpochs;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceLostException;

/**
 * Owns one device, its model and its end of the ring. Computation runs on the device's own thread,
 * in the order of the messages, while the mailbox stays free: an order of an old epoch is dropped,
 * and when this actor stops its neighbours' pending transfers fail at once.
 */
public final class DeviceActor extends AbstractBehavior<DeviceActor.Command> {
    /** What it is told. */
    public sealed interface Command {}

    /** Do this, and tell what came of it. */
    public record Ordered(Order order, ActorRef<Report> replyTo) implements Command {}

    /** Its device is of no more use. */
    private record DeviceLost(String sentence) implements Command {}

    private final Device device;
    private final Links links;
    private final Runnable onUnsure;
    private final DeviceEpochs epochs;
    private final RankWorker worker;
    private final ExecutorService thread;
    private final ActorRef<Command> self;
    private final AtomicInteger queued = new AtomicInteger();
    private RankLinks end;

    /**
     * @param index its rank until a ring gives it another
     * @param jobs opens the work that orders name
     * @param onUnsure is run when a ring is joined, left or broken: these are the moments in which
     *     no link would end with another process
     */
    public static Behavior<Command> create(
            int index, Device device, Links links, OpenJobs jobs, Runnable onUnsure) {
        return Behaviors.setup(
                context -> new DeviceActor(context, index, device, links, jobs, onUnsure));
    }

    private DeviceActor(
            ActorContext<Command> context,
            int index,
            Device device,
            Links links,
            OpenJobs jobs,
            Runnable onUnsure) {
        super(context);
        this.self = context.getSelf();
        this.device = device;
        this.links = links;
        this.onUnsure = onUnsure;
        this.epochs = new DeviceEpochs(index);
        this.worker = new RankWorker(device, jobs);
        this.thread =
                Executors.newSingleThreadExecutor(
                        body -> device.newThread("device-" + index, body));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Ordered.class, this::onOrdered)
                .onMessage(DeviceLost.class, this::onDeviceLost)
                .onSignal(PostStop.class, signal -> onStop())
                .build();
    }

    private Behavior<Command> onOrdered(Ordered message) {
        Order order = message.order;
        ActorRef<Report> to = message.replyTo;
        if (!epochs.follows(order)) {
            getContext()
                    .getLog()
                    .warn(
                            "rank {} dropped an order of epoch {} in epoch {} ({} so far)",
                            epochs.rank(),
                            order.epoch(),
                            epochs.epoch(),
                            epochs.dropped());
            return this;
        }
        switch (order) {
            case Order.Leave leave -> {
                leaveRing("epoch " + leave.epoch() + " began");
                onUnsure.run();
                run(to, () -> worker.held(leave, links.address()));
            }
            case Order.JoinRing join -> joinRing(join, to);
            case Order.Pulse _ -> pulse(to);
            case Order.Release _ -> {
                leaveRing("the job is over");
                thread.execute(worker::forget);
            }
            case Order.Host host -> run(to, () -> worker.host(host));
            case Order.LoadModel load -> run(to, () -> worker.loadModel(load));
            case Order.SaveState save -> {
                int rank = epochs.rank();
                run(
                        to,
                        () -> {
                            worker.save(save, rank, to::tell);
                            return null;
                        });
            }
            case Order.Measure _ -> run(to, worker::measure);
            case Order.Synchronize take -> inRing(to, () -> worker.synchronize(take));
            case Order.TrainStep step -> {
                worker.planAhead(step, epochs.rank(), end.size());
                inRing(to, () -> worker.step(step));
            }
            case Order.EvaluateBatch batch -> inRing(to, () -> worker.evaluate(batch));
            case Order.Forward forward -> inRing(to, () -> worker.forward(forward));
            case Order.LoadServing load -> run(to, () -> worker.loadServing(load));
            case Order.Serve serve -> {
                worker.take(serve);
                inRing(to, () -> worker.serve(serve.epoch(), to::tell));
            }
        }
        return this;
    }

    // ---- its end of the ring

    private void joinRing(Order.JoinRing join, ActorRef<Report> to) {
        leaveRing("rank " + join.rank() + " joined epoch " + join.epoch());
        RankLinks joined = new RankLinks(links, join.places(), join.rank(), device);
        end = joined;
        onUnsure.run();
        run(to, () -> worker.join(join, joined));
    }

    private void leaveRing(String reason) {
        if (end == null) {
            return;
        }
        // At once, so that the device's thread unwinds; its end closes after that, on that thread.
        RankLinks left = end;
        left.breakUp("rank " + epochs.rank() + " left: " + reason);
        end = null;
        thread.execute(left::close);
    }

    private void pulse(ActorRef<Report> to) {
        boolean waiting =
                queued.get() == 0 || worker.isPlanning() || end == null || end.isWaiting();
        long progress = device.progress() + (end == null ? 0 : end.progress());
        to.tell(new Report.Pulsed(epochs.rank(), epochs.epoch(), progress, waiting));
    }

    /** Whoever watches this actor goes on without it. */
    private Behavior<Command> onDeviceLost(DeviceLost lost) {
        getContext().getLog().error("{} leaves: {}", device.name(), lost.sentence);
        return Behaviors.stopped();
    }

    private Behavior<Command> onStop() {
        leaveRing("it stopped");
        thread.execute(worker::close);
        thread.shutdown();
        return this;
    }

    // ---- on the device's thread

    /** Work with the other ranks of the ring. */
    private void inRing(ActorRef<Report> to, Callable<Report> work) {
        RankLinks in = end;
        run(to, () -> in.work(work));
    }

    /**
     * Runs work on the device's thread; a fault breaks the ring, so that the others unwind. Work
     * that another thread answers for returns null.
     */
    private void run(ActorRef<Report> to, Callable<Report> work) {
        int rank = epochs.rank();
        long epoch = epochs.epoch();
        RankLinks in = end;
        queued.incrementAndGet();
        thread.execute(
                () -> {
                    Report report;
                    try {
                        report = work.call();
                    } catch (Exception | Error e) {
                        // An Error too: whoever asked would wait for an answer that never comes.
                        report = failed(rank, epoch, e, in);
                    } finally {
                        queued.decrementAndGet();
                    }
                    if (report != null) {
                        to.tell(report);
                    }
                });
    }

    private Report failed(int rank, long epoch, Throwable fault, RankLinks in) {
        String sentence = Faults.sentence(fault);
        boolean broke = fault instanceof RingBrokenException || fault instanceof LinkException;
        if (fault instanceof DeviceLostException && in != null && in.size() > 1) {
            broke = true; // the others have the job's state
            self.tell(new DeviceLost(sentence));
        }
        if (in != null) {
            in.breakUp("rank " + rank + ": " + sentence);
            in.close();
            if (broke) {
                onUnsure.run();
            }
        }
        return new Report.Failed(rank, epoch, worker.finishedStep(), broke, sentence);
    }
}
