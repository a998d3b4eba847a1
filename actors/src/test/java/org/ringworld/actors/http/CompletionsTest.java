package org.ringworld.actors.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Sampler;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

@Timeout(120)
class CompletionsTest {
    private static final String PATH = "/v1/completions";

    @TempDir private static Path directory;
    private static TinyFront tiny;

    @BeforeAll
    static void open() throws Exception {
        tiny = new TinyFront(directory);
    }

    @AfterAll
    static void close() {
        tiny.close();
    }

    private static String text(JsonNode answer, int choice) {
        return answer.path("choices").path(choice).path("text").asString();
    }

    /** What the engine itself writes greedily. */
    private static Continuation written(String prompt, int most) throws Exception {
        int[] ids = tiny.tokenizer.prompt(prompt);
        var decoder = tiny.tokenizer.decoder();
        IntStream.of(ids).forEach(decoder::next);
        Ask ask = new Ask(ids, most, Sampler.GREEDY, tiny.tokenizer.ends());
        try (Answer answer = tiny.engine.ask(ask)) {
            return Continuation.write(answer, tiny.tokenizer, decoder, List.of(), _ -> {});
        }
    }

    @Test
    void anAnswerHasTheShapeOfOpenAIs() throws Exception {
        JsonNode answer =
                tiny.answer(
                        PATH,
                        "{'model': 'tiny', 'prompt': 'abc', 'max_tokens': 7, 'temperature': 0}");
        assertThat(answer.path("id").asString()).startsWith("cmpl-");
        assertThat(answer.path("object").asString()).isEqualTo("text_completion");
        assertThat(answer.path("created").asLong()).isGreaterThan(1_700_000_000);
        assertThat(answer.path("model").asString()).isEqualTo("tiny");
        JsonNode choice = answer.path("choices").path(0);
        Continuation right = written("abc", 7);
        assertThat(choice.path("text").asString()).isEqualTo(right.text());
        assertThat(choice.path("index").asInt()).isZero();
        assertThat(choice.path("logprobs").isNull()).isTrue();
        assertThat(choice.path("finish_reason").asString())
                .isEqualTo(right.stopped() ? "stop" : "length");
        JsonNode usage = answer.path("usage");
        int completion = right.tokens().size() + (right.end() == null ? 0 : 1);
        assertThat(usage.path("prompt_tokens").asInt()).isEqualTo(4); // and BOS
        assertThat(usage.path("completion_tokens").asInt()).isEqualTo(completion);
        assertThat(usage.path("total_tokens").asInt()).isEqualTo(4 + completion);
        assertThat(usage.path("prompt_tokens_details").path("cached_tokens").isInt()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'temperature': 0",
                "'seed': 5, 'logprobs': 3, 'n': 2",
                "'seed': 6, 'stop': ['e', 'ab'], 'logprobs': 0",
                "'seed': 7, 'echo': true, 'logprobs': 2",
                "'seed': 8, 'echo': true, 'top_k': 40, 'top_p': 0.9, 'min_p': 0.01, 'repetition_penalty': 1.1",
            })
    void aStreamSaysWhatAWholeAnswerSays(String options) throws Exception {
        String body = "{'model': 'tiny', 'prompt': ['abc', 'déf'], 'max_tokens': 30, " + options;
        JsonNode whole = tiny.answer(PATH, body + "}");
        List<JsonNode> events =
                tiny.events(
                        PATH,
                        body + ", 'stream': true, 'stream_options': {'include_usage': true}}");
        JsonNode last = events.getLast();
        assertThat(last.path("choices")).isEmpty();
        assertThat(last.path("usage").path("total_tokens"))
                .isEqualTo(whole.path("usage").path("total_tokens"));
        for (int i = 0; i < whole.path("choices").size(); i++) {
            int index = i;
            List<JsonNode> parts =
                    events.subList(0, events.size() - 1).stream()
                            .map(event -> event.path("choices").path(0))
                            .filter(part -> part.path("index").asInt() == index)
                            .toList();
            JsonNode right = whole.path("choices").path(i);
            StringBuilder text = new StringBuilder();
            parts.forEach(part -> text.append(part.path("text").asString()));
            assertThat(text.toString()).isEqualTo(right.path("text").asString());
            assertThat(parts.getLast().path("finish_reason"))
                    .isEqualTo(right.path("finish_reason"));
            for (String list : List.of("tokens", "text_offset", "token_logprobs")) {
                List<JsonNode> joined = new ArrayList<>();
                parts.forEach(part -> part.path("logprobs").path(list).forEach(joined::add));
                if (list.equals("token_logprobs")) {
                    assertThat(joined).hasSameSizeAs(right.path("logprobs").path(list));
                } else {
                    assertThat(joined).containsExactlyElementsOf(right.path("logprobs").path(list));
                }
            }
        }
    }

