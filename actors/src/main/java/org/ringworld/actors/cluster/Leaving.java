package org.ringworld.actors.cluster;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.Done;
import org.apache.pekko.actor.CoordinatedShutdown;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.actor.typed.javadsl.AskPattern;
import org.apache.pekko.cluster.MemberStatus;
import org.apache.pekko.cluster.typed.Cluster;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.http.HttpFront;
import org.ringworld.actors.links.Links;
import org.ringworld.actors.queue.JobQueue;
import org.ringworld.actors.queue.QueueAnswer;

/**
 * How a node goes: first its devices leave their rings and its clients are answered, then its links
 * end, then the JVM.
 */
record Leaving(
        ActorSystem<Void> system,
        ActorRef<JobQueue.Command> queue,
        List<ActorRef<DeviceActor.Command>> devices,
        Links links,
        HttpFront http) {
    private static final Duration LONGEST_DRAIN = Duration.ofSeconds(50);
    private static final int LONGEST_END_SECONDS = 20;

    /** Arranges that it goes so, whoever tells it to go. */
    void prepare() {
        CompletableFuture<Done> closed = new CompletableFuture<>();
        CoordinatedShutdown shutdown = CoordinatedShutdown.get(Adapter.toClassic(system));
        shutdown.addTask(
                CoordinatedShutdown.PhaseBeforeServiceUnbind(),
                "drain",
                () -> drained(System.nanoTime()));
        shutdown.addTask(CoordinatedShutdown.PhaseBeforeServiceUnbind(), "http", this::answered);
        shutdown.addTask(
                // Not later: the last phase ends this JVM, whatever else it has to do.
                CoordinatedShutdown.PhaseBeforeActorSystemTerminate(),
                "links",
                () -> {
                    links.close();
                    closed.complete(Done.getInstance());
                    return closed;
                });
        Runtime.getRuntime()
                .addShutdownHook(new Thread(() -> closeLinksLast(closed), "close-links"));
    }

    /** Also where this process is told to end before it could say how it leaves. */
    private void closeLinksLast(CompletableFuture<Done> closed) {
        // Who leaves by itself ends the JVM before it says that its system has ended.
        CompletableFuture.anyOf(closed, system.getWhenTerminated().toCompletableFuture())
                .completeOnTimeout(Done.getInstance(), LONGEST_END_SECONDS, TimeUnit.SECONDS)
                .join();
        links.close();
    }

    /** Asks until no ring has this node's devices, or too much time has passed. */
    private CompletionStage<Done> drained(long since) {
        if (devices.isEmpty() || outside() || System.nanoTime() - since > LONGEST_DRAIN.toNanos()) {
            return CompletableFuture.completedFuture(Done.getInstance());
        }
        return AskPattern.<JobQueue.Command, QueueAnswer>ask(
                        queue,
                        replyTo -> new JobQueue.Drain(devices, replyTo),
                        Duration.ofSeconds(2),
                        system.scheduler())
                .handle((answer, error) -> error == null && answer.done())
                .thenComposeAsync(
                        done ->
                                done
                                        ? CompletableFuture.completedFuture(Done.getInstance())
                                        : drained(since),
                        CompletableFuture.delayedExecutor(100, TimeUnit.MILLISECONDS));
    }

    /** What clients of this node wait for is written on, by whichever nodes. */
    private CompletionStage<Done> answered() {
        return outside()
                ? CompletableFuture.completedFuture(Done.getInstance())
                : CompletableFuture.runAsync(http::close).thenApply(_ -> Done.getInstance());
    }

    /**
     * Who was taken out, or never was let in, is in no ring and may not reach whom it would ask.
     */
    private boolean outside() {
        return Cluster.get(system).selfMember().status() == MemberStatus.removed()
                || CoordinatedShutdown.get(Adapter.toClassic(system))
                        .getShutdownReason()
                        .filter(CoordinatedShutdown.clusterDowningReason()::equals)
                        .isPresent();
    }
}
