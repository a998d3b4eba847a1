package org.ringworld.actors.queue;

import java.io.IOException;
import java.util.function.Consumer;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.http.ServedText;
import org.ringworld.actors.serving.OfferedModel;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.tokenizer.DataException;

/** What a node needs to know of jobs as users write them; the command line has it. */
public interface JobRuns extends OpenJobs.Reader {
    /**
     * Marks a job's output as its own.
     *
     * @return whether there is something left to train
     * @throws IOException where the output cannot be written or holds another job's run
     */
    boolean begin(Job job) throws IOException;

    /** Where a job's log and pictures are made of what it tells. */
    Consumer<Progress> report(Job job, double flopsLimit) throws IOException;

    /** A model as clients ask for it; those who only train need not know. */
    default ServedText served(OfferedModel offered, Engine engine)
            throws IOException, DataException {
        throw new IOException("this process serves no models");
    }

    /** FLOP/s of one thread of this host, in a job's dtype. */
    double flopsOfThread(Job job);
}
