package org.ringworld.actors;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.ringworld.model.LocalRing;
import org.ringworld.model.MicroBatch;
import org.ringworld.model.Modality;
import org.ringworld.model.Ring;
import org.ringworld.model.TrainingStep;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;

/**
 * Owns one device, its model and its end of the ring. Computation runs on the device's own thread,
 * in the order of the messages, while the mailbox stays free: a message of an old epoch is dropped,
 * and when this actor stops its neighbours' pending transfers fail at once.
 */
public final class DeviceActor extends AbstractBehavior<DeviceActor.Command> {
    /** What it is asked. */
    public sealed interface Command {}

    /** Take these weights; with {@code training} also an optimizer's state. */
    public record Prepare(ModelSource model, DType dtype, boolean training, ActorRef<Reply> replyTo)
            implements Command {}

    /** Become rank {@code rank} of a ring. */
    public record JoinRing(String ring, long epoch, int rank, int size, ActorRef<Reply> replyTo)
            implements Command {}

    /** One optimizer step, with all other ranks. */
    public record Step(long epoch, StepPlan plan, String recompute, ActorRef<Reply> replyTo)
            implements Command {}

    /** Losses of unseen rows, with all other ranks. */
    public record Judge(
            long epoch, long id, MicroBatch batch, double ropeTheta, ActorRef<Reply> replyTo)
            implements Command {}

    /** Logits and gradients of one batch, with all other ranks. */
    public record Forward(long epoch, MicroBatch batch, boolean gradients, ActorRef<Reply> replyTo)
            implements Command {}

    /** Say what the memory of a model in training is used for. */
    public record Measure(ActorRef<Reply> replyTo) implements Command {}

    /** Write the state to disk; needs no other rank and no ring. */
    public record Save(List<SaveRequest> requests, ActorRef<Reply> replyTo) implements Command {}

    /** What it answers. */
    public sealed interface Reply {
        int rank();
    }

    public record Prepared(int rank, String device, long finishedStep) implements Reply {}

    public record Joined(int rank, long epoch) implements Reply {}

    /** A step is over. If the gradient's norm is not finite, no weight was touched. */
    public record Stepped(
            int rank,
            long epoch,
            long step,
            TrainingStep.Outcome outcome,
            double secondsCompute,
            double secondsWait)
            implements Reply {}

    /** Of this rank's tokens: Σ w·ce, and for each row how many answers were missed. */
    public record Judged(int rank, long id, double lossSum, int[] missed) implements Reply {}

    /** logits: [S,V] of each head that was asked; gradients by name, on rank 0 alone. */
    public record Forwarded(
            int rank, double lossSum, Map<Modality, float[]> logits, Map<String, float[]> gradients)
            implements Reply {}

    public record Measured(int rank, MemoryUse memory) implements Reply {}

    public record Saved(int rank, Path path, long step) implements Reply {}

    /** The state is copied and will be written; the next step may come. */
    public record Copied(int rank, long step, double seconds) implements Reply {}

    /** {@code unwritten} of the requests could not be written. */
    public record NotSaved(int rank, long step, int unwritten, String sentence) implements Reply {}

    /** A command failed; the sentence says why. */
    public record Failed(int rank, long epoch, long finishedStep, String sentence)
            implements Reply {}

    private final int index;
    private final Device device;
    private final ExecutorService thread;

    // Touched by the device's thread alone.
    private RankModel model;
    private Ring ring;
    private TrainingState state;
    private Future<?> writing = CompletableFuture.completedFuture(null);

    // Copies of the state become files here, while the device goes on.
    private final ExecutorService writer =
            Executors.newSingleThreadExecutor(Thread.ofPlatform().name("writer").factory());

    // Touched by the actor alone.
    private String ringName;
    private long epoch = -1;
    private long dropped;

    /** An actor that owns {@code device} and closes it when it stops. */
    public static Behavior<Command> create(int index, Device device) {
        return Behaviors.setup(context -> new DeviceActor(context, index, device));
    }

