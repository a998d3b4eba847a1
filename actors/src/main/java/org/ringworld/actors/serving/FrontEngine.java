package org.ringworld.actors.serving;

import org.apache.pekko.actor.typed.ActorRef;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Load;

/** Answers with a model that a cluster serves, on whichever of its nodes. */
final class FrontEngine implements Engine {
    private final ActorRef<Fronts.Command> fronts;
    private final OfferedModel offered;
    private volatile Load load = Load.UNKNOWN;

    FrontEngine(ActorRef<Fronts.Command> fronts, OfferedModel offered) {
        this.fronts = fronts;
        this.offered = offered;
    }

    @Override
    public Answer ask(Ask ask) {
        FrontText text =
                new FrontText(offered, ask, closed -> fronts.tell(new Fronts.Cancel(closed)));
        fronts.tell(new Fronts.Asked(text));
        return text.answer;
    }

    /** As the serving said last. */
    @Override
    public Load load() {
        return load;
    }

    void busy(Load now) {
        load = now;
    }

    @Override
    public void close() {
        fronts.tell(new Fronts.Left(offered));
    }
}
