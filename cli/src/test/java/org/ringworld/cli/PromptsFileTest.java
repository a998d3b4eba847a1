package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** generate --prompts. */
class PromptsFileTest {
    @TempDir private static Path home;
    private static Path model;
    @TempDir private Path directory;
    private Path in;
    private Path out;

    @BeforeAll
    static void model() throws Exception {
        model = TinyModel.write(home, TinyModel.tokenizer());
    }

    @BeforeEach
    void files() throws IOException {
        out = directory.resolve("out.jsonl");
        in =
                Files.write(
                        directory.resolve("in.jsonl"),
                        List.of(
                                "{\"prompt\": \"hello\", \"id\": \"a\"}",
                                "{\"prompt\": \"hello\", \"max_tokens\": 2}",
                                "{\"prompt\": \"wor\", \"temperature\": 1.5, \"seed\": 3}",
                                "{\"prompt\": \"hello\", \"stop\": [\"ld he\"]}",
                                "{\"messages\": [{\"role\": \"user\", \"content\": \"hello\"}]}"));
    }

    private CommandLineTest.Outcome run(Object... more) {
        return CommandLineTest.run(
                "generate",
                model,
                "--prompts",
                in,
                "--out",
                out,
                "--max-new-tokens",
                6,
                List.of(more));
    }

    @Test
    void answersComeInTheOrderOfThePromptsAndAreThoseOfEachAlone() throws Exception {
        CommandLineTest.Outcome outcome = run("--beyond", "--logprobs", "2");
        assertThat(outcome.code()).as(outcome.err()).isZero();
        List<JsonNode> lines =
                Files.readAllLines(out).stream().map(JsonMapper.shared()::readTree).toList();
        assertThat(lines.stream().map(line -> line.path("index").asInt()))
                .containsExactly(0, 1, 2, 3, 4);
        assertThat(lines.getFirst().path("id").asString()).isEqualTo("a");
        assertThat(lines.get(1).path("ids")).hasSize(2);
        assertThat(lines.get(1).path("top_logprobs").path(0)).hasSize(2);
        assertThat(lines.get(3).path("text").asString()).isEqualTo(" wor");
        assertThat(lines.get(3).path("finish_reason").asString()).isEqualTo("stop");
        CommandLineTest.Outcome alone =
                CommandLineTest.run(
                        "generate", model, "--prompt", "hello", "--max-new-tokens", 6, "--json");
        JsonNode same = JsonMapper.shared().readTree(alone.out());
        assertThat(lines.getFirst().path("ids")).isEqualTo(same.path("ids"));
        assertThat(lines.getFirst().path("text")).isEqualTo(same.path("text"));
    }

    @Test
    void aFileThatWasCutOffBecomesTheSameAsInOneRun() throws Exception {
        assertThat(run("--beyond").code()).isZero();
        String text = Files.readString(out);
        int secondEnds = text.indexOf('\n', text.indexOf('\n') + 1);
        Files.writeString(out, text.substring(0, secondEnds + 20));
        assertThat(run("--beyond").code()).isZero();
        assertThat(out).content().startsWith(text.substring(0, secondEnds + 1));
        // Their last digits depend on what is computed beside a text.
        String logprobs = "\"logprobs\":[^]]*]";
        assertThat(Files.readString(out).replaceAll(logprobs, ""))
                .isEqualTo(text.replaceAll(logprobs, ""));
        byte[] whole = Files.readAllBytes(out);
        assertThat(run("--beyond").code()).isZero();
        assertThat(out).hasBinaryContent(whole);

        Files.writeString(in, Files.readString(in).replaceFirst("hello", "help"));
        CommandLineTest.Outcome other = run("--beyond");
        assertThat(other.code()).isEqualTo(Ringworld.USAGE);
        assertThat(other.err()).contains("line 1 does not answer line 1 of");
        assertThat(out).hasBinaryContent(whole);
    }

    @Test
    void aBadLineIsRefusedBeforeAnythingIsComputed() throws Exception {
        for (String bad :
                List.of(
                        "{\"prompt\": ",
                        "{\"prompt\": \"a\", \"max_token\": 3}",
                        "{\"prompt\": \"a\", \"temperature\": -1}",
                        "{\"prompt\": \"a\", \"max_tokens\": 0}",
                        "{\"prompt\": 3}",
                        "[]",
                        "")) {
            Files.writeString(in, "{\"prompt\": \"a\"}\n" + bad + "\n{\"prompt\": \"b\"}\n");
            CommandLineTest.Outcome outcome = run();
            assertThat(outcome.code()).as(bad).isEqualTo(Ringworld.USAGE);
            assertThat(outcome.err()).contains("in.jsonl: line 2: ");
        }
        assertThat(out).doesNotExist();
    }

    @Test
    void aLineThatDoesNotFitHasAnErrorInItsPlace() throws Exception {
        Files.writeString(
                in,
                "{\"prompt\": \"%s\"}\n{\"prompt\": \"hello\"}\n{\"prompt\": \"hello\", \"max_tokens\": 300}\n"
                        .formatted("hello ".repeat(40)));
        for (int run = 0; run < 2; run++) {
            CommandLineTest.Outcome outcome = run("maxTokens=128");
            assertThat(outcome.code()).isEqualTo(Ringworld.FAILED);
            assertThat(outcome.err()).contains("2 of them have an error");
        }
        List<String> lines = Files.readAllLines(out);
        assertThat(lines).hasSize(3);
        assertThat(lines.get(0)).startsWith("{\"index\":0,\"error\":\"the prompt has");
        assertThat(lines.get(1)).contains("\"text\":\" world");
        assertThat(lines.get(2)).contains("do not fit: there is room for 128");
    }
}
