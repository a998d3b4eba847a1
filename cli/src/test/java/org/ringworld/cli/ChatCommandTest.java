package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A chat in a pipe: a message a line. */
class ChatCommandTest {
    @TempDir private static Path directory;
    private static Path model;

    @BeforeAll
    static void model() throws Exception {
        model = TinyModel.write(directory, TinyModel.tokenizer());
    }

    private static CommandLineTest.Outcome chat(String said, String... more) {
        InputStream in = System.in;
        System.setIn(new ByteArrayInputStream(said.getBytes(StandardCharsets.UTF_8)));
        try {
            return CommandLineTest.run("chat", model, "--max-new-tokens", 6, List.of(more));
        } finally {
            System.setIn(in);
        }
    }

    @Test
    void aSecondMessageReadsOnlyWhatIsNew() throws Exception {
        Path file = Files.writeString(directory.resolve("long.txt"), "hello world ".repeat(80));
        CommandLineTest.Outcome outcome =
                chat(
                        "/file " + file + "\nhello\nworld\n",
                        "--beyond",
                        "--system",
                        "hello",
                        "maxTokens=4096");
        assertThat(outcome.code()).as(outcome.err()).isZero();
        assertThat(outcome.out().lines()).hasSize(2);
        List<String> told = outcome.err().lines().toList();
        assertThat(told)
                .anyMatch(line -> line.matches(".*no chat template: LWM's is used"))
                .anyMatch(line -> line.matches(".*long.txt: \\d+ tokens, in the next message"));
        assertThat(told.stream().filter(line -> line.contains("LWM's"))).hasSize(1);
        List<String> rates = told.stream().filter(line -> line.startsWith("prefill")).toList();
        assertThat(rates).hasSize(2);
        assertThat(rates.getFirst()).contains("(0 of ");
        assertThat(rates.getLast()).doesNotContain("(0 of ").containsPattern("\\([1-9]\\d*28 of ");
    }

    @Test
    void aMessageMayHaveSeveralLinesAndAResetForgets() {
        CommandLineTest.Outcome outcome =
                chat(
                        "hello\\\nworld\n/reset\nhello\\\nworld\n/exit\nno\n",
                        "--beyond",
                        "maxTokens=512");
        assertThat(outcome.code()).as(outcome.err()).isZero();
        List<String> answers = outcome.out().lines().toList();
        assertThat(answers).hasSize(2);
        assertThat(answers.getFirst()).isEqualTo(answers.getLast());
    }

    @Test
    void whatCannotBeAnsweredIsSaidAndTheChatGoesOn() {
        CommandLineTest.Outcome outcome =
                chat(
                        "hello ".repeat(300) + "\n/file nowhere.txt\n/frob\nhello\n",
                        "--beyond",
                        "maxTokens=256");
        assertThat(outcome.code()).isEqualTo(Ringworld.FAILED);
        assertThat(outcome.out().lines()).hasSize(1);
        assertThat(outcome.err())
                .contains("there is room for 256")
                .contains("nowhere.txt: there is no such file")
                .contains("there is no command /frob");
        assertThat(chat("hello\n").err()).contains("more than the context of 16");
    }
}
