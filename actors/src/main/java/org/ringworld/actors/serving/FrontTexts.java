package org.ringworld.actors.serving;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.pekko.actor.typed.ActorRef;
import org.ringworld.model.decode.Made;

/**
 * The models that a front is asked for, and all that is asked: whatever a serving loses, and with
 * it the node that it was on, is asked again of whoever serves the model then. Time is given in.
 */
final class FrontTexts {
    /** So long a model may be served by nobody before its texts are given up. */
    private static final Duration PATIENCE = Duration.ofMinutes(1);

    private static final String STOPPED = "the model was stopped";

    private final ActorRef<ToFront> front;
    // Of one name there may be two: what is being written ends with the model it began with.
    private final Map<OfferedModel, Model> models = new HashMap<>();
    // By the number of their last asking.
    private final Map<Long, FrontText> texts = new LinkedHashMap<>();
    private long asked;

    /** A model and by whom it is served; null: by nobody just now. */
    private static final class Model {
        final OfferedModel offered;
        final FrontEngine engine;
        String address = "";
        String fault = "";
        boolean left;
        ActorRef<ToServing> serving;
        long generation;
        long lost;

        Model(OfferedModel offered, FrontEngine engine) {
            this.offered = offered;
            this.engine = engine;
        }

        boolean isOpenAndNewerThan(OfferedModel other) {
            return offered.name().equals(other.name())
                    && offered.saved() > other.saved()
                    && !address.isEmpty();
        }
    }

    /**
     * @param front is told what comes of what is asked
     */
    FrontTexts(ActorRef<ToFront> front) {
        this.front = front;
    }

    private List<FrontText> of(Model model) {
        return texts.values().stream().filter(text -> text.model.equals(model.offered)).toList();
    }

    // ---- whoever asks

    void ask(FrontText text) {
        if (models.get(text.model) == null) {
            String name = text.model.name();
            text.answer.ended("the cluster does not serve %s any more".formatted(name));
        } else {
            askAgain(text);
        }
    }

    /** Each asking has a number of its own: what may still come of those before is nobody's. */
    private void askAgain(FrontText text) {
        texts.remove(text.number);
        if (text.isComplete()) {
            text.answer.ended(null);
            return;
        }
        text.number = ++asked;
        texts.put(text.number, text);
        Model model = models.get(text.model);
        if (model.serving != null) {
            model.serving.tell(
                    new ToServing.Asked(front, text.number, text.rest(), text.emitted()));
        }
    }

    void cancel(FrontText text) {
        if (texts.remove(text.number, text)) {
            tellCancelled(text);
        }
    }

    private void tellCancelled(FrontText text) {
        Model model = models.get(text.model);
        if (model.serving != null) {
            model.serving.tell(new ToServing.Cancelled(front, text.number));
        }
    }

    // ---- whoever serves

    /**
     * Somebody serves a model.
     *
     * @param engine to ask for it, if nobody served it before
     * @return whether nobody did
     */
    boolean serves(ToFront.Serves serves, FrontEngine engine) {
        OfferedModel offered = serves.offered();
        Model model = models.get(offered);
        if (model != null && serves.generation() < model.generation) {
            return false; // it was taken over from, and does not know it yet
        }
        boolean isNew = model == null;
        if (isNew) {
            model = new Model(offered, engine);
            models.put(offered, model);
        }
        model.generation = serves.generation();
        if (!serves.serving().equals(model.serving)) {
            model.serving = serves.serving();
            of(model).forEach(this::askAgain);
        }
        beat(model);
        return isNew;
    }

    void told(ToFront.Told told) {
        for (ToFront.Begun one : told.begun()) {
            FrontText text = texts.get(one.number());
            if (text != null) {
                text.begins(one.cached(), one.read());
            }
        }
        for (Made.Scores some : told.scores()) {
            FrontText text = texts.get(some.text());
            if (text != null) {
                text.scored(some);
            }
        }
        for (Made.Token token : told.tokens()) {
            FrontText text = texts.get(token.text());
            if (text != null && !text.token(token)) {
                tellCancelled(text);
                askAgain(text);
            }
        }
        told.ended().forEach(this::ended);
    }

    private void ended(ToFront.Ended end) {
        FrontText text = texts.get(end.number());
        if (text == null) {
            return;
        }
        if (end.fault() == null) {
            text.ends();
            askAgain(text); // where something of it was lost
        } else {
            texts.remove(end.number());
            text.answer.ended(end.fault());
        }
    }

    void unknown(ToFront.Unknown unknown) {
        for (long number : unknown.numbers()) {
            FrontText text = texts.get(number);
            if (text != null) {
                askAgain(text);
            }
        }
    }

    /** Whoever served is gone; whoever serves next will say so. */
    void lost(ActorRef<ToServing> serving, long nanos) {
        for (Model model : models.values()) {
            if (serving.equals(model.serving)) {
                model.serving = null;
                model.lost = nanos;
            }
        }
    }

    void busy(ToFront.Busy busy) {
        models.values().stream()
                .filter(model -> model.offered.id().equals(busy.id()))
                .forEach(model -> model.engine.busy(busy.load()));
    }

    /**
     * A serving is over for good.
     *
     * @return whoever asked for its model; null: it was not known
     */
    FrontEngine closed(ToFront.Closed closed) {
        for (Model model : models.values()) {
            if (model.offered.id().equals(closed.id())) {
                close(model, closed.sentence());
                return model.engine;
            }
        }
        return null;
    }

    private void close(Model model, String sentence) {
        end(model.offered, sentence);
        models.remove(model.offered);
    }

    /** No client asks for it any more, and nobody listens to its answers. */
    void left(OfferedModel offered) {
        end(offered, STOPPED);
        Model model = models.get(offered);
        if (model != null) {
            model.left = true;
            beat(model);
        }
    }

    private void end(OfferedModel offered, String sentence) {
        for (FrontText text : List.copyOf(texts.values())) {
            if (text.model.equals(offered)) {
                texts.remove(text.number);
                text.answer.ended(sentence);
            }
        }
    }

    /**
     * Clients can ask for a model.
     *
     * @param address where
     * @return whether they are to: it is still served, and no newer one of its name is
     */
    boolean opened(OfferedModel offered, String address) {
        Model model = models.get(offered);
        if (model == null) {
            return false;
        }
        model.address = address;
        beat(model);
        return models.values().stream().noneMatch(other -> other.isOpenAndNewerThan(offered));
    }

    /** Clients cannot ask for it here. */
    void notOpened(OfferedModel offered, String fault) {
        Model model = models.get(offered);
        if (model != null) {
            model.fault = fault;
            beat(model);
        }
    }

    // ---- time

    /**
     * Says to all who serve what is waited for.
     *
     * @return whoever asked for models that were given up: nobody has served them for long
     */
    List<FrontEngine> beat(long nanos) {
        List<FrontEngine> given = new ArrayList<>();
        for (Model model : List.copyOf(models.values())) {
            if (model.serving == null && nanos - model.lost > PATIENCE.toNanos()) {
                String sentence = "no node of the cluster has served %s for %d s; ask again later";
                close(model, sentence.formatted(model.offered.name(), PATIENCE.toSeconds()));
                given.add(model.engine);
            } else {
                beat(model);
            }
        }
        return given;
    }

    private void beat(Model model) {
        if (model.serving == null) {
            return;
        }
        Map<Long, Integer> heard = new HashMap<>();
        of(model).forEach(text -> heard.put(text.number, text.heard()));
        model.serving.tell(
                new ToServing.Have(front, model.address, model.fault, model.left, heard));
    }
}
