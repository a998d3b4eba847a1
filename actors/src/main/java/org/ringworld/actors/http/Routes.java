package org.ringworld.actors.http;

import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.http.javadsl.model.ContentTypes;
import org.apache.pekko.http.javadsl.model.HttpCharsets;
import org.apache.pekko.http.javadsl.model.HttpRequest;
import org.apache.pekko.http.javadsl.model.HttpResponse;
import org.apache.pekko.http.javadsl.model.MediaTypes;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.util.ByteString;
import org.ringworld.actors.http.openai.ApiFault;
import org.ringworld.model.decode.Load;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Which request is answered by whom. */
final class Routes {
    private static final String MODEL = "/v1/models/";

    private final ActorSystem<?> system;
    private final ServedTexts texts;
    private final byte[] bearer;
    private final Bodies bodies;
    private final TextRoutes text;
    private final Metrics metrics;
    private final Map<String, Route> routes;
    private volatile boolean closed;

    /** Of one path. */
    private sealed interface Route {
        /** Answers GET at once. */
        record Get(boolean isFree, Supplier<HttpResponse> answer) implements Route {}

        /** Answers POST when the body has come. */
        record Post(TextRoutes.Work work) implements Route {}
    }

    Routes(
            ActorSystem<?> system,
            HttpSettings settings,
            ServedTexts texts,
            PrometheusMeterRegistry meters) {
        this.system = system;
        this.texts = texts;
        this.bearer =
                settings.apiKey() == null
                        ? null
                        : ("Bearer " + settings.apiKey()).getBytes(StandardCharsets.UTF_8);
        this.bodies = new Bodies(system, settings.maxBody());
        this.metrics = new Metrics(texts, meters);
        this.text = new TextRoutes(system, settings, texts, metrics);
        this.routes =
                new HashMap<>(
                        Map.of(
                                "/health", new Route.Get(true, Routes::health),
                                "/metrics", new Route.Get(false, this::metrics),
                                "/ring", new Route.Get(false, this::ring),
                                "/v1/models", new Route.Get(false, this::models),
                                "/v1/completions", new Route.Post(text::completions),
                                "/v1/chat/completions", new Route.Post(text::chat),
                                "/tokenize", new Route.Post(text::tokenize),
                                "/detokenize", new Route.Post(text::detokenize)));
        Page.files().forEach((path, file) -> routes.put(path, new Route.Get(true, () -> file)));
    }

    /** From now on nothing is answered any more. */
    void close() {
        closed = true;
    }

    /** Answers; never fails. */
    CompletionStage<HttpResponse> answer(HttpRequest request, Connections.Connection connection) {
        long start = System.nanoTime();
        return begin(request, connection)
                .exceptionally(fault -> refused(fault).response())
                .thenApply(
                        response -> {
                            system.log()
                                    .debug(
                                            "{} {}: {} after {} ms",
                                            request.method().value(),
                                            request.getUri().path(),
                                            response.status().intValue(),
                                            (System.nanoTime() - start) / 1_000_000);
                            return response;
                        });
    }

    private CompletionStage<HttpResponse> begin(
            HttpRequest request, Connections.Connection connection) {
        boolean taken = false;
        try {
            Route route = route(request);
            if (route instanceof Route.Post post) {
                CompletionStage<Bodies.Body> body = bodies.read(request);
                taken = true;
                return body.thenCompose(read -> text.start(post.work, read, connection));
            }
            return CompletableFuture.completedFuture(((Route.Get) route).answer.get());
        } catch (ApiFault e) {
            return CompletableFuture.failedFuture(e);
        } finally {
            if (!taken) {
                // What is still on its way is not waited for: the connection ends.
                request.entity().getDataBytes().runWith(Sink.cancelled(), system);
            }
        }
    }

    private ApiFault refused(Throwable fault) {
        Throwable cause = fault instanceof CompletionException ? fault.getCause() : fault;
        if (cause instanceof ApiFault known) {
            return known;
        }
        system.log().warn("a request fails", cause);
        return ApiFault.server(500, null, "the server failed; its log says why");
    }

