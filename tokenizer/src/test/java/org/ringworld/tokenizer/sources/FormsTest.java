package org.ringworld.tokenizer.sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.luben.zstd.ZstdOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.TestData;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.documents.FieldLanguage;
import org.ringworld.tokenizer.documents.TextDocuments;
import org.ringworld.tokenizer.documents.Tokenization;

/**
 * The same data in any form; tables were written by pyarrow and {@code datasets}, of a file of
 * lines beside them.
 */
class FormsTest {
    private static final Tokenizer BYTES = new ByteTokenizer();
    private static final String HERE = "org/ringworld/tokenizer/sources/";

    @TempDir private Path directory;

    private byte[] cache(Path source) throws Exception {
        Path cache = directory.resolve("cache.tokens");
        Files.deleteIfExists(cache);
        Tokenization.run(
                source, FieldLanguage.of("text"), BYTES, cache, (done, total, tokens) -> {});
        return Files.readAllBytes(cache);
    }

    private Path write(String name, byte[] bytes) throws Exception {
        return Files.write(directory.resolve(name), bytes);
    }

    private static byte[] lines() throws Exception {
        return Files.readAllBytes(TestData.resource(HERE + "chats.jsonl"));
    }

    private static byte[] gzip(byte[] bytes) throws Exception {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (OutputStream out = new GZIPOutputStream(packed)) {
            out.write(bytes);
        }
        return packed.toByteArray();
    }

    private static byte[] zstd(byte[] bytes) throws Exception {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (OutputStream out = new ZstdOutputStream(packed)) {
            out.write(bytes);
        }
        return packed.toByteArray();
    }

