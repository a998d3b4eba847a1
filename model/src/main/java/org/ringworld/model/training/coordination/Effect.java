package org.ringworld.model.training.coordination;

import java.time.Duration;
import org.ringworld.model.training.StepMetrics;

/**
 * What is to be done for a job, in this order. An effect that is answered by an event is answered
 * before any other event: whoever carries effects out hands its answer in next.
 */
public sealed interface Effect {
    record Tell(DeviceId device, Order order) implements Effect {}

    /** One on the job's files. */
    sealed interface OnFiles extends Effect {}

    /** Take the next number of an epoch; answered by EpochTaken or TakenOver. */
    record TakeEpoch() implements OnFiles {}

    /** Look for the newest whole snapshot; answered by SnapshotFound or FileFault. */
    record FindSnapshot() implements OnFiles {}

    /**
     * Go on with metrics.jsonl after {@code step}: where it is open and holds no later one, as it
     * stands, else read anew and later lines dropped. Answered by MetricsOpened or FileFault.
     */
    record OpenMetrics(long step) implements OnFiles {}

    /** Add a line; a fault is told by FileFault. */
    record WriteMetrics(StepMetrics line) implements OnFiles {}

    /**
     * Make all lines durable, as must be before a snapshot of their steps is written; answered by
     * MetricsSynced or FileFault.
     */
    record SyncMetrics() implements OnFiles {}

    /** Give up the ownership of the output. */
    record ReleaseOutput() implements OnFiles {}

    /** Answered by PauseOver after that time. */
    record Pause(long epoch, Duration time) implements Effect {}

    /** Take the device's node out of the cluster: it does not get on. */
    record TakeOut(DeviceId device) implements Effect {}

    /** Tell whoever watches the job. */
    record Notify(Progress progress) implements Effect {}

    record Log(String sentence) implements Effect {}

    /** Nothing follows. */
    record End() implements Effect {}
}
