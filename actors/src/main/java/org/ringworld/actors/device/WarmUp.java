package org.ringworld.actors.device;

import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.ringworld.actors.links.Links;
import org.ringworld.actors.links.RankLinks;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.model.training.StepPlan;
import org.ringworld.runtime.DType;

/**
 * Trains a small model of no use on a node's devices, before others know of them: the code of steps
 * is compiled then. A ring waits for its slowest rank, and one whose code is still interpreted
 * takes some hundred times as long.
 */
public final class WarmUp extends AbstractBehavior<DeviceActor.Reply> {
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
    private final RankLinks.Places places;
    private final Runnable onWarm;
    private final Iterator<DType> dtypes = List.of(DType.BF16, DType.F32).iterator();
    private int answers;
    private int step;

    /**
     * @param onWarm is run at last, whatever happens
     */
    public static Behavior<DeviceActor.Reply> create(
            List<ActorRef<DeviceActor.Command>> devices, Links links, Runnable onWarm) {
        return Behaviors.setup(context -> new WarmUp(context, devices, links, onWarm));
    }

    private WarmUp(
            ActorContext<DeviceActor.Reply> context,
            List<ActorRef<DeviceActor.Command>> devices,
            Links links,
            Runnable onWarm) {
        super(context);
        this.devices = devices;
        this.places =
                new RankLinks.Places(
                        EPOCH, new byte[0], Collections.nCopies(devices.size(), links.address()));
        this.onWarm = onWarm;
        for (int rank = 0; rank < devices.size(); rank++) {
            devices.get(rank)
                    .tell(new RingProtocol.JoinRing(EPOCH, rank, places, context.getSelf()));
        }
    }

    @Override
    public Receive<DeviceActor.Reply> createReceive() {
        return newReceiveBuilder().onMessage(DeviceActor.Reply.class, this::onReply).build();
    }

    private Behavior<DeviceActor.Reply> onReply(DeviceActor.Reply reply) {
        if (reply instanceof DeviceActor.Failed failed) {
            getContext().getLog().warn("could not warm up: {}", failed.sentence());
            return done();
        }
        if (++answers < devices.size()) {
            return this;
        }
        answers = 0;
        boolean train =
                reply instanceof DeviceActor.Prepared
                        || (reply instanceof DeviceActor.Stepped && step % STEPS_A_DTYPE != 0);
        return train ? train() : prepare();
    }

    private Behavior<DeviceActor.Reply> prepare() {
        if (!dtypes.hasNext()) {
            return done();
        }
        DType dtype = dtypes.next();
        ModelSource source = new ModelSource.Random(MODEL, 1, 0.02);
        devices.forEach(
                d -> d.tell(new DeviceActor.Prepare(source, dtype, true, getContext().getSelf())));
        return this;
    }

    private Behavior<DeviceActor.Reply> train() {
        int tokens = TOKENS * devices.size();
        StepPlan plan = RandomSteps.plan(MODEL, tokens, tokens, step++, devices.size());
        devices.forEach(
                d -> d.tell(new DeviceActor.Step(EPOCH, plan, "none", getContext().getSelf())));
        return this;
    }

    private Behavior<DeviceActor.Reply> done() {
        devices.forEach(d -> d.tell(new RingProtocol.Release(EPOCH)));
        onWarm.run();
        return Behaviors.stopped();
    }
}
