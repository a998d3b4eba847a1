package org.ringworld.model.training.coordination;

import java.util.List;
import org.ringworld.model.training.Curriculum;

/**
 * What of a job is being written: which device does, and how many files are still to come. One that
 * is still writing goes on as the writer: what two write at once could not be told apart. A part of
 * {@link JobDecisions}.
 */
final class Saving {
    private final Curriculum curriculum;
    private DeviceId writer;
    private boolean stageEnds;
    private int unwritten;

    /** The step of the last state that was asked for when a ring shrank; 0: none. */
    private long savedStep;

    Saving(Curriculum curriculum) {
        this.curriculum = curriculum;
    }

    boolean isOver() {
        return unwritten == 0;
    }

    /** Who is to write next. */
    DeviceId writer(List<DeviceId> ring) {
        return unwritten > 0 && ring.contains(writer) ? writer : ring.getFirst();
    }

    /** It is to write next: a snapshot, at a stage's end that stage's model, and the last one's. */
    void ask(DeviceId by, boolean ofStage) {
        writer = by;
        stageEnds = ofStage;
    }

    boolean stageEnds() {
        return stageEnds;
    }

    /** It is told to write what was asked for, of that step. */
    DeviceId begin(long step) {
        unwritten += !stageEnds ? 1 : step == curriculum.steps() ? 3 : 2;
        return writer;
    }

    /** So many are written, or never will be. */
    void done(int files) {
        unwritten = Math.max(0, unwritten - files);
    }

    /**
     * Only these devices are left: what another was writing is lost with it.
     *
     * @return whether the writer is lost
     */
    boolean use(List<DeviceId> devices) {
        boolean lost = writer != null && !devices.contains(writer);
        if (lost) {
            forget();
        }
        return lost;
    }

    void forget() {
        writer = null;
        unwritten = 0;
    }

    /** Whether the state after {@code step} was not asked for yet; from now on it was. */
    boolean lacks(long step) {
        boolean lacks = savedStep < step;
        savedStep = Math.max(savedStep, step);
        return lacks;
    }
}
