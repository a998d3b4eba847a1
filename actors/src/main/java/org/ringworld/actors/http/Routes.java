package org.ringworld.actors.http;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.http.javadsl.model.ContentTypes;
import org.apache.pekko.http.javadsl.model.HttpMethods;
import org.apache.pekko.http.javadsl.model.HttpRequest;
import org.apache.pekko.http.javadsl.model.HttpResponse;
import org.apache.pekko.stream.javadsl.Sink;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Which request is answered by whom. */
final class Routes {
    private final ActorSystem<?> system;
    private final ServedTexts texts;
    private volatile boolean closed;

    Routes(ActorSystem<?> system, HttpSettings settings, ServedTexts texts) {
        this.system = system;
        this.texts = texts;
    }

    /** From now on nothing is answered any more. */
    void close() {
        closed = true;
    }

    CompletionStage<HttpResponse> answer(HttpRequest request, Connections.Connection connection) {
        try {
            return CompletableFuture.completedFuture(simple(request));
        } catch (ApiFault e) {
            request.entity().getDataBytes().runWith(Sink.cancelled(), system);
            return CompletableFuture.completedFuture(e.response());
        }
    }

    private HttpResponse simple(HttpRequest request) {
        if (closed) {
            throw ApiFault.server(503, null, "the server is about to end");
        }
        String path = request.getUri().path();
        if (!request.method().equals(HttpMethods.GET)) {
            throw new ApiFault(405, "invalid_request_error", null, null, path + " is for GET");
        }
        return switch (path) {
            case "/health" -> json(JsonMapper.shared().createObjectNode().put("status", "ok"));
            case "/v1/models" -> json(models());
            default -> throw new ApiFault(404, "invalid_request_error", null, null, "no " + path);
        };
    }

    private ObjectNode models() {
        ObjectNode all = JsonMapper.shared().createObjectNode().put("object", "list");
        var data = all.putArray("data");
        for (ServedText text : texts.present()) {
            data.addObject()
                    .put("id", text.name())
                    .put("object", "model")
                    .put("created", text.created())
                    .put("owned_by", "ringworld");
        }
        return all;
    }

    private static HttpResponse json(JsonNode json) {
        return HttpResponse.create().withEntity(ContentTypes.APPLICATION_JSON, json.toString());
    }
}
