package org.ringworld.actors.serving;

import java.util.Map;
import org.apache.pekko.actor.typed.ActorRef;
import org.ringworld.model.decode.Ask;

/**
 * What a front says to the serving of a model. The front is the truth: it knows what was asked and
 * what came of it, and asks again whatever a serving may have lost.
 */
public sealed interface ToServing {
    /** Who says it, and is answered. */
    ActorRef<ToFront> front();

    /**
     * Write this.
     *
     * @param number of this asking; a front gives none twice, not even to the same text
     * @param emitted tokens that were written of it before, by whomever
     */
    record Asked(ActorRef<ToFront> front, long number, Ask ask, int[] emitted)
            implements ToServing {}

    /** Nobody waits for it any more. */
    record Cancelled(ActorRef<ToFront> front, long number) implements ToServing {}

    /**
     * All that the front waits for, told every {@link Fronts#BEAT}: for nothing else does anybody
     * wait.
     *
     * @param address at which clients ask for this model; empty: they cannot yet
     * @param fault why they never will; empty: nothing hinders them
     * @param left whether no client will ask for this model here any more
     * @param heard of each asking, how many tokens there are
     */
    record Have(
            ActorRef<ToFront> front,
            String address,
            String fault,
            boolean left,
            Map<Long, Integer> heard)
            implements ToServing {}
}
