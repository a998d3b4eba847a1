package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** What the files of models say of their text, in every place where they say it. */
class UserModelsTest {
    @TempDir private Path directory;
    private Path users;

    @BeforeEach
    void unpack() throws IOException {
        users = UserCases.unpack(directory);
    }

    private static String out(Object... words) {
        CommandLineTest.Outcome outcome = CommandLineTest.run(words);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        return outcome.out().strip();
    }

    private static JsonNode json(Path file) {
        return JsonMapper.shared().readTree(file.toFile());
    }

    private static void change(Path file, String key, String value) throws IOException {
        ObjectNode json = (ObjectNode) json(file);
        json.set(key, JsonMapper.shared().readTree(value));
        Files.writeString(file, json.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"P01/a_old_llama3", "P01/c_no_tokenizer_config"})
    void everyEndOfTextEndsIt(String model) {
        assertThat(out("generate", users.resolve(model), "--prompt", "A", "--max-new-tokens", 12))
                .isEqualTo("AB");
    }

    @ParameterizedTest
    @ValueSource(strings = {"258", "[257, 258]", "[258]"})
    void anEndThatConfigJsonAloneNamesEndsTheTextAndSurvives(String ids) throws IOException {
        Path model = users.resolve("P01/a_old_llama3");
        Files.delete(model.resolve("generation_config.json"));
        change(model.resolve("config.json"), "eos_token_id", ids);
        assertThat(out("generate", model, "--prompt", "A", "--max-new-tokens", 12)).isEqualTo("AB");
        Path copy = directory.resolve("copy");
        out("import", model, copy);
        assertThat(json(copy.resolve("config.json")).path("eos_token_id"))
                .isEqualTo(JsonMapper.shared().readTree(ids));
        assertThat(json(copy.resolve("generation_config.json")).path("eos_token_id"))
                .isEqualTo(JsonMapper.shared().readTree(ids));
        assertThat(out("generate", copy, "--prompt", "A", "--max-new-tokens", 12)).isEqualTo("AB");
    }

    @Test
    void endsSurviveAnImport() {
        Path copy = directory.resolve("copy");
        out("import", users.resolve("P02/llama2_config_only"), copy);
        for (String file : new String[] {"config.json", "generation_config.json"}) {
            assertThat(json(copy.resolve(file)).path("bos_token_id").asInt(-1)).isEqualTo(1);
            assertThat(json(copy.resolve(file)).path("eos_token_id").asInt(-1)).isEqualTo(2);
        }
    }

    @Test
    void endsSurviveTraining() throws IOException {
        Path model = users.resolve("P01/a_old_llama3");
        Path run = directory.resolve("run");
        out(
                "train",
                users.resolve("job.conf"),
                "model.path=" + model,
                "tokenizer=" + model,
                "data.path=" + users.resolve("text.txt"),
                "stages=[{seqLen=64,steps=1,tokensPerStep=64}]",
                "optimizer.learningRate=0",
                "output=" + run);
        JsonNode ends = JsonMapper.shared().readTree("[257, 258]");
        for (String file : new String[] {"config.json", "generation_config.json"}) {
            assertThat(json(run.resolve("final").resolve(file)).path("eos_token_id"))
                    .isEqualTo(ends);
        }
        assertThat(out("generate", run, "--prompt", "A", "--max-new-tokens", 12)).isEqualTo("AB");
    }

    @Test
    void addedTokensAreOneTokenEach() throws IOException {
        Path model = users.resolve("P03/a_added_tokens_json");
        assertThat(out("generate", model, "--chat", "--prompt", "hi")).isEqualTo("Y");
        // The same said by tokenizer_config.json.
        Files.delete(model.resolve("added_tokens.json"));
        change(
                model.resolve("tokenizer_config.json"),
                "added_tokens_decoder",
                """
                {"335": {"content": "<|im_start|>", "special": true},
                 "336": {"content": "<|im_end|>", "special": true}}
                """);
        assertThat(out("generate", model, "--chat", "--prompt", "hi")).isEqualTo("Y");
    }

    @Test
    void noTextBeginsWithBosWhereTheTokenizerSaysSo() throws IOException {
        Path model = users.resolve("P04/a_yi_false");
        assertThat(out("generate", model, "--prompt", "hello")).isEqualTo("helloN");
        // Transformers' fast tokenizers go by the processor, which adds none here either.
        change(
                model.resolve("tokenizer_config.json"),
                "tokenizer_class",
                "\"PreTrainedTokenizer\"");
        change(model.resolve("tokenizer_config.json"), "add_bos_token", "null");
        assertThat(out("generate", model, "--prompt", "hello")).isEqualTo("helloN");
        change(model.resolve("tokenizer_config.json"), "add_bos_token", "true");
        assertThat(out("generate", model, "--prompt", "hello")).isEqualTo("helloY");
    }

