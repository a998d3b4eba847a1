package org.ringworld.actors.cluster;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import java.util.function.BooleanSupplier;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.cluster.MemberStatus;
import org.apache.pekko.cluster.typed.Cluster;

/** {@code /alive} and {@code /ready}, for whoever watches processes; nothing can be changed. */
final class HealthPort {
    private static final String HEALTH_SECONDS = "5";

    private HealthPort() {}

    /** Opens it until the system ends. */
    static void open(NodeSettings settings, ActorSystem<?> system) throws IOException {
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
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.start();
        system.getWhenTerminated().thenRun(() -> server.stop(0));
    }

    private static void answer(HttpServer server, String path, BooleanSupplier good) {
        server.createContext(
                path,
                exchange -> {
                    boolean is = good.getAsBoolean();
                    byte[] text = (is ? "yes\n" : "no\n").getBytes(StandardCharsets.US_ASCII);
                    exchange.sendResponseHeaders(is ? 200 : 503, text.length);
                    exchange.getResponseBody().write(text);
                    exchange.close();
                });
    }
}
