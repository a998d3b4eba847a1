package org.ringworld.actors.serving;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.pekko.actor.typed.ActorRef;
import org.ringworld.model.decode.Made;

/** A front as a serving knows it: what it waits for, and what it is to be told next. */
final class RemoteFront {
    final ActorRef<ToFront> ref;

    /** By the front's numbers. */
    final Map<Long, RemoteText> texts = new LinkedHashMap<>();

    /** At which clients ask for the model; empty: it does not know the model yet. */
    String address = "";

    /** Why clients cannot ask for it there; empty: nothing hinders them. */
    String fault = "";

    /** Whether no client will ask for the model there any more. */
    boolean left;

    /** Whether it said anything lately. */
    boolean heard;

    private final List<ToFront.Begun> begun = new ArrayList<>();
    private final List<Made.Scores> scores = new ArrayList<>();
    private final List<Made.Token> tokens = new ArrayList<>();
    private final List<ToFront.Ended> ended = new ArrayList<>();

    RemoteFront(ActorRef<ToFront> ref) {
        this.ref = ref;
    }

    void add(ToFront.Begun one) {
        begun.add(one);
    }

    void add(Made.Scores some) {
        scores.add(some);
    }

    void add(Made.Token token) {
        tokens.add(token);
    }

    void add(ToFront.Ended one) {
        ended.add(one);
    }

    /** Tells all that has come, in one message. */
    void flush() {
        if (begun.isEmpty() && scores.isEmpty() && tokens.isEmpty() && ended.isEmpty()) {
            return;
        }
        ref.tell(
                new ToFront.Told(
                        List.copyOf(begun),
                        List.copyOf(scores),
                        List.copyOf(tokens),
                        List.copyOf(ended)));
        begun.clear();
        scores.clear();
        tokens.clear();
        ended.clear();
    }
}
