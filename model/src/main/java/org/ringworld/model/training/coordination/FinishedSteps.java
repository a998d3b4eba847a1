package org.ringworld.model.training.coordination;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

/**
 * After which step a rank's state stands, and the last steps it can tell of: the rank's side of the
 * commit rule. A step counts once its update was made, and an update is made of the whole ring's
 * sums alone and never interrupted.
 */
public final class FinishedSteps {
    /** The step of a state that is not whole. */
    public static final long NOTHING = -1;

    /** Steps that it can still tell of; a coordinator's successor asks for the last few. */
    private static final int RECORDS = 256;

    private final Deque<Report.Stepped> records = new ArrayDeque<>();
    private long step = NOTHING;

    public long step() {
        return step;
    }

    /** The last ones, oldest first. */
    public List<Report.Stepped> records() {
        return List.copyOf(records);
    }

    /** Weights were filled with the state after {@code now}, or with none. */
    public void begin(long now) {
        step = now;
        records.clear();
    }

    /** A step is over; one whose gradient was no number left the weights as they were. */
    public void trained(Report.Stepped stepped) {
        if (Double.isFinite(stepped.outcome().gradNorm())) {
            step = stepped.step();
            records.add(stepped);
            if (records.size() > RECORDS) {
                records.remove();
            }
        }
    }

    /**
     * The state after {@code of} comes from another rank now. Whoever holds that step gets the same
     * bits again and stays whole whatever happens to the giver; for the others there is nothing
     * whole until all of it is here.
     */
    public void takesOver(boolean isGiver, long of) {
        step = isGiver || step == of ? of : NOTHING;
    }

    /**
     * All of it is here.
     *
     * @param told what the giver can tell of its last steps
     */
    public void tookOver(long of, List<Report.Stepped> told) {
        if (step != of) {
            begin(of);
            records.addAll(told);
        }
    }
}
