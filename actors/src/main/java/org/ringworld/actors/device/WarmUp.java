package org.ringworld.actors.device;

import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.function.IntFunction;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.ringworld.actors.links.Links;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.model.training.StepRows;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.RankAnswers;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.rank.HeldWork;
import org.ringworld.model.training.rank.ModelSource;
import org.ringworld.model.training.rank.RandomSteps;
import org.ringworld.runtime.DType;

/**
 * Trains a small model of no use on a node's devices, before others know of them: the code of steps
 * is compiled then. A ring waits for its slowest rank, and one whose code is still interpreted
 * takes some hundred times as long.
 */
public final class WarmUp extends AbstractBehavior<Report> {
    private static final LlamaConfig MODEL =
            new LlamaConfig(
                    260,
                    64,
                    128,
                    2,
                    2,
                    2,
                    32,
                    1e-5,
                    1e4,
                    new RopeScaling.None(),
                    false,
                    1 << 20,
                    0);
    private static final int TOKENS = 256;
    private static final long EPOCH = 0;

    /**
     * The compilers have done most by then. Not a time: on a host whose cores are taken, a node's
     * first step alone may last seconds.
     */
    private static final int STEPS_A_DTYPE = 64;

    private final List<ActorRef<DeviceActor.Command>> devices;
    private final OpenJobs jobs;
    private final RingPlaces places;
    private final Runnable onWarm;
    private final Iterator<DType> dtypes = List.of(DType.BF16, DType.F32).iterator();
    private final RankAnswers answers = new RankAnswers();
    private HeldWork work;
    private int step;

    /**
     * @param onWarm is run at last, whatever happens
     */
    public static Behavior<Report> create(
            List<ActorRef<DeviceActor.Command>> devices,
            OpenJobs jobs,
            Links links,
            Runnable onWarm) {
        return Behaviors.setup(context -> new WarmUp(context, devices, jobs, links, onWarm));
    }

    private WarmUp(
            ActorContext<Report> context,
            List<ActorRef<DeviceActor.Command>> devices,
            OpenJobs jobs,
            Links links,
            Runnable onWarm) {
        super(context);
        this.devices = devices;
        this.jobs = jobs;
        this.places =
                new RingPlaces(
                        EPOCH, new byte[0], Collections.nCopies(devices.size(), links.address()));
        this.onWarm = onWarm;
        tellAll(rank -> new Order.JoinRing(EPOCH, rank, places));
    }

    private void tellAll(IntFunction<Order> order) {
        for (int rank = 0; rank < devices.size(); rank++) {
            Order one = order.apply(rank);
            devices.get(rank).tell(new DeviceActor.Ordered(one, getContext().getSelf()));
        }
    }

    @Override
    public Receive<Report> createReceive() {
        return newReceiveBuilder().onMessage(Report.class, this::onReport).build();
    }

    private Behavior<Report> onReport(Report report) {
        if (report instanceof Report.Failed failed) {
            getContext().getLog().warn("could not warm up: {}", failed.sentence());
            return done();
        }
        if (answers.add(report, devices.size()).isEmpty()) {
            return this;
        }
        boolean train =
                report instanceof Report.Prepared
                        || (report instanceof Report.Stepped && step % STEPS_A_DTYPE != 0);
        return train ? train() : prepare();
    }

    private Behavior<Report> prepare() {
        forget();
        if (!dtypes.hasNext()) {
            return done();
        }
        DType dtype = dtypes.next();
        ModelSource source = new ModelSource.Random(MODEL, 1, 0.02);
        work = new HeldWork("warm-up " + dtype, source, dtype, true, Recompute.Choice.NONE);
        jobs.hold(work);
        tellAll(rank -> new Order.Host(EPOCH, rank, work.id(), "", Order.Weights.START, "", 0));
        return this;
    }

    private Behavior<Report> train() {
        int tokens = TOKENS * devices.size();
        StepRows rows = RandomSteps.rows(MODEL, tokens, tokens, step++, devices.size());
        work.hold(rows);
        tellAll(_ -> new Order.TrainStep(EPOCH, rows.step().step()));
        return this;
    }

    private void forget() {
        if (work != null) {
            jobs.done(work);
            work = null;
        }
    }

    private Behavior<Report> done() {
        forget();
        tellAll(_ -> new Order.Release(EPOCH));
        onWarm.run();
        return Behaviors.stopped();
    }
}
