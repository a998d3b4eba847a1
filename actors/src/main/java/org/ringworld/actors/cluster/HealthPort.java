package org.ringworld.actors.cluster;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import java.util.function.BooleanSupplier;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.cluster.MemberStatus;
import org.apache.pekko.cluster.typed.Cluster;

/**
 * {@code /alive}, {@code /ready} and {@code /metrics}, for whoever watches processes; nothing can
 * be changed.
 */
final class HealthPort {
    private static final String HEALTH_SECONDS = "5";

    private HealthPort() {}

    /** Opens it until the system ends. */
    static void open(NodeSettings settings, ActorSystem<?> system, PrometheusMeterRegistry meters)
            throws IOException {
        InetSocketAddress address =
                new InetSocketAddress(
                        InetAddress.getByName(settings.host()), settings.healthPort());
        // Whoever connects and says nothing is cut off; the server knows no other way to be told.
        System.setProperty("sun.net.httpserver.maxReqTime", HEALTH_SECONDS);
        HttpServer server = HttpServer.create(address, 16);
        answer(server, "/alive", () -> true);
        answer(
                server,
                "/ready",
                () -> Cluster.get(system).selfMember().status() == MemberStatus.up());
        server.createContext("/metrics", exchange -> send(exchange, 200, meters.scrape()));
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.start();
        system.getWhenTerminated().thenRun(() -> server.stop(0));
    }

    private static void answer(HttpServer server, String path, BooleanSupplier good) {
        server.createContext(
                path,
                exchange -> {
                    boolean is = good.getAsBoolean();
                    send(exchange, is ? 200 : 503, is ? "yes\n" : "no\n");
                });
    }

    private static void send(HttpExchange exchange, int status, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().add("Content-Type", "text/plain; charset=utf-8");
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }
}
