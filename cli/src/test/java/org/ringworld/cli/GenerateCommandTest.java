package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
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

class GenerateCommandTest {
    private static final int NEW = 6;

    @TempDir private Path directory;
    private Path model;
    private Tokenizer tokenizer;

    /** With a SentencePiece tokenizer, which puts a space before words. */
    @BeforeEach
    void model() throws Exception {
        Path tiny =
                Path.of(getClass().getResource("/reports/tokenizer/tiny/tokenizer.model").toURI());
        model = TinyModel.write(directory, tiny);
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
                                ServedModel.DTypes.of(DType.F32),
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
        Files.writeString(
                model.resolve("chat_template.jinja"),
                "{{ bos_token }}{{ messages[0]['content'] }}");
        int[] own = joined(new int[] {tokenizer.bos()}, tokenizer.encode("hello"));
        assertThat(generated("--chat", "--prompt", "hello", "--beyond"))
                .isEqualTo(tokenizer.decode(greedy(own)));
    }
}
