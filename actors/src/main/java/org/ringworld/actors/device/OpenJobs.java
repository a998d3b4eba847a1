package org.ringworld.actors.device;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.OpenJob;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;

/** The jobs that this JVM works on; its devices and its coordinator share their data. */
public final class OpenJobs {
    /** Makes a job of its resolved configuration. */
    public interface Reader {
        Job read(String text);

        /** How a saved model is to be run; those who only train need not know. */
        default Inference inference(Path model, String settings) throws IOException {
            throw new IOException("this process runs no saved models");
        }
    }

    /** A job that is open or being opened; opening may take long and holds up nobody else. */
    private static final class Open {
        OpenJob job;
        int users;
    }

    private final Reader reader;
    private final Map<String, Open> jobs = new HashMap<>();

    /** A host of whatever jobs come. */
    public OpenJobs(Reader reader) {
        this.reader = reader;
    }

    /** A host of one job, which is open already and stays so. */
    public OpenJobs(OpenJob job) {
        this(_ -> job.job());
        Open open = new Open();
        open.job = job;
        open.users = 1;
        jobs.put(job.id(), open);
    }

    /**
     * Opens a job's data, unless it is open; each call is made up for by {@link #done}.
     *
     * @param text the resolved configuration
     */
    public OpenJob open(String id, String text) throws DataException {
        Open open;
        synchronized (jobs) {
            open = jobs.computeIfAbsent(id, _ -> new Open());
            open.users++;
        }
        try {
            synchronized (open) {
                if (open.job == null) {
                    Job job = reader.read(text);
                    JobData data = JobData.open(job, Tokenizer.of(job.tokenizer()));
                    open.job = new OpenJob(id, job, data);
                }
                return open.job;
            }
        } catch (DataException | RuntimeException | Error e) {
            leave(id, open);
            throw e;
        }
    }

    Inference inference(Path model, String settings) throws IOException {
        return reader.inference(model, settings);
    }

    /** One user less; the last one closes it. */
    public void done(OpenJob job) {
        synchronized (jobs) {
            leave(job.id(), jobs.get(job.id()));
        }
    }

    private void leave(String id, Open open) {
        synchronized (jobs) {
            if (open != null && --open.users == 0) {
                jobs.remove(id);
                if (open.job != null) {
                    open.job.close();
                }
            }
        }
    }
}