    @Test
    void anEchoTellsHowLikelyThePromptWas() throws Exception {
        String prompt = "né fine day ".repeat(20);
        int[] ids = tiny.tokenizer.prompt(prompt);
        for (int most : new int[] {0, 1}) {
            JsonNode answer =
                    tiny.answer(
                            PATH,
                            "{'model': 'tiny', 'prompt': [%s], 'max_tokens': %d, 'temperature': 0, 'echo': true, 'logprobs': 1}"
                                    .formatted(
                                            IntStream.of(ids)
                                                    .mapToObj(String::valueOf)
                                                    .reduce((a, b) -> a + "," + b)
                                                    .orElseThrow(),
                                            most));
            JsonNode told = answer.path("choices").path(0).path("logprobs");
            assertThat(told.path("tokens")).hasSize(ids.length + most);
            assertThat(text(answer, 0)).startsWith(prompt);
            assertThat(told.path("token_logprobs").path(0).isNull()).isTrue();
            assertThat(told.path("top_logprobs").path(0).isNull()).isTrue();
            assertThat(told.path("text_offset").path(5).asInt()).isEqualTo(3); // n é _ f
            Ask ask = new Ask(ids, 0, Sampler.GREEDY, Set.of(), 0, 1);
            try (Answer scored = tiny.engine.ask(ask)) {
                scored.next();
                for (int i = 1; i < ids.length; i++) {
                    double logprob = told.path("token_logprobs").path(i).asDouble();
                    assertThat(logprob).isCloseTo(scored.scores()[i], within(1e-5));
                    // As lm-evaluation-harness finds out whether it would have been written.
                    double best =
                            told.path("top_logprobs").path(i).values().stream()
                                    .mapToDouble(JsonNode::asDouble)
                                    .max()
                                    .orElseThrow();
                    assertThat(logprob == best).isEqualTo(scored.hits()[i]);
                }
            }
        }
    }

    @Test
    void promptsComeAsTextsOrTokensOneOrMany() throws Exception {
        String rest = ", 'max_tokens': 6, 'temperature': 0}";
        String alone = text(tiny.answer(PATH, "{'prompt': 'xy'" + rest), 0);
        int[] ids = tiny.tokenizer.prompt("xy");
        String list = "[%d, %d, %d]".formatted(ids[0], ids[1], ids[2]);
        assertThat(text(tiny.answer(PATH, "{'prompt': " + list + rest), 0)).isEqualTo(alone);
        for (String many : List.of("['q', 'xy']", "[[3], " + list + "]")) {
            JsonNode both = tiny.answer(PATH, "{'prompt': " + many + rest);
            assertThat(both.path("choices")).hasSize(2);
            assertThat(both.path("choices").path(1).path("index").asInt()).isEqualTo(1);
            assertThat(text(both, 1)).isEqualTo(alone);
        }
    }

    @Test
    void choicesHaveSeedsOneAfterTheOther() throws Exception {
        String body = "{'prompt': 'choices', 'max_tokens': 12, 'n': %d, 'seed': %d}";
        JsonNode three = tiny.answer(PATH, body.formatted(3, 40));
        assertThat(three.path("choices")).hasSize(3);
        for (int i = 0; i < 3; i++) {
            assertThat(text(three, i))
                    .isEqualTo(text(tiny.answer(PATH, body.formatted(1, 40 + i)), 0));
        }
        assertThat(three.path("usage").path("prompt_tokens").asInt()).isEqualTo(8);
    }

    @Test
    void whatAPromptHasInCommonWithEarlierOnesIsCached() throws Exception {
        String body = "{'prompt': '%s', 'max_tokens': 1}".formatted("common ".repeat(40));
        tiny.answer(PATH, body);
        JsonNode again = tiny.answer(PATH, body);
        assertThat(again.path("usage").path("prompt_tokens_details").path("cached_tokens").asInt())
                .isEqualTo(256);
    }

