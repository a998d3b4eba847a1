package org.ringworld.actors.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import dev.langchain4j.model.output.FinishReason;
import java.io.ByteArrayOutputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Sampler;
import org.ringworld.tokenizer.chat.ChatTemplate;
import tools.jackson.databind.JsonNode;

@Timeout(120)
class ChatTest {
    private static final String PATH = "/v1/chat/completions";
    private static final String ASKED =
            "{'model': 'tiny', 'messages': [{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': 'Hé?'}]";

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

    private static JsonNode choice(JsonNode answer) {
        return answer.path("choices").path(0);
    }

    private static String said(JsonNode answer) {
        return choice(answer).path("message").path("content").asString();
    }

    /** What the engine itself answers greedily. */
    private static Continuation answered(int most) throws Exception {
        int[] ids =
                ChatTemplate.lwm()
                        .encode(
                                List.of(
                                        new ChatTemplate.Message("system", "Be brief."),
                                        new ChatTemplate.Message("user", "Hé?")),
                                tiny.tokenizer);
        Ask ask = new Ask(ids, most, Sampler.GREEDY, tiny.tokenizer.ends());
        try (Answer answer = tiny.engine.ask(ask)) {
            return Continuation.write(
                    answer, tiny.tokenizer, tiny.tokenizer.decoder(), List.of(), _ -> {});
        }
    }

    @Test
    void anAnswerHasTheShapeOfOpenAIs() throws Exception {
        JsonNode answer = tiny.answer(PATH, ASKED + ", 'max_tokens': 9, 'temperature': 0}");
        Continuation right = answered(9);
        assertThat(answer.path("id").asString()).startsWith("chatcmpl-");
        assertThat(answer.path("object").asString()).isEqualTo("chat.completion");
        assertThat(choice(answer).path("message").path("role").asString()).isEqualTo("assistant");
        assertThat(said(answer)).isEqualTo(right.text());
        assertThat(choice(answer).path("finish_reason").asString())
                .isEqualTo(right.stopped() ? "stop" : "length");
        assertThat(answer.path("usage").path("prompt_tokens").asInt()).isGreaterThan(20);
        // The newer name of the same, and a text in parts.
        String parts =
                ASKED.replace(
                        "'Hé?'", "[{'type': 'text', 'text': 'H'}, {'type': 'text', 'text': 'é?'}]");
        assertThat(
                        said(
                                tiny.answer(
                                        PATH,
                                        parts + ", 'max_completion_tokens': 9, 'temperature': 0}")))
                .isEqualTo(right.text());
    }

    @Test
    void aStreamSaysItsRoleThenTheTextThenWhyItEnded() throws Exception {
        String options = ", 'max_tokens': 25, 'seed': 3, 'logprobs': true, 'top_logprobs': 2";
        JsonNode whole = tiny.answer(PATH, ASKED + options + "}");
        List<JsonNode> events = tiny.events(PATH, ASKED + options + ", 'stream': true}");
        JsonNode first = choice(events.getFirst());
        assertThat(first.path("delta").path("role").asString()).isEqualTo("assistant");
        assertThat(events.getFirst().path("object").asString()).isEqualTo("chat.completion.chunk");
        StringBuilder text = new StringBuilder();
        int tokens = 0;
        for (JsonNode event : events) {
            text.append(choice(event).path("delta").path("content").asString(""));
            tokens += choice(event).path("logprobs").path("content").size();
            assertThat(event.has("usage")).isFalse();
        }
        assertThat(text.toString()).isEqualTo(said(whole));
        JsonNode last = choice(events.getLast());
        assertThat(last.path("delta")).isEmpty();
        assertThat(last.path("finish_reason")).isEqualTo(choice(whole).path("finish_reason"));
        assertThat(choice(whole).path("logprobs").path("content")).hasSize(tokens);
    }

