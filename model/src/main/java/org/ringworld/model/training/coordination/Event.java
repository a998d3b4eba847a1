package org.ringworld.model.training.coordination;

import java.util.List;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.training.StepMetrics;

/** What happens to a job: all that {@link JobDecisions} ever learns. */
public sealed interface Event {
    /**
     * The devices that the job may use from now on.
     *
     * @param gracefully whether those that are missing here are still there: the steps on their way
     *     are finished with them, and the state is saved if too few are left
     */
    record Devices(List<DeviceId> devices, boolean gracefully) implements Event {}

    /** A device is no more. */
    record Lost(DeviceId device) implements Event {}

    /** A device reports. */
    record Told(Report report) implements Event {}

    /** Finish the steps on their way, save, end. */
    record StopAsked() implements Event {}

    /** A second has passed. */
    record Tick() implements Event {}

    /** What {@link Effect.Pause} asked for is over. */
    record PauseOver(long epoch) implements Event {}

    /**
     * Answers {@link Effect.TakeEpoch}.
     *
     * @param linkToken that whoever links up in it must know
     */
    record EpochTaken(long number, byte[] linkToken) implements Event {}

    /** Answers {@link Effect.TakeEpoch}: nothing may be written and nobody be told any more. */
    record TakenOver(String sentence) implements Event {}

    /**
     * Answers {@link Effect.FindSnapshot}.
     *
     * @param directory empty: there is none
     * @param shares of the ring that wrote it
     */
    record SnapshotFound(String directory, List<DeviceShare> shares) implements Event {}

    /**
     * Answers {@link Effect.OpenMetrics}.
     *
     * @param continued whether the file was open and held no later step
     * @param lastStep on record
     * @param earlier the lines on record where it was read anew
     */
    record MetricsOpened(boolean continued, long lastStep, List<StepMetrics> earlier)
            implements Event {}

    /** Answers {@link Effect.SyncMetrics}. */
    record MetricsSynced() implements Event {}

    /** A file's effect failed; no other answer comes. */
    record FileFault(String sentence) implements Event {}
}
