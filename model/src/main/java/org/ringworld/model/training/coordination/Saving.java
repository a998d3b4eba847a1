package org.ringworld.model.training.coordination;

import java.util.List;

/**
 * What of a job is being written: which device does, and how many files are still to come. One that
 * is still writing goes on as the writer: what two write at once could not be told apart. A part of
 * {@link JobDecisions}.
 */
final class Saving {
    private DeviceId writer;
    private int models;
    private int unwritten;

    /** The step of the last state that was asked for when a ring shrank; 0: none. */
    private long savedStep;

    boolean isOver() {
        return unwritten == 0;
    }

    /** Who is to write next. */
    DeviceId writer(List<DeviceId> ring) {
        return unwritten > 0 && ring.contains(writer) ? writer : ring.getFirst();
    }

    /**
     * It is to write next: a snapshot and models.
     *
     * @param models as {@link Order.SaveState} has them
     */
    void ask(DeviceId by, int models) {
        writer = by;
        this.models = models;
    }

    int models() {
        return models;
    }

    /** It is told to write what was asked for. */
    DeviceId begin() {
        unwritten += models + 1;
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