    @Test
    void logprobsComeWithTheBytesOfTheText() throws Exception {
        JsonNode answer =
                tiny.answer(
                        PATH,
                        ASKED
                                + ", 'max_tokens': 20, 'temperature': 0, 'logprobs': true, 'top_logprobs': 3}");
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (JsonNode token : choice(answer).path("logprobs").path("content")) {
            token.path("bytes").forEach(b -> bytes.write(b.asInt()));
            JsonNode top = token.path("top_logprobs");
            assertThat(top).hasSize(3);
            assertThat(top.path(0).path("token")).isEqualTo(token.path("token"));
            assertThat(token.path("logprob").asDouble()).isNegative();
        }
        // Bytes that were no character when the text ended are its last ones.
        assertThat(bytes.toString(UTF_8)).isEqualTo(said(answer));
    }

    @Test
    void stopTextsEndAnAnswerAndAreNotOfIt() throws Exception {
        String text = said(tiny.answer(PATH, ASKED + ", 'max_tokens': 30, 'seed': 2}"));
        String stop = text.substring(10, 13);
        JsonNode answer =
                tiny.answer(
                        PATH,
                        ASKED
                                + ", 'max_tokens': 30, 'seed': 2, 'logprobs': true, 'stop': ['never', "
                                + tools.jackson.databind.node.StringNode.valueOf(stop)
                                + "]}");
        assertThat(said(answer)).isEqualTo(text.substring(0, text.indexOf(stop)));
        assertThat(choice(answer).path("finish_reason").asString()).isEqualTo("stop");
    }

    @Test
    void aJavaClientOfOthersChats() throws Exception {
        OpenAiChatModel model =
                OpenAiChatModel.builder()
                        .baseUrl(tiny.front.url() + "/v1")
                        .apiKey("none")
                        .modelName("tiny")
                        .temperature(0.0)
                        .maxTokens(9)
                        .build();
        ChatResponse response =
                model.chat(SystemMessage.from("Be brief."), UserMessage.from("Hé?"));
        Continuation right = answered(9);
        assertThat(response.aiMessage().text()).isEqualTo(right.text());
        assertThat(response.finishReason())
                .isEqualTo(right.stopped() ? FinishReason.STOP : FinishReason.LENGTH);
        assertThat(response.tokenUsage().inputTokenCount()).isGreaterThan(20);
        OpenAiChatModel none =
                OpenAiChatModel.builder()
                        .baseUrl(tiny.front.url() + "/v1")
                        .apiKey("none")
                        .modelName("none")
                        .maxRetries(0)
                        .build();
        Assertions.assertThatThrownBy(() -> none.chat("Hi"))
                .isInstanceOf(ModelNotFoundException.class)
                .hasMessageContaining("there is no model none here");
    }

    @Test
    void aJavaClientOfOthersStreams() throws Exception {
        OpenAiStreamingChatModel model =
                OpenAiStreamingChatModel.builder()
                        .baseUrl(tiny.front.url() + "/v1")
                        .apiKey("none")
                        .modelName("tiny")
                        .temperature(0.0)
                        .maxTokens(9)
                        .build();
        StringBuilder text = new StringBuilder();
        CompletableFuture<ChatResponse> over = new CompletableFuture<>();
        model.chat(
                ChatRequest.builder()
                        .messages(SystemMessage.from("Be brief."), UserMessage.from("Hé?"))
                        .build(),
                new StreamingChatResponseHandler() {
                    @Override
                    public void onPartialResponse(String part) {
                        text.append(part);
                    }

                    @Override
                    public void onCompleteResponse(ChatResponse response) {
                        over.complete(response);
                    }

                    @Override
                    public void onError(Throwable fault) {
                        over.completeExceptionally(fault);
                    }
                });
        ChatResponse response = over.get(30, TimeUnit.SECONDS);
        AiMessage said = response.aiMessage();
        assertThat(said.text()).isEqualTo(text.toString()).isEqualTo(answered(9).text());
        assertThat(response.tokenUsage().outputTokenCount()).isPositive();
    }
}
