package org.ringworld.actors.http;

import com.typesafe.config.ConfigFactory;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.CompletionException;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.Cancellable;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.http.javadsl.Http;
import org.apache.pekko.http.javadsl.IncomingConnection;
import org.apache.pekko.http.javadsl.ServerBinding;
import org.apache.pekko.http.javadsl.model.HttpRequest;
import org.apache.pekko.http.javadsl.model.HttpResponse;
import org.apache.pekko.http.javadsl.settings.ServerSettings;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.Flow;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.ringworld.actors.Faults;

/** Answers over HTTP with the models that it is given, until it is closed. */
public final class HttpFront implements AutoCloseable {
    /** So long streams on their way may take to end. */
    private static final Duration ENDS_WITHIN = Duration.ofSeconds(30);

    private static final Duration BETWEEN_SWEEPS = Duration.ofSeconds(5);
    private static final Duration BETWEEN_LOOKS = Duration.ofMillis(50);

    /**
     * Time is watched by {@link Connections}: what is idle for Pekko may be a long answer. One
     * request more is read than answered, so that a client who hangs up is noticed.
     */
    private static final String SERVER =
            """
            pekko.http.server {
              server-header = ringworld
              idle-timeout = infinite
              request-timeout = infinite
              pipelining-limit = 2
              transparent-head-requests = on
              backlog = 1024
              linger-timeout = 10 s
              socket-options { tcp-keep-alive = on, tcp-no-delay = on }
              parsing { max-content-length = infinite, illegal-header-warnings = off, error-logging-verbosity = off
                error-handler = "org.ringworld.actors.http.IllegalRequests" }
            }
            """;

    private final HttpSettings settings;
    private final Routes routes;
    private final Connections connections;
    private final ServerBinding binding;
    private final Cancellable sweeps;

    /**
     * Opens it.
     *
     * @param texts that are served, also those that come later
     * @param meters shown at {@code /metrics}, among them its own
     * @throws IOException where the port cannot be had
     */
    public static HttpFront open(
            ActorSystem<?> system,
            HttpSettings settings,
            ServedTexts texts,
            PrometheusMeterRegistry meters)
            throws IOException {
        try {
            return new HttpFront(system, settings, texts, meters);
        } catch (CompletionException e) {
            throw new IOException(
                    "port %d at %s, for HTTP, cannot be had: %s; give another http.port="
                            .formatted(
                                    settings.port(),
                                    settings.host(),
                                    Faults.sentence(e.getCause())),
                    e.getCause());
        }
    }

    private HttpFront(
            ActorSystem<?> system,
            HttpSettings settings,
            ServedTexts texts,
            PrometheusMeterRegistry meters) {
        this.settings = settings;
        this.routes = new Routes(system, settings, texts, meters);
        this.connections = new Connections(settings.connections(), routes::answer);
        Materializer materializer = Materializer.matFromSystem(system);
        this.binding =
                Http.get(system)
                        .newServerAt(settings.host(), settings.port())
                        .withSettings(
                                ServerSettings.create(
                                        ConfigFactory.parseString(SERVER)
                                                .withFallback(system.settings().config())))
                        .connectionSource()
                        .to(Sink.foreach(one -> accept(one, materializer)))
                        .run(materializer)
                        .toCompletableFuture()
                        .join();
        this.sweeps =
                system.scheduler()
                        .scheduleWithFixedDelay(
                                BETWEEN_SWEEPS,
                                BETWEEN_SWEEPS,
                                connections::sweep,
                                system.executionContext());
    }

    private void accept(IncomingConnection one, Materializer materializer) {
        Flow<HttpRequest, HttpResponse, NotUsed> flow =
                connections.isFull()
                        ? Flow.fromSinkAndSource(Sink.cancelled(), Source.empty())
                        : connections.open();
        one.handleWith(flow, materializer);
    }

    /** Where it listens. */
    public InetSocketAddress address() {
        return binding.localAddress();
    }

    /** Where it listens, for people and programs. */
    public String url() {
        String host = settings.host();
        return "http://%s:%d"
                .formatted(host.contains(":") ? "[" + host + "]" : host, address().getPort());
    }

    /** Takes no more requests; those on their way have half a minute to end. */
    @Override
    public void close() {
        sweeps.cancel();
        routes.close();
        binding.unbind().toCompletableFuture().join();
        try {
            long until = System.nanoTime() + ENDS_WITHIN.toNanos();
            while (!connections.areIdle() && System.nanoTime() < until) {
                connections.closeIdle();
                Thread.sleep(BETWEEN_LOOKS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        connections.closeAll();
    }
}
