package org.ringworld.actors.cluster;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.actor.CoordinatedShutdown;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.actor.typed.javadsl.AskPattern;
import org.apache.pekko.http.javadsl.Http;
import org.apache.pekko.http.javadsl.ServerBuilder;
import org.apache.pekko.http.javadsl.model.ContentTypes;
import org.apache.pekko.http.javadsl.model.HttpEntities;
import org.apache.pekko.http.javadsl.model.HttpRequest;
import org.apache.pekko.http.javadsl.model.HttpResponse;
import org.apache.pekko.http.javadsl.model.StatusCodes;
import org.apache.pekko.japi.function.Function;
import org.ringworld.actors.cluster.tls.Tls;
import org.ringworld.actors.queue.JobQueue;
import org.ringworld.actors.queue.QueueAnswer;
import org.ringworld.actors.queue.QueueRequest;

/**
 * Where a {@link ClusterClient} reaches a node: {@code POST /<what>} with the argument as body. The
 * answer is JSON, or a sentence and status 409. A page in a browser cannot send the header that is
 * asked for, so that no web site can submit jobs to somebody's own node.
 */
public final class Control {
    /** To be sent with every request. */
    public static final String HEADER = "X-Ringworld";

    private static final long MAX_BYTES = 4L << 20;
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    private Control() {}

    static void start(
            ActorSystem<Void> system,
            NodeSettings settings,
            ActorRef<JobQueue.Command> queue,
            Tls tls)
            throws IOException {
        ServerBuilder server =
                Http.get(system).newServerAt(settings.host(), settings.controlPort());
        if (tls != null) {
            server = server.enableHttps(tls.server("control"));
        }
        try {
            Function<HttpRequest, CompletionStage<HttpResponse>> handler =
                    request -> answer(system, queue, request);
            server.bind(handler).toCompletableFuture().join();
        } catch (java.util.concurrent.CompletionException e) {
            throw new IOException(
                    "port %d at %s, for control, cannot be had: %s"
                            .formatted(
                                    settings.controlPort(),
                                    settings.host(),
                                    e.getCause().getMessage()),
                    e);
        }
    }

    private static CompletionStage<HttpResponse> answer(
            ActorSystem<Void> system, ActorRef<JobQueue.Command> queue, HttpRequest request) {
        if (request.getHeader(HEADER).isEmpty()) {
            request.discardEntityBytes(system);
            return CompletableFuture.completedFuture(
                    HttpResponse.create().withStatus(StatusCodes.FORBIDDEN));
        }
        String what = request.getUri().path().replaceFirst("^/", "");
        return request.entity()
                .withSizeLimit(MAX_BYTES)
                .toStrict(PATIENCE.toMillis(), system)
                .thenCompose(
                        entity -> {
                            String argument = entity.getData().utf8String();
                            return what.equals("drain")
                                    ? drain(system)
                                    : ask(system, queue, what, argument);
                        });
    }

    private static CompletionStage<HttpResponse> ask(
            ActorSystem<Void> system,
            ActorRef<JobQueue.Command> queue,
            String what,
            String argument) {
        QueueRequest request;
        try {
            request = QueueRequest.of(what, argument);
        } catch (IllegalArgumentException e) {
            return CompletableFuture.completedFuture(response(false, e.getMessage()));
        }
        return AskPattern.<JobQueue.Command, QueueAnswer>ask(
                        queue,
                        replyTo -> new JobQueue.Request(request, replyTo),
                        PATIENCE,
                        system.scheduler())
                .handle(
                        (answer, error) ->
                                error != null
                                        ? response(
                                                false,
                                                "no member of the cluster keeps the queue just now; try again in some seconds")
                                        : response(answer.done(), answer.text()));
    }

    /** This node finishes what it does and leaves. */
    private static CompletionStage<HttpResponse> drain(ActorSystem<Void> system) {
        Thread.ofVirtual()
                .start(
                        () ->
                                CoordinatedShutdown.get(Adapter.toClassic(system))
                                        .runAll(CoordinatedShutdown.clusterLeavingReason()));
        return CompletableFuture.completedFuture(response(true, "{}"));
    }

    private static HttpResponse response(boolean done, String text) {
        return HttpResponse.create()
                .withStatus(done ? StatusCodes.OK : StatusCodes.CONFLICT)
                .withEntity(HttpEntities.create(ContentTypes.APPLICATION_JSON, text));
    }
}
