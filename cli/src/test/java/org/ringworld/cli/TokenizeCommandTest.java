package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizeCommandTest {
    @TempDir Path tmp;

    @Test
    void aCacheIsMadeOnceAndRead() throws Exception {
        Path source =
                Files.writeString(
                        tmp.resolve("s.jsonl"),
                        "{\"text\": \"ab\"}\n{\"x\": 1}\n{\"text\": \"\"}\n");
        Path cache = tmp.resolve("s.tokens");
        CommandLineTest.Outcome made =
                CommandLineTest.run("tokenize", source, "--tokenizer", "bytes", "--out", cache);
        assertThat(made.code()).as(made.err()).isZero();
        assertThat(made.out()).contains("2 documents, 6 tokens").contains("MB/s");
        assertThat(made.err()).contains("s.jsonl: line 2 has no field text");
        CommandLineTest.Outcome again =
                CommandLineTest.run("tokenize", source, "--tokenizer", "bytes", "--out", cache);
        assertThat(again.out()).contains("is there already");
        CommandLineTest.Outcome fields =
                CommandLineTest.run(
                        "tokenize",
                        source,
                        "--tokenizer",
                        "bytes",
                        "--out",
                        cache,
                        "--fields",
                        "[a,b]");
        assertThat(fields.code()).isEqualTo(Ringworld.USAGE);
    }

    @Test
    void idsAreWrittenLineByLine() throws Exception {
        Path in =
                Files.writeString(
                        tmp.resolve("in.jsonl"),
                        "{\"text\": \"a\\ud83cé\", \"other\": 1}\n\n{\"text\": \"\"}\n");
        Path out = tmp.resolve("out.jsonl");
        CommandLineTest.Outcome done =
                CommandLineTest.run(
                        "tokenize", "--tokenizer", "bytes", "--jsonl", in, "--out", out);
        assertThat(done.code()).as(done.err()).isZero();
        assertThat(Files.readString(out))
                .isEqualTo(
                        "{\"text\":\"a\ufffdé\",\"ids\":[97,239,191,189,195,169]}\n{\"text\":\"\",\"ids\":[]}\n");
        Files.writeString(in, "{\"text\": \"a\"}\n{\"text\": null}\n");
        CommandLineTest.Outcome bad =
                CommandLineTest.run(
                        "tokenize", "--tokenizer", "bytes", "--jsonl", in, "--out", out);
        assertThat(bad.code()).isEqualTo(Ringworld.FAILED);
        assertThat(bad.err()).contains("in.jsonl: line 2 has no field text");
        assertThat(Files.readString(out)).startsWith("{\"text\":\"a\ufffd");
    }
}
