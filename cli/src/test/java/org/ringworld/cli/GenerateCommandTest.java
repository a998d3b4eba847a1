package org.ringworld.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.LocalEngine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.decode.ServedModel;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class GenerateCommandTest {
    private static final int NEW = 6;

    @TempDir private static Path directory;
    private static Path model;
    private static Tokenizer tokenizer;

    @BeforeAll
    static void model() throws Exception {
        model = TinyModel.write(directory, TinyModel.tokenizer());
        tokenizer = Tokenizer.load(model);
    }

    private int[] greedy(int[] prompt) throws Exception {
        ModelFiles files = ModelFiles.open(model);
        Device device = new CpuDevice(1);
        Ask ask = new Ask(prompt, NEW, Sampler.GREEDY, Set.of(tokenizer.eos()));
        try (Engine engine =
                        new LocalEngine(
                                device,
                                files,
                                files.config(),
                                ServedModel.Options.of(DType.F32),
                                99);
                Answer answer = engine.ask(ask)) {
            List<Integer> ids = new ArrayList<>();
            for (var next = answer.next(); next != null; next = answer.next()) {
                ids.add(next.id());
            }
            return ids.stream()
                    .mapToInt(Integer::intValue)
                    .filter(id -> id != tokenizer.eos())
                    .toArray();
        }
    }

    private static int[] joined(int[] a, int[] b) {
        int[] all = java.util.Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }

    private String generated(String... more) {
        CommandLineTest.Outcome outcome =
                CommandLineTest.run("generate", model, "--max-new-tokens", NEW, List.of(more));
        assertThat(outcome.code()).as(outcome.err()).isZero();
        return outcome.out().substring(0, outcome.out().length() - 1);
    }

    @Test
    void weightsAndCacheInInt8ChooseTheSameTokens() throws Exception {
        String right = generated("--prompt", "hello", "dtype=f32");
        assertThat(generated("--prompt", "hello", "dtype=f32", "weights=int8", "cache=int8"))
                .isEqualTo(right);
        CommandLineTest.Outcome outcome =
                CommandLineTest.run("generate", model, "--prompt", "hello", "cache=int4");
        assertThat(outcome.err()).contains("cache = int4 is not one of f32, bf16, int8");
    }

    @Test
    void theSpaceBetweenAPromptAndItsContinuationIsKept() throws Exception {
        int[] ids = joined(new int[] {tokenizer.bos()}, tokenizer.encode("hello"));
        assertThat(generated("--prompt", "hello"))
                .isEqualTo(tokenizer.decode(joined(ids, greedy(ids))))
                .startsWith("hello world");
    }

    @Test
    void stopTextsEndTheTextAndAreNotPrinted() {
        assertThat(generated("--prompt", "hello")).startsWith("hello world hello");
        assertThat(generated("--prompt", "hello", "--stop", "nowhere", "--stop", "ld he"))
                .isEqualTo("hello wor");
    }

    @Test
    void aSystemMessageIsPartOfAChat() throws Exception {
        List<ChatTemplate.Message> said =
                List.of(
                        new ChatTemplate.Message("system", "world"),
                        new ChatTemplate.Message("user", "hello"));
        int[] ids = ChatTemplate.lwm().encode(said, tokenizer);
        assertThat(generated("--chat", "--prompt", "hello", "--system", "world", "--beyond"))
                .isEqualTo(tokenizer.decode(greedy(ids)));
        assertThat(CommandLineTest.run("generate", model, "--prompt", "a", "--system", "b").err())
                .contains("give --chat too");
    }

    @Test
    void aChatIsAskedByTheTemplateOfTheModelOrElseLwms() throws Exception {
        List<ChatTemplate.Message> said = List.of(new ChatTemplate.Message("user", "hello"));
        int[] lwm = ChatTemplate.lwm().encode(said, tokenizer);
        assertThat(generated("--chat", "--prompt", "hello", "--beyond"))
                .isEqualTo(tokenizer.decode(greedy(lwm)));
        Path template = model.resolve("chat_template.jinja");
        Files.writeString(template, "{{ bos_token }}{{ messages[0]['content'] }}");
        int[] own = joined(new int[] {tokenizer.bos()}, tokenizer.encode("hello"));
        assertThat(generated("--chat", "--prompt", "hello", "--beyond"))
                .isEqualTo(tokenizer.decode(greedy(own)));
        Files.delete(template);
    }

    @Test
    void theLikeliestTokensAreToldBesideEachOne() {
        CommandLineTest.Outcome outcome =
                CommandLineTest.run(
                        "generate",
                        model,
                        "--prompt",
                        "hello",
                        "--max-new-tokens",
                        NEW,
                        "--json",
                        "--logprobs",
                        3);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        JsonNode json = JsonMapper.shared().readTree(outcome.out());
        assertThat(json.path("top_logprobs")).hasSameSizeAs(json.path("ids"));
        for (int i = 0; i < json.path("ids").size(); i++) {
            JsonNode top = json.path("top_logprobs").path(i);
            assertThat(top).hasSize(3);
            assertThat(top.path(0).path("id")).isEqualTo(json.path("ids").path(i));
            assertThat(top.path(0).path("logprob")).isEqualTo(json.path("logprobs").path(i));
            assertThat(top.path(0).path("logprob").asDouble())
                    .isGreaterThanOrEqualTo(top.path(1).path("logprob").asDouble());
            assertThat(top.path(0).path("token").asString())
                    .isEqualTo(
                            new String(tokenizer.bytes(json.path("ids").path(i).asInt()), UTF_8));
        }
        assertThat(CommandLineTest.run("generate", model, "--prompt", "a", "--logprobs", 3).err())
                .contains("give --json too");
        assertThat(
                        CommandLineTest.run(
                                        "generate",
                                        model,
                                        "--prompt",
                                        "a",
                                        "--json",
                                        "--logprobs",
                                        21)
                                .err())
                .contains("--logprobs 21 must be 0 to 20");
    }

    @Test
    void aRingWritesWhatOneDeviceDoes() {
        assertThat(generated("--prompt", "hello", "ring.size=2", "device.threads=1"))
                .isEqualTo(generated("--prompt", "hello"));
    }

    @Test
    void whatNoDeviceHasRoomForIsRefusedWithWhatWould() {
        CommandLineTest.Outcome outcome =
                CommandLineTest.run(
                        "generate", model, "--prompt", "hello", "--max-new-tokens", 2_000_000_000);
        assertThat(outcome.code()).isEqualTo(Ringworld.FAILED);
        assertThat(outcome.err().lines().toList().getLast())
                .startsWith("ringworld: out of memory: keys and values of 2000000")
                .contains("times as many devices like it");
    }
}
