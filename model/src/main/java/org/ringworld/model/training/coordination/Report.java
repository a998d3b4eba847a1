package org.ringworld.model.training.coordination;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.decode.HeldPage;
import org.ringworld.model.decode.Made;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.training.MemoryUse;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.TrainingStep;

/** What a device answers. */
public sealed interface Report {
    /** Its rank in the ring; −1 where it is in none. */
    int rank();

    /**
     * The device stands still.
     *
     * @param device what the coordinator calls it
     * @param address where its process takes links
     * @param name of the device
     * @param job whose state it holds; empty: none
     * @param finishedStep of that job, −1 where the state is not whole
     * @param steps the last steps that it finished, oldest first
     * @param shares of that job's ring, of which it was one; empty: even ones
     */
    record Held(
            DeviceId device,
            long epoch,
            LinkAddress address,
            String name,
            String job,
            long finishedStep,
            List<Stepped> steps,
            List<DeviceShare> shares)
            implements Report {
        /** Whose speed it has: cards count as one kind, processors by their threads. */
        public String kind() {
            return name.startsWith("cuda ") ? "cuda" : name;
        }

        @Override
        public int rank() {
            return -1;
        }
    }

    /**
     * @param tokensPerSecond of forward and backward where that was to be measured, else 0
     */
    record Prepared(int rank, long epoch, String device, long finishedStep, double tokensPerSecond)
            implements Report {}

    /** A model is there, to write texts with it, and these of its pages are full. */
    record HeldPages(int rank, long epoch, List<HeldPage> pages) implements Report {}

    record Joined(int rank, long epoch) implements Report {}

    record Synchronized(int rank, long epoch, long step) implements Report {}

    /**
     * A step is over. If the gradient's norm is not finite, no weight was touched.
     *
     * @param constants of the step, the same on all ranks
     */
    record Stepped(
            int rank,
            long epoch,
            long step,
            StepPlan.Constants constants,
            TrainingStep.Outcome outcome,
            TimeSpent spent)
            implements Report {}

    /**
     * Of this rank's tokens: Σ w·ce, and for each row how many answers were missed.
     *
     * @param id the batch's
     * @param targetWeight Σ w of all ranks
     */
    record Evaluated(
            int rank, long epoch, long id, double lossSum, double targetWeight, int[] missed)
            implements Report {}

    /** logits: [S,V] of each head that was asked; gradients by name, on rank 0 alone. */
    record Forwarded(
            int rank, double lossSum, Map<Modality, float[]> logits, Map<String, float[]> gradients)
            implements Report {}

    /** A step of writing texts is over. */
    record Served(int rank, long epoch, Made made) implements Report {}

    record Measured(int rank, MemoryUse memory) implements Report {}

    record Saved(int rank, Path path, long step) implements Report {}

    /**
     * The state is copied and will be written; the next step may come.
     *
     * @param snapshot where it will be
     */
    record Copied(int rank, long step, double seconds, Path snapshot) implements Report {}

    /**
     * {@code unwritten} of the files asked for could not be written.
     *
     * @param takenOver whether the job's output has another owner by now
     */
    record NotSaved(int rank, long step, int unwritten, boolean takenOver, String sentence)
            implements Report {}

    /**
     * An order failed; the sentence says why.
     *
     * @param ringBroke whether another rank or a link was at fault, not this device
     */
    record Failed(int rank, long epoch, long finishedStep, boolean ringBroke, String sentence)
            implements Report {}

    /**
     * @param progress grows while the device or its links get on
     * @param waiting whether it stands still until another rank sends something, or has no work
     */
    record Pulsed(int rank, long epoch, long progress, boolean waiting) implements Report {}
}