    @Test
    void generationPromptsAreNotLost() {
        assertThat(out("generate", users.resolve("P05/deepseek"), "--chat", "--prompt", "hi"))
                .isEqualTo("Y");
    }

    @Test
    void bytesAreThoseOfTheText() {
        assertThat(
                        out(
                                "eval",
                                users.resolve("P20/uniform_spm"),
                                "--text",
                                users.resolve("P20/short.jsonl"),
                                "--lengths",
                                64))
                .contains("16.7760");
    }

    @Test
    void aPromptComesFromAFileOrStandardInput() throws IOException {
        Path model = users.resolve("P01/a_old_llama3");
        Path file = Files.writeString(directory.resolve("prompt.txt"), "A\n");
        assertThat(out("generate", model, "--prompt-file", file)).isEqualTo("AB");
        InputStream before = System.in;
        try {
            for (String[] words : new String[][] {{"-"}, {"--prompt-file", "-"}}) {
                System.setIn(new ByteArrayInputStream("A".getBytes(StandardCharsets.UTF_8)));
                assertThat(out("generate", model, java.util.List.of(words))).isEqualTo("AB");
            }
        } finally {
            System.setIn(before);
        }
        CommandLineTest.Outcome both =
                CommandLineTest.run("generate", model, "--prompt", "A", "--prompt-file", file);
        assertThat(both.code()).isEqualTo(Ringworld.USAGE);
        assertThat(both.err()).contains("give one prompt");
        assertThat(CommandLineTest.run("generate", model).code()).isEqualTo(Ringworld.USAGE);
    }

    @Test
    void jsonIsOneObjectAndNothingElse() {
        String text = out("generate", users.resolve("P01/a_old_llama3"), "--prompt", "A", "--json");
        JsonNode json = JsonMapper.shared().readTree(text);
        assertThat(json.path("text").stringValue()).isEqualTo("B");
        assertThat(json.path("ids").toString()).isEqualTo("[66]");
        assertThat(json.path("logprobs").path(0).doubleValue()).isBetween(-1.0, 0.0);
        assertThat(json.path("finish_reason").stringValue()).isEqualTo("stop");
        assertThat(json.path("usage").toString())
                .isEqualTo("{\"prompt_tokens\":2,\"completion_tokens\":1,\"cached_tokens\":0}");
        assertThat(json.path("seconds").propertyNames())
                .containsExactly("load", "prefill", "decode");
        assertThat(json.path("seconds").path("decode").doubleValue()).isPositive();
        String whole =
                out(
                        "generate",
                        users.resolve("P01/a_old_llama3"),
                        "--prompt",
                        "A",
                        "--json",
                        "--max-new-tokens",
                        1);
        assertThat(JsonMapper.shared().readTree(whole).path("finish_reason").stringValue())
                .isEqualTo("length");
    }

    @Test
    void aPromptLongerThanTheContextIsRefusedUnlessItIsMeant() {
        Path model = users.resolve("P20/uniform_spm");
        String prompt = "hi no ok ".repeat(30);
        CommandLineTest.Outcome outcome =
                CommandLineTest.run("generate", model, "--prompt", prompt, "--max-new-tokens", 1);
        assertThat(outcome.code()).isEqualTo(Ringworld.USAGE);
        assertThat(outcome.err()).contains("more than the context of 64", "--beyond");
        assertThat(outcome.out()).isEmpty();
        out("generate", model, "--prompt", prompt, "--max-new-tokens", 1, "--beyond");
        out("generate", model, "--prompt", prompt, "--max-new-tokens", 1, "model.ropeTheta=1e5");
    }

    @Test
    void inspectNamesTensorsThatDoNotFitTheirConfig() throws IOException {
        Path model = users.resolve("P30/base");
        assertThat(out("inspect", model)).doesNotContain("does not fit");
        change(model.resolve("config.json"), "num_hidden_layers", "1");
        change(model.resolve("config.json"), "vocab_size", "600");
        assertThat(out("inspect", model))
                .contains("unknown: model.layers.1.", "misshapen: model.embed_tokens.weight");
        change(model.resolve("config.json"), "num_hidden_layers", "3");
        JsonNode json = JsonMapper.shared().readTree(out("inspect", model, "--json"));
        assertThat(json.path("faults").path(0).stringValue())
                .startsWith("missing: model.layers.2.");
    }
}
