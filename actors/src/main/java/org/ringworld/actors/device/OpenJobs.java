package org.ringworld.actors.device;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.rank.Inference;
import org.ringworld.model.training.rank.OpenJob;
import org.ringworld.model.training.rank.Work;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;

/** The work of this JVM's rings; its devices and its coordinators share it. */
public final class OpenJobs {
    /** Makes work of what orders say. */
    public interface Reader {
        Job read(String text);

        /** How a saved model is to be run; those who only train need not know. */
        default Inference inference(Path model, String settings, boolean gradients)
                throws IOException {
            throw new IOException("this process runs no saved models");
        }
    }

    /** Work that is open or being opened; opening may take long and holds up nobody else. */
    private static final class Open {
        Work work;
        int users;
    }

    private final Reader reader;
    private final Map<String, Open> works = new HashMap<>();

    /** Of whatever jobs come. */
    public OpenJobs(Reader reader) {
        this.reader = reader;
    }

    /** Of that work alone. */
    public OpenJobs(Work work) {
        this(
                text -> {
                    throw new IllegalStateException("this process has no job of its own");
                });
        hold(work);
    }

    /** Work that is open already and stays so. */
    public void hold(Work work) {
        Open open = new Open();
        open.work = work;
        open.users = 1;
        synchronized (works) {
            works.put(work.id(), open);
        }
    }

    /**
     * Opens a job's data, unless it is open; each call is made up for by {@link #done}.
     *
     * @param text the resolved configuration
     */
    public Work open(String id, String text) throws DataException {
        Open open;
        synchronized (works) {
            open = works.computeIfAbsent(id, _ -> new Open());
            open.users++;
        }
        try {
            synchronized (open) {
                if (open.work == null) {
                    Job job = reader.read(text);
                    JobData data = JobData.open(job, Tokenizer.of(job.tokenizer()));
                    open.work = new OpenJob(id, job, data);
                }
                return open.work;
            }
        } catch (DataException | RuntimeException | Error e) {
            leave(id, open);
            throw e;
        }
    }

    /** A saved model that will be run. */
    Inference inference(Path model, String settings, boolean gradients) throws IOException {
        synchronized (works) {
            Open open = works.get(model.toString());
            if (open != null && open.work instanceof Inference held) {
                open.users++;
                return held;
            }
        }
        return reader.inference(model, settings, gradients);
    }

    /** One user less; the last one closes it. */
    public void done(Work work) {
        synchronized (works) {
            leave(work.id(), works.get(work.id()));
        }
    }

    private void leave(String id, Open open) {
        synchronized (works) {
            if (open != null && --open.users == 0) {
                works.remove(id);
                if (open.work != null) {
                    open.work.close();
                }
            }
        }
    }
}
