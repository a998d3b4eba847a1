package org.ringworld.actors.device;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
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
import org.ringworld.actors.links.ReceiveBuffers;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.ring.Ring;
import org.ringworld.model.ring.RingBrokenException;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.TrainingStep;
import org.ringworld.model.training.job.BatchFile;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.OpenJob;
import org.ringworld.model.training.job.SaveRequest;
import org.ringworld.model.training.job.TrainingState;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;

/**
 * Owns one device, its model and its end of the ring. Computation runs on the device's own thread,
 * in the order of the messages, while the mailbox stays free: a message of an old epoch is dropped,
 * and when this actor stops its neighbours' pending transfers fail at once.
 */
public final class DeviceActor extends AbstractBehavior<DeviceActor.Command> {
    /** What it is asked: by a coordinator, or by a caller of the same JVM. */
    public sealed interface Command
            permits RingProtocol, Prepare, Step, Evaluate, Forward, Measure, Save {}

    /** Take these weights; with {@code training} also an optimizer's state. */
    public record Prepare(ModelSource model, DType dtype, boolean training, ActorRef<Reply> replyTo)
            implements Command {}

    /** One optimizer step, with all other ranks. */
    public record Step(long epoch, StepPlan plan, String recompute, ActorRef<Reply> replyTo)
            implements Command {}

