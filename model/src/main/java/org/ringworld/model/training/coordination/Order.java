package org.ringworld.model.training.coordination;

import java.util.List;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.ring.RingPlaces;

/**
 * What a coordinator says to the devices of its ring. An epoch is one ring: it begins with {@link
 * Leave}, which ends the one before, and every order carries its number. A device follows the
 * highest number it was told and drops and counts what is of another.
 */
public sealed interface Order {
    long epoch();

    /**
     * Leave the ring you are in: transfers fail at once, work on its way unwinds. Answered by
     * {@link Report.Held} when the device stands still.
     *
     * @param device what the coordinator calls you
     */
    record Leave(long epoch, DeviceId device) implements Order {}

    /**
     * Become rank {@code rank}: open the job's data, if it is not the one you have, and hold its
     * weights.
     *
     * @param text the resolved configuration
     * @param weights what to do where this device does not hold the job's state
     * @param snapshot the directory for {@link Weights#SNAPSHOT}, else empty
     * @param measured tokens of a row, at most, by which your speed is measured; 0: it is not
     */
    record Host(
            long epoch,
            int rank,
            String job,
            String text,
            Weights weights,
            String snapshot,
            int measured)
            implements Order {}

    /** Where weights come from. */
    enum Weights {
        /** From another rank, by {@link Synchronize}. */
        PEER,
        /** As the job begins: random ones, or a model's. */
        START,
        SNAPSHOT
    }

    /**
     * Link up with your neighbours.
     *
     * @param shares of the ring's devices in every row, by rank; empty: even ones
     */
    record JoinRing(long epoch, int rank, RingPlaces places, List<DeviceShare> shares)
            implements Order {
        /** A ring of even shares. */
        public JoinRing(long epoch, int rank, RingPlaces places) {
            this(epoch, rank, places, List.of());
        }
    }

    /**
     * Take over the state after {@code step} that rank {@code from} holds.
     *
     * @param records what it can tell of its last steps: from now on you can too
     */
    record Synchronize(long epoch, int from, long step, List<Report.Stepped> records)
            implements Order {}

    /**
     * One optimizer step, with all other ranks.
     *
     * @param rounds of each stage, as far as is known by now; empty: one of each
     */
    record TrainStep(long epoch, long step, List<Integer> rounds) implements Order {
        /** Of a job whose stages are done once. */
        public TrainStep(long epoch, long step) {
            this(epoch, step, List.of());
        }
    }

    /** Losses of some unseen rows, with all other ranks. */
    record EvaluateBatch(long epoch, int stage, int index, double ropeTheta) implements Order {}

    /**
     * Write the state to disk, at a stage's end its models too; needs no other rank and no ring.
     *
     * @param fence the number under which the job's output is owned
     * @param models besides the snapshot: none; at a stage's end 1, that stage's; at the job's 2,
     *     the final one too
     * @param rounds as {@link TrainStep} has them
     */
    record SaveState(long epoch, long fence, int models, List<Integer> rounds) implements Order {
        /** Of a job whose stages are done once. */
        public SaveState(long epoch, long fence, int models) {
            this(epoch, fence, models, List.of());
        }
    }

    /**
     * Become rank {@code rank} and hold a saved model's weights, to run it.
     *
     * @param model its path
     * @param settings {@code key=value}, a line each, as the command line's forward takes them
     */
    record LoadModel(long epoch, int rank, String model, String settings, boolean gradients)
            implements Order {}

    /**
     * Become rank {@code rank} and hold a saved model's weights, to write texts with it, and pages
     * for their keys and values. Who has them already keeps them and what they hold. Answered by
     * {@link Report.HeldPages}.
     *
     * @param model its path
     * @param saved since when it is there, milliseconds since 1970: what is saved in its place is
     *     another model
     * @param settings {@code key=value}, a line each, as the command line's generate takes them
     * @param pages of the rank
     * @param open how many of them may be partly filled, or be filled in one step
     */
    record LoadServing(
            long epoch, int rank, String model, long saved, String settings, int pages, int open)
            implements Order {}

    /** Do this from some step on, with all other ranks; each step is answered. */
    record Serve(long epoch, org.ringworld.model.decode.Serve serve) implements Order {}

    /**
     * Run a batch with all other ranks.
     *
     * @param out the file beside which your part is written; empty: answer with it
     */
    record Forward(long epoch, String batch, String out, boolean gradients) implements Order {}

    /** Say what the memory of a model in training is used for. */
    record Measure(long epoch) implements Order {}

    /** Say whether you get on. */
    record Pulse(long epoch) implements Order {}

    /** The job is over: give back its memory. */
    record Release(long epoch) implements Order {}
}