    @Test
    void usageIsToldWhileStreaming() throws Exception {
        List<JsonNode> events =
                tiny.events(
                        PATH,
                        "{'prompt': 'u', 'max_tokens': 9, 'seed': 1, 'stream': true, 'stream_options': {'include_usage': true, 'continuous_usage_stats': true}}");
        int before = 0;
        for (JsonNode event : events) {
            int so = event.path("usage").path("completion_tokens").asInt();
            assertThat(so).isGreaterThanOrEqualTo(before);
            before = so;
        }
        assertThat(events.getFirst().path("usage").path("completion_tokens").asInt()).isLessThan(9);
    }

    @Test
    void tokensAreMadeAndReadAgain() throws Exception {
        JsonNode ids = tiny.answer("/tokenize", "{'text': 'né </s>'}").path("ids");
        assertThat(ids).hasSize(8);
        assertThat(tiny.answer("/detokenize", "{'ids': %s}".formatted(ids)).path("text").asString())
                .isEqualTo("né </s>");
        assertThat(tiny.answer("/detokenize", "{'ids': []}").path("text").asString()).isEmpty();
    }

    @Test
    void metricsAreWhatWasDone() throws Exception {
        double before = metric("ringworld_prompt_tokens_total");
        tiny.answer(PATH, "{'prompt': 'metrics', 'max_tokens': 2, 'seed': 1}");
        assertThat(metric("ringworld_prompt_tokens_total")).isEqualTo(before + 8);
        assertThat(metric("ringworld_generated_tokens_total")).isPositive();
        assertThat(metric("ringworld_time_to_first_token_seconds_count")).isPositive();
        assertThat(metric("ringworld_time_per_token_seconds_count")).isPositive();
        assertThat(metric("ringworld_pages_total")).isEqualTo(64);
        for (String zero :
                List.of(
                        "ringworld_requests_queued",
                        "ringworld_ring_epoch",
                        "ringworld_recovered_pages_total",
                        "ringworld_recomputed_tokens_total")) {
            assertThat(metric(zero)).isZero();
        }
        tiny.awaitIdle();
        assertThat(metric("ringworld_pages_used")).isZero();
        assertThat(metric("ringworld_requests_running")).isZero();
    }

    private static double metric(String name) throws Exception {
        return tiny.get("/metrics")
                .body()
                .lines()
                .filter(line -> line.startsWith(name + " "))
                .mapToDouble(line -> Double.parseDouble(line.substring(name.length() + 1)))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void whatTheRingHasToDoIsTold() throws Exception {
        JsonNode model =
                JsonMapper.shared().readTree(tiny.get("/ring").body()).path("models").path(0);
        assertThat(model.path("name").asString()).isEqualTo("tiny");
        assertThat(model.path("ranks").path(0).path("pages").asInt()).isEqualTo(64);
        assertThat(model.path("running").isInt()).isTrue();
    }

    /** It works without any other server. */
    @Test
    void thePageAsksForItsOwnFilesAlone() throws Exception {
        HttpResponse<String> page = tiny.get("/");
        assertThat(page.headers().firstValue("Content-Security-Policy").orElseThrow())
                .startsWith("default-src 'none'; script-src 'self'");
        Matcher files = Pattern.compile("(?:src|href)=\"([^\"]+)\"").matcher(page.body());
        int found = 0;
        while (files.find()) {
            HttpResponse<String> file = tiny.get("/" + files.group(1));
            assertThat(file.statusCode()).as(files.group(1)).isEqualTo(200);
            assertThat(file.body().replace("http://www.w3.org/2000/svg", ""))
                    .doesNotContain("http:", "https:", "innerHTML");
            found++;
        }
        assertThat(found).isGreaterThan(3);
    }

    @Test
    void modelsAreListed() throws Exception {
        assertThat(tiny.get("/v1/models").body())
                .contains("\"id\":\"tiny\"", "\"object\":\"list\"");
        assertThat(tiny.get("/v1/models/tiny").body()).contains("\"id\":\"tiny\"");
        assertThat(tiny.get("/v1/models/huge").statusCode()).isEqualTo(404);
        assertThat(tiny.get("/health").statusCode()).isEqualTo(200);
    }
}
