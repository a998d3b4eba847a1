package org.ringworld.actors.http;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.ringworld.actors.job.Jobs;
import org.ringworld.actors.serving.SavedModel;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.JointVocabulary;
import org.ringworld.model.decode.LocalEngine;
import org.ringworld.model.decode.ServedModel;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A front in this JVM that serves a small random model of bytes. */
final class TinyFront implements AutoCloseable {
    static final int LONGEST = 1024;
    private static final int CAPACITY = 8 * LONGEST;

    final Tokenizer tokenizer = new ByteTokenizer();
    final Engine engine;
    final ServedTexts texts = new ServedTexts();
    final HttpFront front;
    final HttpClient client = HttpClient.newHttpClient();
    final AtomicInteger unused = new AtomicInteger();
    private final ActorSystem<Void> system;
    private final LlamaConfig config;
    private final SeenPictures pictures;

    /**
     * @param settings of which the port does not matter
     */
    TinyFront(Path directory, HttpSettings settings) throws Exception {
        this(directory, settings, Jobs.MODEL, null);
    }

    /**
     * @param pictures null for text alone
     */
    TinyFront(Path directory, HttpSettings settings, LlamaConfig config, SeenPictures pictures)
            throws Exception {
        this.config = config;
        this.pictures = pictures;
        this.engine = engine(SavedModel.in(directory, config).path());
        this.system = ActorSystem.create(Behaviors.empty(), "front", ConfigFactory.load());
        put("tiny");
        this.front =
                HttpFront.open(
                        system,
                        settings,
                        texts,
                        new PrometheusMeterRegistry(PrometheusConfig.DEFAULT));
    }

    TinyFront(Path directory) throws Exception {
        this(directory, settings());
    }

    static HttpSettings settings() {
        return new HttpSettings("127.0.0.1", 0, null, 64, 1 << 20, 60, 100);
    }

    private Engine engine(Path model) throws Exception {
        return new LocalEngine(
                new CpuDevice(1),
                ModelFiles.open(model),
                config,
                ServedModel.Options.of(DType.F32),
                CAPACITY);
    }

    void put(String name) {
        texts.put(
                new ServedText(
                        name,
                        engine,
                        tokenizer,
                        ChatTemplate.lwm(),
                        JointVocabulary.of(config).count(),
                        LONGEST,
                        1_700_000_000,
                        pictures),
                unused::incrementAndGet);
    }

    HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create(front.url() + path));
    }

    HttpResponse<String> get(String path) throws Exception {
        return client.send(request(path).build(), HttpResponse.BodyHandlers.ofString());
    }

    HttpResponse<String> post(String path, String body) throws Exception {
        return client.send(
                request(path).POST(HttpRequest.BodyPublishers.ofString(body)).build(),
                HttpResponse.BodyHandlers.ofString());
    }

    /** What is answered where all is right; quotes in the body may be single ones. */
    JsonNode answer(String path, String body) throws Exception {
        HttpResponse<String> response = post(path, body.replace('\'', '"'));
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return JsonMapper.shared().readTree(response.body());
    }

    /** The events of a stream, without the last, which is checked. */
    List<JsonNode> events(String path, String body) throws Exception {
        HttpResponse<String> response = post(path, body.replace('\'', '"'));
        assertThat(response.headers().firstValue("Content-Type").orElse(""))
                .startsWith("text/event-stream");
        List<String> data =
                response.body().lines().filter(line -> line.startsWith("data: ")).toList();
        assertThat(data.getLast()).isEqualTo("data: [DONE]");
        return data.subList(0, data.size() - 1).stream()
                .map(line -> JsonMapper.shared().readTree(line.substring("data: ".length())))
                .toList();
    }

    /** The fault of an answer, of whose shape everything is looked at. */
    static JsonNode fault(HttpResponse<String> response, int status) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        return fault(response.body());
    }

    static JsonNode fault(String body) {
        JsonNode json = JsonMapper.shared().readTree(body);
        assertThat(json.propertyNames()).containsExactly("error");
        JsonNode error = json.path("error");
        assertThat(error.propertyNames()).containsExactly("message", "type", "param", "code");
        assertThat(error.path("message").asString()).isNotEmpty();
        assertThat(error.path("type").isString()).isTrue();
        return error;
    }

    /** Waits until nothing is written and no page is in use. */
    void awaitIdle() throws InterruptedException {
        long until = System.nanoTime() + 10_000_000_000L;
        while (engine.load().running() > 0 || engine.load().ranks().getFirst().used() > 0) {
            assertThat(System.nanoTime()).as("%s", engine.load()).isLessThan(until);
            Thread.sleep(5);
        }
    }

    @Override
    public void close() {
        client.close();
        front.close();
        engine.close();
        system.terminate();
        system.getWhenTerminated().toCompletableFuture().join();
    }
}
