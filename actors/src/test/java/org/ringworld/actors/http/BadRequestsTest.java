package org.ringworld.actors.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.ringworld.actors.http.TinyFront.fault;

import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

@Timeout(120)
class BadRequestsTest {
    private static final String COMPLETIONS = "/v1/completions";
    private static final String CHAT = "/v1/chat/completions";

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

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'prompt': 'a', 'max_tokens': -1} | max_tokens | must be 0 to 1024",
                "{'prompt': 'a', 'max_tokens': 99999999999999999999} | max_tokens | must be 0 to 1024",
                "{'prompt': 'a', 'max_tokens': 2000000000} | max_tokens | must be 0 to 1024",
                "{'prompt': 'a', 'max_tokens': '7'} | max_tokens | must be an integer",
                "{'prompt': 'a', 'max_tokens': 1.5} | max_tokens | must be an integer",
                "{'prompt': 'a', 'temperature': -0.1} | temperature | must be 0 to",
                "{'prompt': 'a', 'temperature': 'hot'} | temperature | must be a number",
                "{'prompt': 'a', 'top_p': 1.1} | top_p | must be 0 to 1",
                "{'prompt': 'a', 'top_k': -2} | top_k | must be",
                "{'prompt': 'a', 'n': 0} | n | must be 1 to 128",
                "{'prompt': ['a', 'b'], 'n': 100} | prompt | asks for 200 texts",
                "{'prompt': 'a', 'stream': 'yes'} | stream | must be true or false",
                "{'prompt': 'a', 'stop': ['']} | stop | must be up to 16 strings",
                "{'prompt': 'a', 'stop': 7} | stop | must be a string or a list",
                "{'prompt': 'a', 'logprobs': 21} | logprobs | must be 0 to 20",
                "{'prompt': 'a', 'seed': 1e400} | seed | must be an integer",
                "{'prompt': 'a', 'suffix': 'b'} | suffix | is not supported",
                "{'prompt': 'a', 'logit_bias': {'5': 1}} | logit_bias | is not supported",
                "{'prompt': 'a', 'model': 7} | model | must be a string",
                "{'prompt': 'a', 'stream_options': 3} | stream_options | must be an object",
                "{'max_tokens': 3} | prompt | must be a string, tokens",
                "{'prompt': []} | prompt | must be a string, tokens",
                "{'prompt': [[]]} | prompt | at least one token",
                "{'prompt': [260]} | prompt | which are 0 to 259",
                "{'prompt': [-1]} | prompt | which are 0 to 259",
                "{'prompt': [1, 'a']} | prompt | which are 0 to 259",
                "{'prompt': ['a', 1]} | prompt | must be a string, tokens",
                "{'prompt': {'a': 1}} | prompt | must be a string, tokens",
                "[] | | must be a JSON object",
                "{'prompt': 'a' | | not valid JSON",
                "{'prompt': 'a'} {} | | not valid JSON",
                "{'prompt': NaN} | | not valid JSON",
            })
    void aCompletionThatCannotBeIsRefusedByItsField(String body, String param, String sentence)
            throws Exception {
        JsonNode fault = fault(tiny.post(COMPLETIONS, body.replace('\'', '"')), 400);
        assertThat(fault.path("param").asString(null)).isEqualTo(param);
        assertThat(fault.path("message").asString()).contains(sentence);
        assertThat(fault.path("type").asString()).isEqualTo("invalid_request_error");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{} | messages | is missing",
                "{'messages': []} | messages | at least one message",
                "{'messages': 'hello'} | messages | must be a list",
                "{'messages': ['hello']} | messages[0] | must be an object",
                "{'messages': [{'content': 'a'}]} | messages[0].role | is missing",
                "{'messages': [{'role': 'user'}]} | messages[0].content | must be a string",
                "{'messages': [{'role': 'user', 'content': [{'type': 'image_url'}]}]} | messages[0].content[0].type | only be text, not image_url",
                "{'messages': [{'role': 'robot', 'content': 'a'}]} | messages | the chat template fails",
                "{'messages': [{'role': 'user', 'content': 'a'}], 'response_format': {'type': 'json_object'}} | response_format | only be text, not json_object",
                "{'messages': [{'role': 'user', 'content': 'a'}], 'top_logprobs': 2} | top_logprobs | belongs to logprobs",
                "{'messages': [{'role': 'user', 'content': 'a'}], 'max_tokens': 0} | max_tokens | must be 1 to",
                "{'messages': [{'role': 'user', 'content': 'a'}], 'max_completion_tokens': 0} | max_completion_tokens | must be 1 to",
                "{'messages': [{'role': 'user', 'content': 'a'}], 'tools': 3} | tools | must be a list",
                "{'messages': [{'role': 'user', 'content': 'a'}], 'tool_choice': 'required'} | tool_choice | only be auto or none",
            })
    void aChatThatCannotBeIsRefusedByItsField(String body, String param, String sentence)
            throws Exception {
        JsonNode fault = fault(tiny.post(CHAT, body.replace('\'', '"')), 400);
        assertThat(fault.path("param").asString(null)).isEqualTo(param);
        assertThat(fault.path("message").asString()).contains(sentence);
    }

    @Test
    void whatIsTooLongForTheModelIsRefusedWithWhatWouldFit() throws Exception {
        String prompt = "a".repeat(TinyFront.LONGEST);
        for (String body :
                List.of(
                        "{\"prompt\": \"%s\", \"max_tokens\": 0}".formatted(prompt),
                        "{\"prompt\": \"abc\", \"max_tokens\": 1021}")) {
            JsonNode fault = fault(tiny.post(COMPLETIONS, body), 400);
            assertThat(fault.path("code").asString()).isEqualTo("context_length_exceeded");
            assertThat(fault.path("message").asString()).contains("at most 1024 tokens");
        }
        String chat =
                "{\"messages\": [{\"role\": \"user\", \"content\": \"%s\"}]}".formatted(prompt);
        assertThat(fault(tiny.post(CHAT, chat), 400).path("param").asString())
                .isEqualTo("messages");
    }

    @Test
    void whatIsNotThereIsSaidNotToBe() throws Exception {
        JsonNode fault =
                fault(tiny.post(COMPLETIONS, "{\"model\": \"m\", \"prompt\": \"a\"}"), 404);
        assertThat(fault.path("code").asString()).isEqualTo("model_not_found");
        assertThat(fault.path("param").asString()).isEqualTo("model");
        fault(tiny.get("/v1/nothing"), 404);
        fault(tiny.get("/v1/models/a%2F..%2Fb"), 404);
        fault(tiny.get("/../../etc/passwd"), 404);
        fault(tiny.get(COMPLETIONS), 405);
        fault(tiny.post("/v1/models", "{}"), 405);
    }

    @Test
    void theBodyMustBeUtf8() throws Exception {
        HttpRequest request =
                tiny.request(COMPLETIONS)
                        .POST(
                                HttpRequest.BodyPublishers.ofByteArray(
                                        "{\"prompt\": \"\u00e9\"}".getBytes(ISO_8859_1)))
                        .build();
        HttpResponse<String> response =
                tiny.client.send(request, HttpResponse.BodyHandlers.ofString());
        assertThat(fault(response, 400).path("message").asString())
                .contains("not UTF-8 at byte 12");
    }

    @Test
    void pagesOfOtherSitesAskInVain() throws Exception {
        HttpRequest request =
                tiny.request(COMPLETIONS)
                        .header("Sec-Fetch-Site", "cross-site")
                        .POST(HttpRequest.BodyPublishers.ofString("{\"prompt\": \"a\"}"))
                        .build();
        HttpResponse<String> response =
                tiny.client.send(request, HttpResponse.BodyHandlers.ofString());
        fault(response, 403);
        assertThat(response.headers().map()).doesNotContainKey("access-control-allow-origin");
    }

    /** Random changes of requests never break the server, and never hang. */
    @Test
    void noRequestBreaksTheServer() throws Exception {
        List<String> seeds =
                List.of(
                        "{'model': 'tiny', 'prompt': ['ab', [3, 4]], 'max_tokens': 3, 'temperature': 0.5, 'top_p': 0.9, 'n': 1, 'stop': ['x'], 'seed': 1, 'echo': true, 'logprobs': 2, 'stream': false, 'stream_options': {'include_usage': true}}",
                        "{'model': 'tiny', 'messages': [{'role': 'user', 'content': [{'type': 'text', 'text': 'é'}]}, {'role': 'assistant', 'content': null, 'tool_calls': [{'id': 'a', 'type': 'function', 'function': {'name': 'f', 'arguments': '{}'}}]}], 'tools': [{'type': 'function', 'function': {'name': 'f'}}], 'tool_choice': 'auto', 'max_tokens': 3, 'response_format': {'type': 'text'}, 'logprobs': true, 'top_logprobs': 1}");
        SplittableRandom random = new SplittableRandom(5);
        int answered = 0;
        for (int i = 0; i < 400; i++) {
            JsonNode json = JsonMapper.shared().readTree(seeds.get(i % 2).replace('\'', '"'));
            for (int changes = random.nextInt(1, 4); changes > 0; changes--) {
                change(json, random);
            }
            byte[] body = json.toString().getBytes(UTF_8);
            if (i % 5 == 0) {
                body[random.nextInt(body.length)] = (byte) random.nextInt(256);
            }
            HttpResponse<String> response =
                    tiny.client.send(
                            tiny.request(i % 2 == 0 ? COMPLETIONS : CHAT)
                                    .POST(HttpRequest.BodyPublishers.ofByteArray(body))
                                    .build(),
                            HttpResponse.BodyHandlers.ofString());
            assertThat(response.statusCode())
                    .as("%s: %s", new String(body, UTF_8), response.body())
                    .isIn(200, 400, 404);
            if (response.statusCode() == 200) {
                answered++;
            } else {
                fault(response.body());
            }
        }
        assertThat(answered).isBetween(20, 390);
        tiny.awaitIdle();
    }

    private static void change(JsonNode json, SplittableRandom random) {
        List<JsonNode> containers = new ArrayList<>();
        collect(json, containers);
        JsonNode at = containers.get(random.nextInt(containers.size()));
        JsonNode value = value(random);
        switch (at) {
            case ObjectNode object when !object.isEmpty() -> {
                List<String> names = List.copyOf(object.propertyNames());
                String name = names.get(random.nextInt(names.size()));
                if (random.nextInt(4) == 0) {
                    object.remove(name);
                } else {
                    object.set(name, value);
                }
            }
            case ArrayNode array when random.nextBoolean() || array.isEmpty() -> array.add(value);
            case ArrayNode array -> array.set(random.nextInt(array.size()), value);
            default -> {}
        }
    }

    private static void collect(JsonNode json, List<JsonNode> containers) {
        if (json.isContainer()) {
            containers.add(json);
            json.forEach(one -> collect(one, containers));
        }
    }

    private static JsonNode value(SplittableRandom random) {
        List<String> values =
                List.of(
                        "null",
                        "true",
                        "0",
                        "-1",
                        "3",
                        "1e308",
                        "123456789012345678901234567890",
                        "0.5",
                        "\"\"",
                        "\"a\"",
                        "\"\\ud800\"",
                        "\"\\u0000</s>\"",
                        "[]",
                        "{}",
                        "[[1]]",
                        "[null]",
                        "{\"a\": {\"b\": []}}",
                        "[".repeat(150) + "]".repeat(150),
                        "\"" + "long ".repeat(5000) + "\"");
        return JsonMapper.shared().readTree(values.get(random.nextInt(values.size())));
    }
}