    private Route route(HttpRequest request) {
        if (closed) {
            throw ApiFault.server(503, null, "the server is about to end");
        }
        String path = request.getUri().path();
        String method = request.method().value();
        Route route =
                path.startsWith(MODEL) ? new Route.Get(false, () -> model(path)) : routes.get(path);
        if (!(route instanceof Route.Get get && get.isFree)) {
            checkSite(request);
            checkKey(request);
        }
        switch (route) {
            case null -> throw fault(404, "there is no " + path + " here");
            case Route.Get _ when !method.equals("GET") -> throw ApiFault.method(path, "GET");
            case Route.Post _ when !method.equals("POST") -> throw ApiFault.method(path, "POST");
            default -> {}
        }
        return route;
    }

    private static boolean isOther(String site) {
        return site.equals("cross-site") || site.equals("same-site");
    }

    private static ApiFault fault(int status, String sentence) {
        return new ApiFault(status, "invalid_request_error", null, null, sentence);
    }

    private static void checkSite(HttpRequest request) {
        if (request.getHeader("Sec-Fetch-Site").filter(site -> isOther(site.value())).isPresent()) {
            throw fault(403, "a page of another site asks: this server answers only its own");
        }
    }

    private void checkKey(HttpRequest request) {
        if (bearer == null) {
            return;
        }
        byte[] given =
                request.getHeader("Authorization")
                        .map(header -> header.value().getBytes(StandardCharsets.UTF_8))
                        .orElse(new byte[0]);
        if (!MessageDigest.isEqual(given, bearer)) {
            throw ApiFault.key(
                    given.length == 0
                            ? "a key is needed: Authorization: Bearer KEY"
                            : "the key is not the right one");
        }
    }

    private static HttpResponse health() {
        return TextRoutes.json(JsonMapper.shared().createObjectNode().put("status", "ok"));
    }

    private HttpResponse metrics() {
        return HttpResponse.create()
                .withEntity(
                        ContentTypes.create(MediaTypes.TEXT_PLAIN, HttpCharsets.UTF_8),
                        ByteString.fromString(metrics.text()));
    }

    /** What there is to do for whom, as far as engines say. */
    private HttpResponse ring() {
        ObjectNode all = JsonMapper.shared().createObjectNode();
        ArrayNode models = all.putArray("models");
        for (ServedText one : texts.used()) {
            Load load = one.engine().load();
            ObjectNode model =
                    models.addObject()
                            .put("name", one.name())
                            .put("epoch", load.epoch())
                            .put("running", load.running())
                            .put("waiting", load.waiting())
                            .put("read", load.read())
                            .put("written", load.written())
                            .put("recovered_pages", load.recoveredPages())
                            .put("recomputed_tokens", load.recomputedTokens());
            ArrayNode ranks = model.putArray("ranks");
            for (Load.Rank rank : load.ranks()) {
                ranks.addObject()
                        .put("device", rank.device())
                        .put("pages", rank.pages())
                        .put("used", rank.used())
                        .put("kept", rank.kept());
            }
        }
        return TextRoutes.json(all);
    }

    private HttpResponse models() {
        ObjectNode all = JsonMapper.shared().createObjectNode().put("object", "list");
        ArrayNode data = all.putArray("data");
        texts.present().forEach(one -> data.add(model(one)));
        return TextRoutes.json(all);
    }

    private HttpResponse model(String path) {
        String name = URLDecoder.decode(path.substring(MODEL.length()), StandardCharsets.UTF_8);
        return texts.present().stream()
                .filter(one -> one.name().equals(name))
                .findFirst()
                .map(one -> TextRoutes.json(model(one)))
                .orElseThrow(() -> TextRoutes.unknown(name));
    }

    private static ObjectNode model(ServedText text) {
        return JsonMapper.shared()
                .createObjectNode()
                .put("id", text.name())
                .put("object", "model")
                .put("created", text.created())
                .put("owned_by", "ringworld")
                .put("max_model_len", text.longest());
    }
}
