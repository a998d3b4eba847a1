package org.ringworld.actors.queue;

import java.util.List;
import org.apache.pekko.actor.typed.ActorRef;
import org.ringworld.actors.job.Coordinator;
import org.ringworld.actors.queue.book.QueuedJob;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.rank.OpenJob;

/** A job of the queue that has devices, and what it said last. */
final class RunningJob {
    final QueuedJob job;

    /** The devices that it uses; of those that it may not use any more it lets go between steps. */
    List<DeviceId> using = List.of();

    /** Null while its data is being opened. */
    ActorRef<Coordinator.Command> coordinator;

    OpenJob hosted;
    Progress last;
    List<Progress.RankTime> times = List.of();
    StepMetrics metrics;

    /** Of each stage of the job, as it says; empty: it has said nothing. */
    List<Integer> rounds = List.of();

    long epoch;

    RunningJob(QueuedJob job) {
        this.job = job;
    }

    void hear(Progress progress) {
        last = progress;
        switch (progress) {
            case Progress.Stepped stepped -> {
                metrics = stepped.metrics();
                times = stepped.ranks();
            }
            case Progress.Regrouping regrouping -> using = regrouping.devices();
            case Progress.Formed formed -> {
                epoch = formed.epoch();
                if (formed.earlier() != null) {
                    rounds = hosted.job().after(formed.earlier()).curriculum().rounds();
                }
            }
            case Progress.Examined examined -> rounds = examined.rounds();
            default -> {}
        }
    }
}