    private static byte[] array(byte[] lines) {
        String text = new String(lines, StandardCharsets.UTF_8).strip();
        return ("[\n" + text.replace("\n", ",\n") + "]").getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void theSameDataInAnyFormGivesTheSameCache() throws Exception {
        byte[] lines = lines();
        byte[] cache = cache(write("a.jsonl", lines));
        assertThat(TextDocuments.open(directory.resolve("cache.tokens"), BYTES, 0).documents())
                .hasSize(40);
        List<Path> forms = new ArrayList<>();
        forms.add(write("b.jsonl.gz", gzip(lines)));
        forms.add(write("b.jsonl.zst", zstd(lines)));
        forms.add(write("b.json", array(lines)));
        forms.add(write("b.json.zst", zstd(array(lines))));
        forms.add(write("lines.json", lines));
        forms.add(TestData.resource(HERE + "chats-snappy.parquet"));
        forms.add(TestData.resource(HERE + "chats-zstd.parquet"));
        forms.add(TestData.resource(HERE + "saved"));
        forms.add(TestData.resource(HERE + "saved/train"));
        for (Path form : forms) {
            assertThat(cache(form)).as(form.toString()).isEqualTo(cache);
        }
        byte[] other = Arrays.copyOf(lines, lines.length);
        other[20] ^= 1;
        assertThat(cache(write("c.jsonl", other))).isNotEqualTo(cache);
    }

    @Test
    void aTextIsTheSamePackedOrInALine() throws Exception {
        byte[] text = "one\ntwo \u00e9\n".getBytes(StandardCharsets.UTF_8);
        byte[] cache = cache(write("a.txt", text));
        assertThat(cache(write("a.txt.gz", gzip(text)))).isEqualTo(cache);
        assertThat(cache(write("a.txt.zst", zstd(text)))).isEqualTo(cache);
        byte[] line = "{\"text\": \"one\\ntwo \\u00e9\\n\"}".getBytes(StandardCharsets.UTF_8);
        assertThat(cache(write("a.jsonl", line))).isEqualTo(cache);
    }

    @ParameterizedTest
    @ValueSource(strings = {"gz", "zst", "parquet", "json", "arrow"})
    void nothingOfAFileThatEndsTooEarlyIsUsed(String kind) throws Exception {
        byte[] whole =
                switch (kind) {
                    case "gz" -> gzip(lines());
                    case "zst" -> zstd(lines());
                    case "json" -> array(lines());
                    case "arrow" -> Files.readAllBytes(TestData.resource(HERE + "kinds.arrow"));
                    default -> Files.readAllBytes(TestData.resource(HERE + "chats-snappy.parquet"));
                };
        String name = kind.length() < 4 ? "a.jsonl." + kind : "a." + kind;
        for (int cut :
                new int[] {kind.equals("json") ? 1 : 0, 2, 9, whole.length / 2, whole.length - 9}) {
            Path file = write(name, Arrays.copyOf(whole, cut));
            assertThatThrownBy(() -> cache(file))
                    .as("%d bytes", cut)
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining(name);
            try (Stream<Path> left = Files.list(directory)) {
                assertThat(left.filter(f -> f.toString().contains("cache.tokens"))).isEmpty();
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"no gzip", "a", "\u001f\ufffd\b"})
    void whatFollowsThatIsNoMoreOfItIsNotLostInSilence(String more) throws Exception {
        byte[] rest = more.getBytes(StandardCharsets.ISO_8859_1);
        for (String name : List.of("a.jsonl.gz", "a.jsonl.zst", "a.json")) {
            byte[] whole =
                    switch (name) {
                        case "a.jsonl.gz" -> gzip(lines());
                        case "a.jsonl.zst" -> zstd(lines());
                        default -> array(lines());
                    };
            Path file = write(name, joined(whole, rest));
            assertThatThrownBy(() -> cache(file))
                    .as(name)
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining(name);
        }
        Path two = write("two.json", joined(array(lines()), array(lines())));
        assertThatThrownBy(() -> cache(two)).hasMessageContaining("after the end of its array");
    }

    @Test
    void membersOfAPackedFileAreReadToTheLast() throws Exception {
        byte[] cache = cache(write("a.jsonl", joined(lines(), lines())));
        assertThat(cache(write("a.jsonl.gz", joined(gzip(lines()), gzip(lines())))))
                .isEqualTo(cache);
        assertThat(cache(write("a.jsonl.zst", joined(zstd(lines()), zstd(lines())))))
                .isEqualTo(cache);
    }

    private static byte[] joined(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    @Test
    void whatIsNullInJsonIsWhatATableLacks() throws Exception {
        String all =
                """
                {"text": null, "messages": [{"role": "user", "content": "q", "value": null},
                 {"role": "assistant", "content": "a", "value": null}]}
                """
                        .replace("\n", "");
        String some =
                """
                {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
                """;
        byte[] cache = cache(write("some.jsonl", some.getBytes(StandardCharsets.UTF_8)));
        assertThat(cache(write("all.jsonl", all.getBytes(StandardCharsets.UTF_8))))
                .isEqualTo(cache);
    }

    @Test
    void theSameChatsAreHeldOutHoweverTheyAreWritten() throws Exception {
        String lines = new String(lines(), StandardCharsets.UTF_8);
        String other =
                lines.replace("\"messages\"", "\"conversations\"")
                        .replace("\"role\": \"user\"", "\"from\": \"human\"")
                        .replace("\"role\": \"assistant\"", "\"from\": \"gpt\"")
                        .replace("\"role\": \"system\"", "\"from\": \"system\"")
                        .replace("\"content\"", "\"value\"")
                        .replace("\"prompt_id\": \"0", "\"prompt_id\": \"1");
        List<int[]> trained = trained(write("a.jsonl", lines.getBytes(StandardCharsets.UTF_8)));
        assertThat(trained).hasSize(30);
        assertThat(trained(write("b.jsonl", other.getBytes(StandardCharsets.UTF_8))))
                .containsExactlyElementsOf(trained);
    }

    private static List<int[]> trained(Path file) throws Exception {
        return TextDocuments.open(file, BYTES, 0.25).documents();
    }

    @Test
    void aTableWithoutTheColumnSaysWhichItHas() throws Exception {
        Path file = TestData.resource(HERE + "chats-zstd.parquet");
        assertThatThrownBy(() -> TextDocuments.open(file, FieldLanguage.of("body"), BYTES, 0))
                .isInstanceOf(DataException.class)
                .hasMessageContaining(
                        "row 1 has no field body; it has prompt, prompt_id, messages");
    }

    @Test
    void someDamagedFilesGiveASentence() throws Exception {
        fuzz(12, 1);
    }

    @Test
    @Tag("slow")
    void manyDamagedFilesGiveASentence() throws Exception {
        fuzz(500, 2);
    }

    private void fuzz(int rounds, long seed) throws Exception {
        Random random = new Random(seed);
        for (String name :
                List.of(
                        "chats-snappy.parquet",
                        "chats-zstd.parquet",
                        "kinds.arrow",
                        "b.jsonl.gz",
                        "b.jsonl.zst")) {
            byte[] whole =
                    switch (name) {
                        case "b.jsonl.gz" -> gzip(lines());
                        case "b.jsonl.zst" -> zstd(lines());
                        default -> Files.readAllBytes(TestData.resource(HERE + name));
                    };
            int refused = 0;
            for (int i = 0; i < rounds; i++) {
                byte[] damaged = whole.clone();
                for (int k = random.nextInt(1, 8); k > 0; k--) {
                    // The ends, where what describes the rest stands, as often as all else.
                    int near = Math.min(800, whole.length);
                    int at =
                            switch (random.nextInt(3)) {
                                case 0 -> random.nextInt(whole.length);
                                case 1 -> random.nextInt(near);
                                default -> whole.length - 1 - random.nextInt(near);
                            };
                    damaged[at] = (byte) random.nextInt(256);
                }
                Path file = write(name, damaged);
                try {
                    new TextFiles(example -> {}).read(file);
                } catch (DataException e) {
                    assertThat(e).hasMessageContaining(name);
                    refused++;
                }
            }
            assertThat(refused).as(name).isPositive();
        }
    }
}
