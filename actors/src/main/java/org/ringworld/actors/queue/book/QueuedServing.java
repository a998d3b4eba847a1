package org.ringworld.actors.queue.book;

/**
 * A saved model that the cluster serves until it is stopped, a file of the queue's directory beside
 * the jobs: whoever keeps the queue next serves it on.
 *
 * @param id {@code <number>-<name>}; servings and jobs share the numbers
 * @param name of the model in the API
 * @param model its path, one of every member's
 * @param settings {@code key=value}, a line each, as the command line's generate takes them
 * @param ringSize devices that it takes at most, and to begin with
 * @param capacity tokens that there is room for, of all texts together
 * @param sentence how it ended
 */
public record QueuedServing(
        String id,
        String name,
        String model,
        String settings,
        int ringSize,
        long capacity,
        QueuedJob.State state,
        String sentence) {
    static final QueueFile<QueuedServing> FILE =
            new QueueFile<>(".serving.json", QueuedServing.class, QueuedServing::id);

    public QueuedServing now(QueuedJob.State next, String why) {
        return new QueuedServing(id, name, model, settings, ringSize, capacity, next, why);
    }
}
