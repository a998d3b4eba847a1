package org.ringworld.actors.queue.book;

import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.snapshot.RunDirectory.SavedModel;

/**
 * A saved model that the cluster serves until it is stopped, a file of the queue's directory beside
 * the jobs: whoever keeps the queue next serves it on.
 *
 * @param id {@code <number>-<name>}; servings and jobs share the numbers
 * @param name of the model in the API
 * @param model its path, one of every member's
 * @param saved since when it is there, milliseconds since 1970
 * @param run whose newer models are taken as they are saved; null: none are
 * @param before what is being written ends with it: the model before; null: there is none
 * @param savedBefore since when that is there
 * @param settings {@code key=value}, a line each, as the command line's generate takes them
 * @param ringSize devices that a model takes at most, and to begin with
 * @param capacity tokens that there is room for, of all texts together
 * @param sentence how it ended
 */
public record QueuedServing(
        String id,
        String name,
        String model,
        long saved,
        String run,
        String before,
        long savedBefore,
        String settings,
        int ringSize,
        long capacity,
        QueuedJob.State state,
        String sentence) {
    static final QueueFile<QueuedServing> FILE =
            new QueueFile<>(".serving.json", QueuedServing.class, QueuedServing::id);

    /** Its ring each for the newest model and the one before. */
    public List<String> places() {
        return run == null ? List.of(id) : List.of(id + "-a", id + "-b");
    }

    /** Those that are served now, the newest first. */
    public List<SavedModel> models() {
        SavedModel newest = new SavedModel(Path.of(model), saved);
        return before == null
                ? List.of(newest)
                : List.of(newest, new SavedModel(Path.of(before), savedBefore));
    }

    public QueuedServing now(QueuedJob.State next, String why) {
        return with(models(), next, why);
    }

    /**
     * The same with other models.
     *
     * @param models the newest first, at most two
     */
    public QueuedServing serves(List<SavedModel> models) {
        return with(models, state, sentence);
    }

    private QueuedServing with(List<SavedModel> models, QueuedJob.State next, String why) {
        SavedModel newest = models.getFirst();
        SavedModel old = models.size() > 1 ? models.get(1) : null;
        return new QueuedServing(
                id,
                name,
                newest.path().toString(),
                newest.at(),
                run,
                old == null ? null : old.path().toString(),
                old == null ? 0 : old.at(),
                settings,
                ringSize,
                capacity,
                next,
                why);
    }
}
