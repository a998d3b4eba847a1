package org.ringworld.actors.serving;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.actor.typed.receptionist.ServiceKey;
import org.ringworld.actors.Faults;
import org.ringworld.actors.http.ServedText;
import org.ringworld.actors.http.ServedTexts;
import org.ringworld.model.decode.Engine;

/**
 * A node's front: clients of this node ask for whatever models the cluster serves, wherever that
 * is. It carries the messages of {@link FrontTexts}.
 */
public final class Fronts extends AbstractBehavior<Fronts.Command> {
    /** Under which servings find the fronts of all nodes. */
    static final ServiceKey<ToFront> KEY = ServiceKey.create(ToFront.class, "fronts");

    /** So often a front says what it waits for. */
    static final Duration BEAT = Duration.ofSeconds(2);

    /** What it is told. */
    public sealed interface Command {}

    record Asked(FrontText text) implements Command {}

    record Cancel(FrontText text) implements Command {}

    /** Nobody asks for the model here any more. */
    record Left(OfferedModel offered) implements Command {}

    private record Heard(ToFront said) implements Command {}

    private record Opened(OfferedModel offered, ServedText text, Throwable fault)
            implements Command {}

    private record Beat() implements Command {}

    /** Makes a saved model one that clients can ask for: reads its tokenizer. */
    public interface Opener {
        ServedText open(OfferedModel offered, Engine engine) throws Exception;
    }

    private final FrontTexts texts;
    private final ServedTexts served;
    private final String url;
    private final Opener opener;

    /**
     * @param served where models are put while the cluster serves them
     * @param url at which clients ask for these
     */
    public static Behavior<Command> create(ServedTexts served, String url, Opener opener) {
        return Behaviors.withTimers(
                timers ->
                        Behaviors.setup(
                                context -> {
                                    timers.startTimerWithFixedDelay(new Beat(), BEAT);
                                    return new Fronts(context, served, url, opener);
                                }));
    }

    private Fronts(ActorContext<Command> context, ServedTexts served, String url, Opener opener) {
        super(context);
        this.served = served;
        this.url = url;
        this.opener = opener;
        ActorRef<ToFront> ear = context.messageAdapter(ToFront.class, Heard::new);
        this.texts = new FrontTexts(ear);
        context.getSystem().receptionist().tell(Receptionist.register(KEY, ear));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Asked.class, this::onAsked)
                .onMessage(Cancel.class, this::onCancel)
                .onMessage(Heard.class, message -> onHeard(message.said))
                .onMessage(Opened.class, this::onOpened)
                .onMessage(Left.class, this::onLeft)
                .onMessage(Beat.class, _ -> onBeat())
                .onSignal(Terminated.class, this::onTerminated)
                .build();
    }

    private Behavior<Command> onAsked(Asked message) {
        texts.ask(message.text);
        return this;
    }

    private Behavior<Command> onCancel(Cancel message) {
        texts.cancel(message.text);
        return this;
    }

    private Behavior<Command> onHeard(ToFront said) {
        switch (said) {
            case ToFront.Serves serves -> onServes(serves);
            case ToFront.Told told -> texts.told(told);
            case ToFront.Unknown unknown -> texts.unknown(unknown);
            case ToFront.Busy busy -> texts.busy(busy);
            case ToFront.Closed closed -> remove(texts.closed(closed));
        }
        return this;
    }

    private void onServes(ToFront.Serves serves) {
        getContext().watch(serves.serving());
        FrontEngine engine = new FrontEngine(getContext().getSelf(), serves.offered());
        if (texts.serves(serves, engine)) {
            open(serves.offered(), engine);
        }
    }

    /** On a thread of its own: files may be far away. */
    private void open(OfferedModel offered, Engine engine) {
        CompletableFuture<ServedText> opened = new CompletableFuture<>();
        Thread.ofVirtual()
                .start(
                        () -> {
                            try {
                                opened.complete(opener.open(offered, engine));
                            } catch (Exception | Error e) {
                                opened.completeExceptionally(e);
                            }
                        });
        getContext().pipeToSelf(opened, (text, fault) -> new Opened(offered, text, fault));
    }

    private Behavior<Command> onOpened(Opened message) {
        if (message.fault != null) {
            String sentence =
                    "%s cannot be asked for at %s: %s"
                            .formatted(message.offered.name(), url, Faults.sentence(message.fault));
            getContext().getLog().error(sentence);
            texts.notOpened(message.offered, sentence);
        } else if (texts.opened(message.offered, url)) {
            served.put(message.text, message.text.engine()::close);
        } else {
            message.text.engine().close();
        }
        return this;
    }

    private Behavior<Command> onLeft(Left message) {
        texts.left(message.offered);
        return this;
    }

    private void remove(FrontEngine engine) {
        if (engine != null) {
            served.remove(engine);
        }
    }

    private Behavior<Command> onTerminated(Terminated gone) {
        texts.lost(gone.getRef().unsafeUpcast(), System.nanoTime());
        return this;
    }

    private Behavior<Command> onBeat() {
        texts.beat(System.nanoTime()).forEach(this::remove);
        return this;
    }
}
