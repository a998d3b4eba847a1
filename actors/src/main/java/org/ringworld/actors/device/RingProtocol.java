package org.ringworld.actors.device;

import java.util.List;
import org.apache.pekko.actor.typed.ActorRef;
import org.ringworld.actors.links.LinkAddress;
import org.ringworld.actors.links.RankLinks;

/**
 * What a coordinator says to the devices of its ring; all of it may cross hosts. An epoch is one
 * ring: it begins with {@link Leave}, which ends the one before, and every message carries its
 * number. A device follows the highest number it was told and drops and counts what is of another.
 */
public sealed interface RingProtocol extends DeviceActor.Command {
    long epoch();

    /**
     * Leave the ring you are in: transfers fail at once, work on its way unwinds. Answered by
     * {@link Held} when the device stands still.
     */
    record Leave(long epoch, ActorRef<DeviceActor.Reply> replyTo) implements RingProtocol {}

    /**
     * Become rank {@code rank}: open the job's data, if it is not the one you have, and hold its
     * weights.
     *
     * @param text the resolved configuration
     * @param weights what to do where this device does not hold the job's state
     * @param snapshot the directory for {@link Weights#SNAPSHOT}, else empty
     */
    record Host(
            long epoch,
            int rank,
            String job,
            String text,
            Weights weights,
            String snapshot,
            ActorRef<DeviceActor.Reply> replyTo)
            implements RingProtocol {}

    /** Where weights come from. */
    enum Weights {
        /** From another rank, by {@link Synchronize}. */
        PEER,
        /** As the job begins: random ones, or a model's. */
        START,
        SNAPSHOT
    }

    /** Link up with your neighbours. */
    record JoinRing(
            long epoch, int rank, RankLinks.Places places, ActorRef<DeviceActor.Reply> replyTo)
            implements RingProtocol {}

    /** Take over the state after {@code step} that rank {@code from} holds. */
    record Synchronize(long epoch, int from, long step, ActorRef<DeviceActor.Reply> replyTo)
            implements RingProtocol {}

    /** One optimizer step, with all other ranks. */
    record TrainStep(long epoch, long step, ActorRef<DeviceActor.Reply> replyTo)
            implements RingProtocol {}

    /** Losses of some unseen rows, with all other ranks. */
    record EvaluateBatch(
            long epoch, int stage, int index, double ropeTheta, ActorRef<DeviceActor.Reply> replyTo)
            implements RingProtocol {}

    /**
     * Write the state to disk, at a stage's end its models too; needs no other rank and no ring.
     *
     * @param fence the number under which the job's output is owned
     */
    record SaveState(long epoch, long fence, boolean stageEnds, ActorRef<DeviceActor.Reply> replyTo)
            implements RingProtocol {}

    /**
     * Become rank {@code rank} and hold a saved model's weights, to run it.
     *
     * @param settings as {@link OpenJobs.Reader} takes them
     */
    record LoadModel(
            long epoch,
            int rank,
            String model,
            String settings,
            boolean gradients,
            ActorRef<DeviceActor.Reply> replyTo)
            implements RingProtocol {}

    /** Run the batch of a file with all other ranks; write your part beside {@code out}. */
    record ForwardFile(
            long epoch,
            String batch,
            String out,
            boolean gradients,
            ActorRef<DeviceActor.Reply> replyTo)
            implements RingProtocol {}

    /** Say whether you get on. */
    record Pulse(long epoch, ActorRef<DeviceActor.Reply> replyTo) implements RingProtocol {}

    /** The job is over: give back its memory. */
    record Release(long epoch) implements RingProtocol {}

    /**
     * The device stands still.
     *
     * @param address where its process takes links
     * @param name of the device
     * @param job whose state it holds; empty: none
     * @param finishedStep of that job, −1 where the state is not whole
     * @param steps the last steps that it finished, oldest first
     */
    record Held(
            ActorRef<DeviceActor.Command> from,
            long epoch,
            LinkAddress address,
            String name,
            String job,
            long finishedStep,
            List<DeviceActor.Stepped> steps)
            implements DeviceActor.Reply {
        @Override
        public int rank() {
            return -1;
        }
    }

    record Synchronized(int rank, long epoch, long step) implements DeviceActor.Reply {}

    /**
     * @param progress grows while the device or its links get on
     * @param waiting whether it stands still until another rank sends something, or has no work
     */
    record Pulsed(int rank, long epoch, long progress, boolean waiting)
            implements DeviceActor.Reply {}
}
