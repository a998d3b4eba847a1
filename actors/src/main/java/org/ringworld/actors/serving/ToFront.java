package org.ringworld.actors.serving;

import java.util.List;
import java.util.Set;
import org.apache.pekko.actor.typed.ActorRef;
import org.ringworld.model.decode.Load;
import org.ringworld.model.decode.Made;

/** What the serving of a model says to a front. */
public sealed interface ToFront {
    /**
     * A model that is served from now on, and by whom; told until the front answers with {@link
     * ToServing.Have}.
     *
     * @param generation greater than that of whoever served it before
     */
    record Serves(ActorRef<ToServing> serving, long generation, OfferedModel offered)
            implements ToFront {}

    /**
     * What came of texts in one step; texts of tokens and scores are the front's numbers, and
     * beginnings are before tokens, ends after them.
     */
    record Told(
            List<Begun> begun, List<Made.Scores> scores, List<Made.Token> tokens, List<Ended> ended)
            implements ToFront {}

    /**
     * A text is being read.
     *
     * @param cached tokens of its prompt that had been read before
     * @param read tokens of its prompt that have been read by now
     */
    record Begun(long number, int cached, int read) {}

    /**
     * A text is over.
     *
     * @param fault why it cannot be answered; null: it was
     */
    record Ended(long number, String fault) {}

    /** Nothing more will come of these askings: they are to be asked again. */
    record Unknown(Set<Long> numbers) implements ToFront {}

    /** What there is to do for a serving. */
    record Busy(String id, Load load) implements ToFront {}

    /** A serving is over for good, and why. */
    record Closed(String id, String sentence) implements ToFront {}
}