    /** Losses of unseen rows, with all other ranks. */
    public record Evaluate(
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
    public sealed interface Reply
            permits Prepared,
                    Joined,
                    Stepped,
                    Evaluated,
                    Forwarded,
                    Measured,
                    Saved,
                    Copied,
                    NotSaved,
                    Failed,
                    RingProtocol.Held,
                    RingProtocol.Synchronized,
                    RingProtocol.Pulsed {
        int rank();
    }

    public record Prepared(int rank, long epoch, String device, long finishedStep)
            implements Reply {}

    public record Joined(int rank, long epoch) implements Reply {}

    /** A step is over. If the gradient's norm is not finite, no weight was touched. */
    public record Stepped(
            int rank, long epoch, long step, TrainingStep.Outcome outcome, TimeSpent spent)
            implements Reply {}

    /** Of this rank's tokens: Σ w·ce, and for each row how many answers were missed. */
    public record Evaluated(int rank, long epoch, long id, double lossSum, int[] missed)
            implements Reply {}

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

    /**
     * A command failed; the sentence says why.
     *
     * @param ringBroke whether another rank or a link was at fault, not this device
     */
    public record Failed(
            int rank, long epoch, long finishedStep, boolean ringBroke, String sentence)
            implements Reply {}

    /** Steps that it can still tell of; a coordinator's successor asks for the last few. */
    private static final int RECORDS = 256;

    private final Device device;
    private final Links links;
    private final OpenJobs host;
    private final Runnable onUnsure;
    private final ReceiveBuffers buffers;
    private final ExecutorService thread;
    private final AtomicInteger queued = new AtomicInteger();
    private volatile boolean planning;

    // Touched by the device's thread alone.
    private RankModel model;
    private OpenJob job;
    private Inference inference;
    private Ring ring;
    private RankLinks opened;
    private TrainingState state;
    private Future<?> writing = CompletableFuture.completedFuture(null);
    private final Deque<Stepped> finished = new ArrayDeque<>();

    // Copies of the state become files here, while the device goes on.
    private final ExecutorService writer =
            Executors.newSingleThreadExecutor(Thread.ofPlatform().name("writer").factory());

    // Touched by the actor alone.
    private int rank;
    private RankLinks end;
    private long epoch = -1;
    private long dropped;

    /** An actor that owns {@code device} and closes it when it stops; its ring is of one JVM. */
    public static Behavior<Command> create(int index, Device device, Links links) {
        return create(index, device, links, null, () -> {});
    }

    /**
     * @param index its rank until a ring gives it another
     * @param host opens the jobs that coordinators name
     * @param onUnsure is run when a ring is joined, left or broken: these are the moments in which
     *     no link would end with another process
     */
    public static Behavior<Command> create(
            int index, Device device, Links links, OpenJobs host, Runnable onUnsure) {
        return Behaviors.setup(
                context -> new DeviceActor(context, index, device, links, host, onUnsure));
    }

    private DeviceActor(
            ActorContext<Command> context,
            int index,
            Device device,
            Links links,
            OpenJobs host,
            Runnable onUnsure) {
        super(context);
        this.rank = index;
        this.device = device;
        this.links = links;
        this.host = host;
        this.onUnsure = onUnsure;
        this.buffers = new ReceiveBuffers(device);
        this.thread =
                Executors.newSingleThreadExecutor(
                        body -> device.newThread("device-" + index, body));
        writer.execute(ThreadPriority::lower);
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(RingProtocol.class, this::onRing)
                .onMessage(Prepare.class, this::onPrepare)
                .onMessage(
                        Step.class,
                        c -> inRing(c.epoch, c.replyTo, () -> step(c.epoch, c.plan, c.recompute)))
                .onMessage(
                        Evaluate.class,
                        c ->
                                inRing(
                                        c.epoch,
                                        c.replyTo,
                                        () ->
                                                model.evaluate(
                                                        c.batch, c.ropeTheta, ring, c.epoch, c.id)))
                .onMessage(
                        Forward.class,
                        c ->
                                inRing(
                                        c.epoch,
                                        c.replyTo,
                                        () -> model.forward(c.batch, c.gradients, ring)))
                .onMessage(Measure.class, this::onMeasure)
                .onMessage(Save.class, c -> save(c.requests, c.replyTo))
                .onSignal(PostStop.class, signal -> onStop())
                .build();
    }

    private Behavior<Command> onRing(RingProtocol message) {
        if (message.epoch() < epoch) {
            return drop(message.epoch());
        }
        return switch (message) {
            case RingProtocol.Leave leave -> onLeave(leave);
            case RingProtocol.Host c -> inEpoch(c.epoch(), c.replyTo(), () -> host(c));
            case RingProtocol.LoadModel c -> inEpoch(c.epoch(), c.replyTo(), () -> load(c));
            case RingProtocol.ForwardFile c -> inRing(c.epoch(), c.replyTo(), () -> forward(c));
            case RingProtocol.JoinRing join -> onJoinRing(join);
            case RingProtocol.Synchronize c ->
                    inRing(
                            c.epoch(),
                            c.replyTo(),
                            () -> {
                                model.synchronize(ring, c.from(), c.step());
                                return new RingProtocol.Synchronized(rank, c.epoch(), c.step());
                            });
            case RingProtocol.TrainStep c -> {
                if (c.epoch() == epoch && job != null) {
                    job.plan(c.step(), end.size()); // begun while an earlier step runs
                }
                yield inRing(c.epoch(), c.replyTo(), () -> step(c));
            }
            case RingProtocol.EvaluateBatch c -> inRing(c.epoch(), c.replyTo(), () -> evaluate(c));
            case RingProtocol.SaveState c ->
                    inEpoch(
                            c.epoch(),
                            c.replyTo(),
                            () -> {
                                write(requests(c), c.replyTo());
                                return null;
                            });
            case RingProtocol.Pulse pulse -> onPulse(pulse);
            case RingProtocol.Release release -> onRelease();
        };
    }

    private Behavior<Command> onPrepare(Prepare command) {
        run(
                command.replyTo,
                () -> {
                    dropModel();
                    model = new RankModel(device, command.model, command.dtype, command.training);
                    return new Prepared(rank, epoch, device.name(), model.finishedStep());
                });
        return this;
    }

    // ---- epochs

    private Behavior<Command> onLeave(RingProtocol.Leave leave) {
        leaveRing("epoch " + leave.epoch() + " began");
        epoch = leave.epoch();
        onUnsure.run();
        run(
                leave.replyTo(),
                () ->
                        new RingProtocol.Held(
                                getContext().getSelf(),
                                leave.epoch(),
                                links.address(),
                                device.name(),
                                job == null ? "" : job.id(),
                                model == null ? RankModel.NOTHING : model.finishedStep(),
                                List.copyOf(finished)));
        return this;
    }

    private Reply host(RingProtocol.Host command) throws IOException {
        boolean known = job != null && job.id().equals(command.job());
        boolean holds = known && model != null && model.finishedStep() >= 0;
        if (!holds || command.weights() != RingProtocol.Weights.PEER) {
            forget();
            job = host.open(command.job(), command.text());
            model = new RankModel(device, source(command), job.job().dtype(), true);
        }
        return new Prepared(command.rank(), command.epoch(), device.name(), model.finishedStep());
    }

    private Reply load(RingProtocol.LoadModel command) throws IOException {
        forget();
        inference = host.inference(Path.of(command.model()), command.settings());
        ModelSource source = new ModelSource.Files(inference.config(), inference.model());
        model = new RankModel(device, source, inference.dtype(), command.gradients());
        return new Prepared(command.rank(), command.epoch(), device.name(), 0);
    }

    private Reply forward(RingProtocol.ForwardFile command) throws IOException {
        BatchFile batch = inference.batch(Path.of(command.batch()));
        Forwarded made =
                model.forward(inference.cut(batch, ring.size()), command.gradients(), ring);
        Path part = ForwardedFile.part(Path.of(command.out()), ring.rank());
        ForwardedFile.write(made, part);
        return new Saved(ring.rank(), part, 0);
    }

    private ModelSource source(RingProtocol.Host command) {
        Job of = job.job();
        return switch (command.weights()) {
            case PEER -> new ModelSource.Nothing(of.model());
            case SNAPSHOT -> new ModelSource.FromSnapshot(of.model(), Path.of(command.snapshot()));
            case START ->
                    of.start() == null
                            ? new ModelSource.Random(of.model(), of.seed(), of.initStd())
                            : new ModelSource.Files(
                                    of.model(), of.start(), of.seed(), of.initStd());
        };
    }

    private Behavior<Command> onJoinRing(RingProtocol.JoinRing command) {
        leaveRing("rank " + command.rank() + " joined epoch " + command.epoch());
        epoch = command.epoch();
        rank = command.rank();
        RankLinks joined = new RankLinks(links, command.places(), rank);
        end = joined;
        onUnsure.run();
        run(
                command.replyTo(),
                () -> {
                    opened = joined;
                    ring = joined.open(device, buffers);
                    return new Joined(command.rank(), command.epoch());
                });
        return this;
    }

    private void leaveRing(String reason) {
        if (end == null) {
            return;
        }
        // At once, so that the device's thread unwinds; its end closes after that, on that thread.
        RankLinks left = end;
        left.breakUp("rank " + rank + " left: " + reason);
        end = null;
        thread.execute(left::close);
    }

    private Behavior<Command> onPulse(RingProtocol.Pulse pulse) {
        boolean waiting = queued.get() == 0 || planning || end == null || end.isWaiting();
        long progress = device.progress() + (end == null ? 0 : end.progress());
        pulse.replyTo().tell(new RingProtocol.Pulsed(rank, pulse.epoch(), progress, waiting));
        return this;
    }

    private Behavior<Command> onRelease() {
        leaveRing("the job is over");
        thread.execute(this::forget);
        return this;
    }

    /** Lets go of the job and gives all memory back: what it kept would be the next job's lack. */
    private void forget() {
        dropModel();
        buffers.trim();
        device.trim();
        inference = null;
        if (job != null) {
            host.done(job);
            job = null;
        }
        finished.clear();
    }

    private void dropModel() {
        awaitWriting();
        if (opened != null) {
            opened.awaitUnread();
        }
        if (state != null) {
            state.close();
            state = null;
        }
        if (model != null) {
            RankModel old = model;
            model = null;
            old.close();
        }
    }

    private void awaitWriting() {
        try {
            writing.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (java.util.concurrent.ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        }
    }

    // ---- work

    private Reply step(RingProtocol.TrainStep command) throws Exception {
        // Long rows take long to cut: that is no device that hangs.
        planning = true;
        StepPlan plan;
        try {
            plan = job.plan(command.step(), ring.size()).get();
        } finally {
            planning = false;
        }
        return step(command.epoch(), plan, job.job().recompute());
    }

    private Reply step(long of, StepPlan plan, String recompute) {
        long start = System.nanoTime();
        Ring.Times before = ring.times();
        TrainingStep.Outcome outcome = model.train(plan, ring, recompute);
        TimeSpent spent = TimeSpent.of(System.nanoTime() - start, ring.times().since(before));
        Stepped stepped = new Stepped(ring.rank(), of, plan.step(), outcome, spent);
        if (Double.isFinite(outcome.gradNorm())) {
            finished.add(stepped);
            if (finished.size() > RECORDS) {
                finished.remove();
            }
        }
        return stepped;
    }

    private Reply evaluate(RingProtocol.EvaluateBatch c) throws Exception {
        MicroBatch batch = job.batch(c.stage(), c.index(), ring.size()).get();
        return model.evaluate(batch, c.ropeTheta(), ring, c.epoch(), c.index());
    }

    private Behavior<Command> onMeasure(Measure command) {
        run(command.replyTo, () -> new Measured(rank, model.memory()));
        return this;
    }

    // ---- saving

    private Behavior<Command> save(List<SaveRequest> requests, ActorRef<Reply> replyTo) {
        run(
                replyTo,
                () -> {
                    write(requests, replyTo);
                    return null;
                });
        return this;
    }

    private List<SaveRequest> requests(RingProtocol.SaveState command) {
        Fence fence = Fence.of(job.job().output(), command.fence());
        return SaveRequest.of(
                job.job(), model.finishedStep(), command.epoch(), command.stageEnds(), fence);
    }

    /** Copies the state out of the device, and has the copy written. */
    private void write(List<SaveRequest> requests, ActorRef<Reply> replyTo) {
        // The last one's writing must be over: there is one copy of the state.
        long start = System.nanoTime();
        awaitWriting();
        if (state == null) {
            state = new TrainingState(model.parameters());
        }
        long step = model.finishedStep();
        state.take(device, step);
        double seconds = (System.nanoTime() - start) / 1e9;
        Copied copied = new Copied(rank, step, seconds);
        writing = writer.submit(() -> write(state, requests, copied, replyTo));
    }

    /** Answers in this order: copied, then what became of it. */
    private static void write(
            TrainingState state, List<SaveRequest> requests, Copied copied, ActorRef<Reply> to) {
        to.tell(copied);
        int left = requests.size();
        try {
            for (SaveRequest request : requests) {
                state.write(request);
                left--;
                to.tell(new Saved(copied.rank, request.path(), copied.step));
            }
        } catch (Exception | Error e) {
            to.tell(new NotSaved(copied.rank, copied.step, left, Faults.sentence(e)));
        }
    }

    // ---- order

    /** Work of an epoch that needs no other rank. */
    private Behavior<Command> inEpoch(long of, ActorRef<Reply> replyTo, Callable<Reply> work) {
        if (of != epoch) {
            return drop(of);
        }
        run(replyTo, work);
        return this;
    }

    /** Work with the other ranks of an epoch; of any other epoch than this ring's it is dropped. */
    private Behavior<Command> inRing(long of, ActorRef<Reply> replyTo, Callable<Reply> work) {
        RankLinks in = end;
        return in == null || of != in.epoch()
                ? drop(of)
                : inEpoch(of, replyTo, () -> in.work(work));
    }

    private Behavior<Command> drop(long of) {
        dropped++;
        getContext()
                .getLog()
                .warn(
                        "rank {} dropped a message of epoch {} in epoch {} ({} so far)",
                        rank,
                        of,
                        epoch,
                        dropped);
        return this;
    }

    private Behavior<Command> onStop() {
        leaveRing("it stopped");
        thread.execute(
                () -> {
                    try {
                        forget();
                    } finally {
                        device.close();
                        writer.shutdown();
                    }
                });
        thread.shutdown();
        return this;
    }

    /**
     * Runs work on the device's thread; a fault breaks the ring, so that the others unwind. Work
     * that another thread answers for returns null.
     */
    private void run(ActorRef<Reply> replyTo, Callable<Reply> work) {
        int of = rank;
        long workEpoch = epoch;
        RankLinks in = end;
        queued.incrementAndGet();
        thread.execute(
                () -> {
                    Reply reply;
                    try {
                        reply = work.call();
                    } catch (Exception | Error e) {
                        // An Error too: whoever asked would wait for an answer that never comes.
                        String sentence = Faults.sentence(e);
                        boolean broke =
                                e instanceof RingBrokenException || e instanceof LinkException;
                        if (in != null) {
                            in.breakUp("rank " + of + ": " + sentence);
                            in.close();
                            if (broke) {
                                onUnsure.run();
                            }
                        }
                        long step = model == null ? RankModel.NOTHING : model.finishedStep();
                        reply = new Failed(of, workEpoch, step, broke, sentence);
                    } finally {
                        queued.decrementAndGet();
                    }
                    if (reply != null) {
                        replyTo.tell(reply);
                    }
                });
    }
}