    private DeviceActor(ActorContext<Command> context, int index, Device device) {
        super(context);
        this.index = index;
        this.device = device;
        this.thread =
                Executors.newSingleThreadExecutor(
                        body -> device.newThread("device-" + index, body));
        writer.execute(ThreadPriority::lower);
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Prepare.class, this::onPrepare)
                .onMessage(JoinRing.class, this::onJoinRing)
                .onMessage(Step.class, this::onStep)
                .onMessage(Judge.class, this::onJudge)
                .onMessage(Forward.class, this::onForward)
                .onMessage(Measure.class, this::onMeasure)
                .onMessage(Save.class, this::onSave)
                .onSignal(PostStop.class, signal -> onStop())
                .build();
    }

    private Behavior<Command> onPrepare(Prepare command) {
        run(
                command.replyTo,
                () -> {
                    model = new RankModel(device, command.model, command.dtype, command.training);
                    return new Prepared(index, device.name(), model.finishedStep());
                });
        return this;
    }

    private Behavior<Command> onJoinRing(JoinRing command) {
        leaveRing("rank " + index + " joined epoch " + command.epoch);
        ringName = command.ring;
        epoch = command.epoch;
        LocalRing joined = LocalRings.join(command.ring, command.epoch, command.size);
        run(
                command.replyTo,
                () -> {
                    ring = joined.member(command.rank);
                    return new Joined(index, command.epoch);
                });
        return this;
    }

    private Behavior<Command> onStep(Step command) {
        return inRing(
                command.epoch,
                command.replyTo,
                () -> {
                    long start = System.nanoTime();
                    long waited = ring.nanosWaited();
                    TrainingStep.Outcome outcome =
                            model.train(command.plan, ring, command.recompute);
                    double wait = (ring.nanosWaited() - waited) / 1e9;
                    double seconds = (System.nanoTime() - start) / 1e9;
                    return new Stepped(
                            index,
                            command.epoch,
                            command.plan.step(),
                            outcome,
                            seconds - wait,
                            wait);
                });
    }

    private Behavior<Command> onJudge(Judge command) {
        return inRing(
                command.epoch,
                command.replyTo,
                () -> model.judge(command.batch, command.ropeTheta, ring, command.id));
    }

    private Behavior<Command> onForward(Forward command) {
        return inRing(
                command.epoch,
                command.replyTo,
                () -> model.forward(command.batch, command.gradients, ring));
    }

    private Behavior<Command> onMeasure(Measure command) {
        run(command.replyTo, () -> new Measured(index, model.memory()));
        return this;
    }

    private Behavior<Command> onSave(Save command) {
        run(
                command.replyTo,
                () -> {
                    // The last one's writing must be over: there is one copy of the state.
                    long start = System.nanoTime();
                    writing.get();
                    if (state == null) {
                        state = new TrainingState(model.parameters());
                    }
                    long step = model.finishedStep();
                    state.take(device, step);
                    double seconds = (System.nanoTime() - start) / 1e9;
                    Copied copied = new Copied(index, step, seconds);
                    writing = writer.submit(() -> write(command, copied));
                    return null;
                });
        return this;
    }

    /** Answers in this order: copied, then what became of it. */
    private void write(Save command, Copied copied) {
        command.replyTo.tell(copied);
        long step = copied.step();
        int left = command.requests.size();
        try {
            for (SaveRequest request : command.requests) {
                state.write(request);
                left--;
                command.replyTo.tell(new Saved(index, request.path(), step));
            }
        } catch (Exception | OutOfMemoryError e) {
            command.replyTo.tell(new NotSaved(index, step, left, Faults.sentence(e)));
        }
    }

    /** Work with the other ranks of an epoch; of any other epoch than this ring's it is dropped. */
    private Behavior<Command> inRing(
            long workEpoch, ActorRef<Reply> replyTo, Callable<Reply> work) {
        if (workEpoch == epoch) {
            run(replyTo, work);
            return this;
        }
        dropped++;
        getContext()
                .getLog()
                .warn(
                        "rank {} dropped a message of epoch {} in epoch {} ({} so far)",
                        index,
                        workEpoch,
                        epoch,
                        dropped);
        return this;
    }

    private Behavior<Command> onStop() {
        leaveRing("rank " + index + " stopped");
        thread.execute(
                () -> {
                    if (model != null) {
                        model.close();
                    }
                    device.close();
                    writer.execute(
                            () -> {
                                if (state != null) {
                                    state.close();
                                }
                            });
                    writer.shutdown();
                });
        thread.shutdown();
        return this;
    }

    private void leaveRing(String reason) {
        if (ringName != null) {
            LocalRings.breakUp(ringName, epoch, reason);
        }
    }

    /**
     * Runs work on the device's thread; a fault breaks the ring, so that the others unwind. Work
     * that another thread answers for returns null.
     */
    private void run(ActorRef<Reply> replyTo, Callable<Reply> work) {
        String name = ringName;
        long workEpoch = epoch;
        CompletableFuture.runAsync(
                () -> {
                    Reply reply;
                    try {
                        reply = work.call();
                    } catch (Exception | OutOfMemoryError | StackOverflowError e) {
                        String sentence = Faults.sentence(e);
                        if (name != null) {
                            LocalRings.breakUp(name, workEpoch, "rank " + index + ": " + sentence);
                        }
                        long finished = model == null ? 0 : model.finishedStep();
                        reply = new Failed(index, workEpoch, finished, sentence);
                    }
                    if (reply != null) {
                        replyTo.tell(reply);
                    }
                },
                thread);
    }
}
