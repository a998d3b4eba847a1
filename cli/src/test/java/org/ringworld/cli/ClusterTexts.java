package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ringworld.actors.cluster.ClusterClient;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Made;
import org.ringworld.model.decode.Sampler;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Texts that a cluster writes. */
final class ClusterTexts {
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    private ClusterTexts() {}

    /** What a ring of three processes writes is what one process does. */
    static void assertSame(LocalCluster cluster, Path model) throws Exception {
        List<String> settings = List.of("ring.size=3", "device.threads=1");
        InferenceSettings on = InferenceSettings.of(settings, model);
        int vocab = on.config().vocabSize();
        List<Ask> asks = new ArrayList<>();
        for (int n : List.of(1, 40, 1500)) {
            int[] ids = new SplittableRandom(n).ints(n, 0, vocab).toArray();
            asks.add(new Ask(ids, 9, Sampler.GREEDY, Set.of(), 1, n == 40 ? 1 : 0));
        }
        ClusterClient client = ClusterClient.of("127.0.0.1:" + cluster.port(0));
        List<List<Made.Token>> texts = new ArrayList<>();
        List<float[]> scores = new ArrayList<>();
        List<boolean[]> hits = new ArrayList<>();
        for (Engine one : List.of(on.engine(4096), on.engine(4096, settings, client))) {
            try (Engine engine = one) {
                List<Answer> answers = asks.stream().map(engine::ask).toList();
                for (Answer answer : answers) {
                    List<Made.Token> tokens = new ArrayList<>();
                    for (var next = answer.next(); next != null; next = answer.next()) {
                        tokens.add(next);
                    }
                    texts.add(tokens);
                }
                scores.add(answers.get(1).scores());
                hits.add(answers.get(1).hits());
                int[] wrong = {1, vocab};
                Answer refused = engine.ask(new Ask(wrong, 1, Sampler.GREEDY, Set.of()));
                assertThatThrownBy(refused::next).hasMessageContaining("the model's are 0 to");
            }
        }
        for (int i = 0; i < asks.size(); i++) {
            assertThat(texts.get(i)).hasSize(9);
            for (int at = 0; at < 9; at++) {
                Made.Token one = texts.get(i).get(at);
                Made.Token other = texts.get(i + 3).get(at);
                assertThat(other.id()).as("token %d of text %d", at, i).isEqualTo(one.id());
                assertThat(other.logprob()).isCloseTo(one.logprob(), within(1e-4));
            }
        }
        assertThat(hits.get(1)).isEqualTo(hits.get(0));
        for (int at = 1; at < 40; at++) {
            assertThat(scores.get(1)[at]).isCloseTo(scores.get(0)[at], within(1e-4f));
        }
    }

    /** Clients of all nodes are answered, as one process would. */
    static void assertServed(LocalCluster cluster, Path model) throws Exception {
        List<Object> serve =
                List.of(
                        "serve",
                        model,
                        "name=hello",
                        "ring.size=2",
                        "maxTokens=4096",
                        "--cluster",
                        cluster.address(1));
        CommandLineTest.Outcome served = CommandLineTest.run(serve.toArray());
        assertThat(served.code()).as(served.err()).isZero();
        Matcher says =
                Pattern.compile("serving hello at (.*); it is job (.*)\n").matcher(served.out());
        assertThat(says.matches()).as(served.out()).isTrue();
        List<String> addresses = List.of(says.group(1).split(", "));
        assertThat(addresses).hasSize(3);
        String alone = alone(model);
        for (String address : addresses) {
            JsonNode answer = post(address);
            assertThat(answer.path("choices").path(0).path("text").asString())
                    .as(answer.toString())
                    .isEqualTo(alone);
        }
        assertThat(CommandLineTest.run(serve.toArray()).err()).contains("another name=");
        CommandLineTest.Outcome jobs = CommandLineTest.run("jobs", "--cluster", cluster.address(0));
        assertThat(jobs.out()).contains(says.group(2)).contains(addresses.getFirst());
        cluster.stop(says.group(2));
        for (String address : addresses) {
            cluster.await(
                    "the end at " + address,
                    30,
                    () -> get(address + "/v1/models").path("data").isEmpty());
        }
    }

    private static String alone(Path model) {
        CommandLineTest.Outcome alone =
                CommandLineTest.run(
                        "generate",
                        model,
                        "--prompt",
                        "hello",
                        "--max-new-tokens",
                        "12",
                        "--json",
                        "device.threads=1");
        assertThat(alone.code()).as(alone.err()).isZero();
        return JsonMapper.shared().readTree(alone.out()).path("text").asString();
    }

    private static JsonNode post(String address) throws Exception {
        String body =
                """
                {"model": "hello", "prompt": "hello", "max_tokens": 12, "temperature": 0}
                """;
        HttpRequest request =
                HttpRequest.newBuilder(URI.create(address + "/v1/completions"))
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build();
        return JsonMapper.shared()
                .readTree(HTTP.send(request, HttpResponse.BodyHandlers.ofString()).body());
    }

    private static JsonNode get(String address) {
        HttpRequest request = HttpRequest.newBuilder(URI.create(address)).build();
        return JsonMapper.shared()
                .readTree(
                        HTTP.sendAsync(request, HttpResponse.BodyHandlers.ofString())
                                .join()
                                .body());
    }
}
