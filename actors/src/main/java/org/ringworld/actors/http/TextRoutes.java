package org.ringworld.actors.http;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.Cancellable;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.http.javadsl.model.ContentTypes;
import org.apache.pekko.http.javadsl.model.HttpEntities;
import org.apache.pekko.http.javadsl.model.HttpResponse;
import org.apache.pekko.http.javadsl.model.MediaTypes;
import org.apache.pekko.http.javadsl.model.headers.RawHeader;
import org.apache.pekko.japi.Pair;
import org.apache.pekko.stream.BackpressureTimeoutException;
import org.apache.pekko.stream.OverflowStrategy;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.SourceQueueWithComplete;
import org.apache.pekko.util.ByteString;
import org.ringworld.actors.http.openai.ApiFault;
import org.ringworld.actors.http.openai.Fields;
import org.ringworld.actors.http.openai.TextRequest;
import org.ringworld.actors.http.openai.Usage;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** What models are asked for, each request by a virtual thread of its own. */
final class TextRoutes {
    /** Events that a client may be behind. */
    private static final int BEHIND = 16;

    /** A stream that has nothing to say says so, lest somebody on its way thinks it is dead. */
    private static final Duration SILENT_FOR = Duration.ofSeconds(1);

    /** Who takes nothing for so long is not waited for any more. */
    private static final Duration TAKES_WITHIN = Duration.ofSeconds(60);

    /** An answer over this is given piece by piece. */
    private static final int PIECE = 1 << 16;

    /** Of what is longer only a few are read into tokens at once: it takes memory and time. */
    private static final int LONG_BODY = 1 << 18;

    private static final int LONG_AT_ONCE = 2;

    private final ActorSystem<?> system;
    private final ServedTexts texts;
    private final Metrics metrics;
    private final Duration longest;
    private final int queue;
    private final Semaphore room;
    private final Semaphore longs = new Semaphore(LONG_AT_ONCE);

    /** What a request is answered with. */
    interface Work {
        void answer(byte[] body, CompletableFuture<HttpResponse> response)
                throws InterruptedException;
    }

    TextRoutes(ActorSystem<?> system, HttpSettings settings, ServedTexts texts, Metrics metrics) {
        this.system = system;
        this.texts = texts;
        this.metrics = metrics;
        this.longest = Duration.ofSeconds(settings.seconds());
        this.queue = settings.queue();
        this.room = new Semaphore(queue);
    }

    /** Answers; it ends when the client goes away, and when it takes too long. */
    CompletionStage<HttpResponse> start(
            Work work, Bodies.Body body, Connections.Connection connection) {
        CompletableFuture<HttpResponse> response = new CompletableFuture<>();
        Thread.ofVirtual()
                .name("http")
                .start(
                        () -> {
                            connection.works(Thread.currentThread());
                            try (body) {
                                work.answer(body.take(), response);
                            } catch (ApiFault e) {
                                response.complete(e.response());
                            } catch (InterruptedException e) {
                                response.complete(
                                        ApiFault.server(503, null, "it was given up").response());
                            } catch (RuntimeException | Error e) {
                                system.log().warn("a request fails", e);
                                response.complete(broken().response());
                            } finally {
                                connection.rests(Thread.currentThread());
                            }
                        });
        return response;
    }

    private static ApiFault broken() {
        return ApiFault.server(500, null, "the server failed; its log says why");
    }

    // ---- texts

    /** {@code /v1/completions}. */
    void completions(byte[] body, CompletableFuture<HttpResponse> response)
            throws InterruptedException {
        text(body, response, RequestReader::completion);
    }

    /** {@code /v1/chat/completions}. */
    void chat(byte[] body, CompletableFuture<HttpResponse> response) throws InterruptedException {
        text(body, response, RequestReader::chat);
    }

    private void text(
            byte[] body,
            CompletableFuture<HttpResponse> response,
            Function<RequestReader, TextRequest> read)
            throws InterruptedException {
        Fields fields = Fields.of(body);
        try (ServedTexts.Lease model = take(fields)) {
            TextRequest request =
                    atOnce(body, () -> read.apply(new RequestReader(fields, model.text())));
            if (!room.tryAcquire(request.texts())) {
                throw ApiFault.busy("%d texts are waited for already: try again".formatted(queue));
            }
            try {
                write(model.text(), request, response);
            } finally {
                room.release(request.texts());
            }
        }
    }

    private <T> T atOnce(byte[] body, Supplier<T> read) throws InterruptedException {
        if (body.length < LONG_BODY) {
            return read.get();
        }
        longs.acquire();
        try {
            return read.get();
        } finally {
            longs.release();
        }
    }

    private void write(
            ServedText model, TextRequest request, CompletableFuture<HttpResponse> response)
            throws InterruptedException {
        Usage usage = new Usage(request.promptTokens());
        Reply.Envelope envelope = Reply.Envelope.of(request, model.name());
        AtomicBoolean late = new AtomicBoolean();
        Thread thread = Thread.currentThread();
        Cancellable deadline =
                system.scheduler()
                        .scheduleOnce(
                                longest,
                                () -> {
                                    late.set(true);
                                    thread.interrupt();
                                },
                                system.executionContext());
        try {
            if (request.stream() == null) {
                Reply.Whole whole = new Reply.Whole(envelope, request.texts());
                new TextRun(model, request, usage, metrics, whole).run();
                response.complete(json(whole.json(usage)));
            } else {
                stream(model, request, usage, envelope, response, late);
            }
        } catch (InterruptedException e) {
            if (late.get()) {
                throw tooLong();
            }
            throw e;
        } finally {
            deadline.cancel();
        }
    }

