package org.ringworld.actors.serving;

import org.apache.pekko.actor.typed.ActorRef;
import org.ringworld.model.decode.Made;
import org.ringworld.model.decode.Scheduler;

/** A text that a front waits for: what the ring tells of it comes to the front. */
final class RemoteText implements Scheduler.Listener {
    /** On the ring. */
    final long id;

    final RemoteFront front;

    /** The front's. */
    final long number;

    /** How many tokens there are of which the front was told, now and at its last beat. */
    int told;

    int toldBefore;

    private int cached;

    private final ActorRef<StandingServing.Command> to;

    RemoteText(long id, RemoteFront front, long number, ActorRef<StandingServing.Command> to) {
        this.id = id;
        this.front = front;
        this.number = number;
        this.to = to;
    }

    // ---- on the ring's thread; what is done with it is done on the serving's

    @Override
    public void begins(int cachedTokens) {
        cached = cachedTokens;
        came(() -> front.add(new ToFront.Begun(number, cachedTokens, cachedTokens)));
    }

    @Override
    public void read(int tokens) {
        ToFront.Begun so = new ToFront.Begun(number, cached, tokens);
        came(() -> front.add(so));
    }

    @Override
    public void scored(Made.Scores some) {
        came(() -> front.add(some.of(number)));
    }

    @Override
    public void token(Made.Token token) {
        came(
                () -> {
                    told = token.index() + 1;
                    front.add(token.of(number));
                });
    }

    @Override
    public void ended(String fault) {
        came(
                () -> {
                    front.texts.remove(number);
                    front.add(new ToFront.Ended(number, fault));
                });
    }

    private void came(Runnable news) {
        to.tell(new StandingServing.Came(this, news));
    }
}
