package org.ringworld.actors.serving;

import com.typesafe.config.ConfigFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.device.RingFailedException;
import org.ringworld.actors.job.Epochs;
import org.ringworld.actors.links.Links;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Load;
import org.ringworld.runtime.Device;

/** Answers on a ring of devices of this JVM, each owned by an actor. */
public final class RingEngine implements Engine {
    private static final long CLOSING_SECONDS = 10;

    private final ActorSystem<Void> system;
    private final CompletableFuture<ActorRef<ServingActor.Command>> serving =
            new CompletableFuture<>();
    private final CompletableFuture<Void> ready = new CompletableFuture<>();
    private final CompletableFuture<Void> over = new CompletableFuture<>();
    private volatile String ended;
    private volatile Load load = Load.UNKNOWN;
    private final AtomicLong asked = new AtomicLong();

    /**
     * Forms the ring; returns when it stands.
     *
     * @param devices one for each rank, owned by the ring from now on
     * @param jobs open the model on each
     * @throws RingFailedException saying what failed
     */
    public RingEngine(ServedRing served, List<Device> devices, OpenJobs jobs) {
        system =
                ActorSystem.create(
                        guardian(served, devices, jobs), "ringworld", ConfigFactory.load());
        try {
            ready.join();
        } catch (CompletionException e) {
            close();
            throw new RingFailedException(e.getCause().getMessage());
        }
    }

    private Behavior<Void> guardian(ServedRing served, List<Device> devices, OpenJobs jobs) {
        return Behaviors.setup(
                context -> {
                    Links links = Links.inProcess();
                    List<ActorRef<DeviceActor.Command>> actors = new ArrayList<>();
                    for (Device device : devices) {
                        int rank = actors.size();
                        actors.add(
                                context.spawn(
                                        DeviceActor.create(rank, device, links, jobs, () -> {}),
                                        "device-" + rank));
                    }
                    serving.complete(
                            context.spawn(
                                    ServingActor.create(
                                            served,
                                            actors,
                                            Epochs.from(1),
                                            Duration.ZERO,
                                            false,
                                            this::hear),
                                    "serving"));
                    return Behaviors.empty();
                });
    }

    private void hear(ServingNews news) {
        switch (news) {
            case ServingNews.Stands _ -> ready.complete(null);
            case ServingNews.Busy(Load now) -> load = now;
            case ServingNews.Ended(String fault) -> {
                ready.completeExceptionally(new RingFailedException(fault));
                ended = fault;
                over.complete(null);
            }
            case ServingNews.Fronts _ -> {} // there are none
        }
    }

    @Override
    public Answer ask(Ask ask) {
        ActorRef<ServingActor.Command> to = serving.join();
        long id = asked.incrementAndGet();
        Answer answer = new Answer(ask, () -> to.tell(new ServingActor.Cancelled(id)));
        String fault = ended;
        if (fault != null) {
            answer.ended(fault);
            return answer;
        }
        to.tell(new ServingActor.Asked(id, ask, answer));
        return answer;
    }

    @Override
    public Load load() {
        return load;
    }

    @Override
    public void close() {
        // Else the loss of each device would be an event in the life of its ring.
        serving.thenAccept(actor -> actor.tell(new ServingActor.Close()));
        over.completeOnTimeout(null, CLOSING_SECONDS, TimeUnit.SECONDS).join();
        system.terminate();
        system.getWhenTerminated().toCompletableFuture().join();
    }
}
