package org.ringworld.actors.queue;

import org.ringworld.actors.Faults;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.queue.book.QueuedJob;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.model.training.rank.OpenJob;

/**
 * A job of the queue whose data were read and whose output was claimed, or why that was not to be.
 *
 * @param job null where its data could not be read
 * @param fence of its output; null where there is nothing to do or a fault
 * @param flopsOfThread FLOP/s of one thread of this host
 * @param fault a sentence, or null
 */
record OpenedJob(QueuedJob queued, OpenJob job, Fence fence, double flopsOfThread, String fault) {
    /** May take long. */
    static OpenedJob open(QueuedJob queued, OpenJobs jobs, JobRuns runs, String cluster) {
        OpenJob job = null;
        try {
            job = (OpenJob) jobs.open(queued.id(), queued.text());
            if (!runs.begin(job.job())) {
                return new OpenedJob(queued, job, null, 0, null);
            }
            double flops = runs.flopsOfThread(job.job());
            Fence fence = Fence.claim(job.job().output(), cluster);
            return new OpenedJob(queued, job, fence, flops, null);
        } catch (Exception | Error e) {
            return new OpenedJob(queued, job, null, 0, Faults.sentence(e));
        }
    }

    /** Gives up what was opened and claimed. */
    void letGo(OpenJobs jobs) throws CheckpointException {
        if (fence != null) {
            fence.release();
        }
        if (job != null) {
            jobs.done(job);
        }
    }
}