    private ApiFault tooLong() {
        return ApiFault.server(
                504, "timeout", "it took longer than %d s".formatted(longest.toSeconds()));
    }

    private void stream(
            ServedText model,
            TextRequest request,
            Usage usage,
            Reply.Envelope envelope,
            CompletableFuture<HttpResponse> response,
            AtomicBoolean late)
            throws InterruptedException {
        Pair<SourceQueueWithComplete<ByteString>, Source<ByteString, NotUsed>> events =
                Source.<ByteString>queue(
                                BEHIND,
                                OverflowStrategy.backpressure(),
                                request.texts() + 1) // what fails it comes between
                        .preMaterialize(system);
        Reply.Events reply = new Reply.Events(envelope, request.stream(), usage, events.first());
        TextRun run = new TextRun(model, request, usage, metrics, reply);
        response.complete(
                HttpResponse.create()
                        .addHeaders(
                                List.of(
                                        RawHeader.create("Cache-Control", "no-cache"),
                                        RawHeader.create("X-Accel-Buffering", "no")))
                        .withEntity(
                                HttpEntities.createChunked(
                                        MediaTypes.TEXT_EVENT_STREAM.toContentType(),
                                        taken(
                                                events.second()
                                                        .keepAlive(
                                                                SILENT_FOR,
                                                                () -> comment(run.progress()))))));
        try {
            run.run();
            reply.finish();
        } catch (ApiFault e) {
            reply.fail(e);
        } catch (InterruptedException e) {
            if (late.get()) {
                reply.fail(tooLong());
            } else {
                events.first().complete();
            }
        } catch (RuntimeException e) {
            system.log().warn("a stream fails", e);
            reply.fail(broken());
        }
    }

    private static ByteString comment(String text) {
        return ByteString.fromString(": " + text + "\n\n");
    }

    /** The model that is asked; where there is only one, it need not be named. */
    private ServedTexts.Lease take(Fields fields) {
        List<ServedText> present = texts.present();
        String name = fields.text("model", null);
        if (name == null && present.size() == 1) {
            name = present.getFirst().name();
        }
        if (name == null) {
            throw fields.fault("model", "is missing");
        }
        ServedTexts.Lease lease = texts.take(name);
        if (lease == null) {
            throw unknown(name);
        }
        return lease;
    }

    static ApiFault unknown(String model) {
        return new ApiFault(
                404,
                "invalid_request_error",
                "model",
                "model_not_found",
                "there is no model %s here; /v1/models lists those that are".formatted(model));
    }

    // ---- tokens

    /** {@code /tokenize}. */
    void tokenize(byte[] body, CompletableFuture<HttpResponse> response)
            throws InterruptedException {
        Fields fields = Fields.of(body);
        try (ServedTexts.Lease model = take(fields)) {
            String text = fields.text("text");
            int[] ids = atOnce(body, () -> model.text().tokenizer().encode(text));
            ObjectNode all = JsonMapper.shared().createObjectNode();
            ArrayNode list = all.putArray("ids");
            for (int id : ids) {
                list.add(id);
            }
            response.complete(json(all));
        }
    }

    /** {@code /detokenize}. */
    void detokenize(byte[] body, CompletableFuture<HttpResponse> response) {
        Fields fields = Fields.of(body);
        try (ServedTexts.Lease model = take(fields)) {
            JsonNode list = fields.node("ids");
            if (!list.isArray()) {
                throw fields.fault("ids", "must be a list of tokens");
            }
            int[] ids =
                    list.isEmpty()
                            ? new int[0]
                            : fields.ids("ids", list, model.text().tokenizer().vocabSize());
            String text = model.text().tokenizer().decode(ids);
            response.complete(json(JsonMapper.shared().createObjectNode().put("text", text)));
        }
    }

    static HttpResponse json(JsonNode json) {
        byte[] bytes = json.toString().getBytes(StandardCharsets.UTF_8);
        if (bytes.length <= PIECE) {
            return HttpResponse.create()
                    .withEntity(HttpEntities.create(ContentTypes.APPLICATION_JSON, bytes));
        }
        ByteString all = ByteString.fromArrayUnsafe(bytes);
        Source<ByteString, NotUsed> pieces =
                Source.range(0, (bytes.length - 1) / PIECE)
                        .map(i -> all.slice(i * PIECE, (i + 1) * PIECE));
        return HttpResponse.create()
                .withEntity(
                        HttpEntities.create(
                                ContentTypes.APPLICATION_JSON, bytes.length, taken(pieces)));
    }

    /** Fails where the client takes nothing for too long, which ends its connection. */
    private static Source<ByteString, NotUsed> taken(Source<ByteString, NotUsed> answer) {
        return answer.backpressureTimeout(TAKES_WITHIN)
                .mapError(BackpressureTimeoutException.class, _ -> new NotTakenException());
    }

    private static final class NotTakenException extends RuntimeException {
        private static final long serialVersionUID = 1;

        NotTakenException() {
            super("the client took nothing for " + TAKES_WITHIN, null, false, false);
        }
    }
}
