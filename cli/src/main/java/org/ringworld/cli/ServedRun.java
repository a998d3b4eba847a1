package org.ringworld.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Semaphore;
import org.ringworld.actors.Faults;
import org.ringworld.actors.http.SeenPictures;
import org.ringworld.actors.http.ServedText;
import org.ringworld.actors.http.ServedTexts;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.snapshot.RunDirectory;
import org.ringworld.cli.vision.VisionModel;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.JointVocabulary;
import org.ringworld.model.decode.Scheduler;
import org.ringworld.tokenizer.DataException;

/** The model that a front serves: a saved one, or a run's newest at each time. */
final class ServedRun {
    private static final Duration BETWEEN_LOOKS = Duration.ofSeconds(2);

    /** Tokens of a usual text; there is room for as many as are written at once. */
    private static final int USUAL = 2048;

    private final Path model;
    private final String name;
    private final List<String> keys;
    private final VisionModel vision;
    private final ServedTexts texts;
    private final int models;
    // One is served, and one may be what others end with.
    private final Semaphore open;
    private RunDirectory.SavedModel saved;
    private ServedText served;
    private int room;

    /**
     * @param keys of {@link InferenceSettings}
     * @param vision where its tokenizer of images is
     * @param follow whether newer models are to come
     */
    ServedRun(
            Path model,
            String name,
            List<String> keys,
            VisionModel vision,
            boolean follow,
            ServedTexts texts) {
        this.model = model;
        this.name = name;
        this.keys = keys;
        this.vision = vision;
        this.texts = texts;
        this.models = follow ? 2 : 1;
        this.open = new Semaphore(models);
    }

    /** Serves the model that is the newest now. */
    void load() throws IOException, CheckpointException, DataException {
        RunDirectory.SavedModel newest = RunDirectory.newest(model);
        InferenceSettings on = InferenceSettings.of(keys, newest.path());
        TextModel text = TextModel.open(models > 1 ? on.withShareOfMemory(models) : on);
        int context = text.on().config().maxPositionEmbeddings();
        room = room(text.on());
        int longest = text.on().contextKnown() ? Math.min(context, room) : room;
        open.acquireUninterruptibly();
        Engine engine = null;
        SeenPictures pictures = null;
        try {
            pictures = vision.pictures(text);
            engine = text.on().engine(room);
            served =
                    new ServedText(
                            name,
                            engine,
                            text.tokenizer(),
                            text.template(),
                            JointVocabulary.of(text.on().config()).count(),
                            longest,
                            newest.at() / 1000,
                            pictures);
        } catch (IOException | RuntimeException | Error e) {
            if (engine != null) {
                engine.close();
            }
            if (pictures != null) {
                pictures.close();
            }
            open.release();
            throw e;
        }
        saved = newest;
        Engine own = engine;
        SeenPictures seen = pictures;
        texts.put(
                served,
                () -> {
                    own.close();
                    if (seen != null) {
                        seen.close();
                    }
                    open.release();
                });
    }

    /** Tokens that there is room for, where nothing is said: of usual texts, or the longest one. */
    static int room(InferenceSettings on) {
        int context = on.config().maxPositionEmbeddings();
        return on.room(Math.max(context, Scheduler.TEXTS * Math.min(context, USUAL)));
    }

    /** Serves each newer model as it is saved; returns when interrupted. */
    void follow() throws InterruptedException {
        RunDirectory.SavedModel tried = saved;
        while (true) {
            Thread.sleep(BETWEEN_LOOKS);
            try {
                RunDirectory.SavedModel newest = RunDirectory.newest(model);
                // A third one waits until nothing is written by the first any more.
                if (newest.equals(saved) || newest.equals(tried) || open.availablePermits() == 0) {
                    continue;
                }
                tried = newest;
                load();
                System.out.println("serving " + name + " from " + saved.path());
            } catch (IOException | RuntimeException | OutOfMemoryError e) {
                System.err.println(
                        "ringworld: the newest model is not taken: " + Faults.sentence(e));
            }
        }
    }

    /** What there is room for. */
    @Override
    public String toString() {
        return "texts of up to %d tokens, room for %d".formatted(served.longest(), room);
    }
}
