package org.ringworld.tokenizer.documents;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.TestData;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.packing.SequencePacking.Document;
import tools.jackson.databind.json.JsonMapper;

class TokenCacheTest {
    private static final Tokenizer BYTES = new ByteTokenizer();
    private static final FieldLanguage FIELDS = FieldLanguageTest.frames("[q],a", 0);

    @TempDir Path tmp;
    private Path source;
    private Path cache;

    @BeforeEach
    void writeSource() throws Exception {
        Random random = new Random(3);
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 3000; i++) {
            String text = "x".repeat(random.nextInt(400));
            lines.append("{\"q\": \"%d\", \"a\": \"%s\", \"vision\": [1, 2]}\n".formatted(i, text));
            lines.append(i % 1000 == 7 ? "{\"q\": \"alone\"}\n" : "");
        }
        source = Files.writeString(tmp.resolve("s.jsonl"), lines);
        cache = tmp.resolve("s.tokens");
    }

    @Test
    void documentsComeBackWithWeightsAndVision() throws Exception {
        FieldLanguage fields = FieldLanguageTest.frames("[vision],[q],a", 0);
        Tokenization.Result result = run(fields);
        assertThat(result.documents()).isEqualTo(3000);
        assertThat(result.badLines()).isEqualTo(3);
        assertThat(result.faults().getFirst()).contains("s.jsonl: line 9 has no field");
        TokenCache read = TokenCache.open(cache, BYTES);
        String[] lines = Files.readString(source).split("\n");
        for (int d = 0; d < 7; d++) {
            Document expected =
                    FieldLanguageTest.expand(
                            fields.document(JsonMapper.shared().readTree(lines[d]), d, BYTES));
            assertThat(read.tokens(d)).isEqualTo(expected.ids().length);
            Document whole = read.slice(d, 0, read.tokens(d));
            assertThat(whole).usingRecursiveComparison().isEqualTo(expected);
            Document part = read.slice(d, 9, 24);
            for (int i = 0; i < 15; i++) {
                assertThat(part.ids()[i]).isEqualTo(expected.ids()[9 + i]);
                assertThat(part.weights()[i]).isEqualTo(expected.weights()[9 + i]);
                assertThat(part.vision()[i]).isEqualTo(expected.vision()[9 + i]);
            }
        }
        assertThat(TextDocuments.open(cache, BYTES, 0.1).badLines()).isEqualTo(3);
    }

    @Test
    void nothingIsDoneTwiceUnlessSomethingChanged() throws Exception {
        assertThat(run(FIELDS).wasThere()).isFalse();
        byte[] first = Files.readAllBytes(cache);
        assertThat(run(FIELDS).wasThere()).isTrue();
        assertThat(run(FieldLanguage.of("q")).wasThere()).isFalse();
        assertThat(run(FIELDS).wasThere()).isFalse();
        assertThat(cache).hasBinaryContent(first);
        Files.writeString(source, Files.readString(source).replaceFirst("\"0\"", "\"9\""));
        assertThat(run(FIELDS).wasThere()).isFalse();
        try (Stream<Path> left = Files.list(tmp)) {
            assertThat(left).containsExactlyInAnyOrder(source, cache);
        }
    }

    @Test
    void whatWasInterruptedGoesOnAndEndsTheSame() throws Exception {
        run(FIELDS);
        byte[] whole = Files.readAllBytes(cache);
        Files.delete(cache);
        TokenCacheWriter writer = TokenCacheWriter.open(cache, BYTES, sourceOf(whole));
        String[] lines = Files.readString(source).split("\n");
        for (int i = 0; i < 500; i++) {
            try {
                TokenizedDocument document =
                        FIELDS.document(JsonMapper.shared().readTree(lines[i]), i + 1, BYTES);
                writer.add(document, 0);
            } catch (DataException e) {
                writer.addBad();
            }
            if (i == 400) {
                writer.save();
            }
        }
        writer.close();
        // Goes on after the 401 examples of the mark, whose hashes are ours and not its own.
        int[] heard = new int[1];
        Tokenization.run(source, FIELDS, BYTES, cache, (done, total, tokens) -> heard[0]++);
        assertThat(heard[0]).isPositive();
        TokenCache cut = TokenCache.open(cache, BYTES);
        assertThat(cut.hash(5)).isZero();
        assertThat(cut.hash(450)).isNotZero();
        assertThat(cut.documents()).isEqualTo(3000);
        Files.write(tmp.resolve("whole.tokens"), whole);
        TokenCache same = TokenCache.open(tmp.resolve("whole.tokens"), BYTES);
        for (int d = 0; d < 3000; d++) {
            assertThat(cut.slice(d, 0, cut.tokens(d)))
                    .usingRecursiveComparison()
                    .isEqualTo(same.slice(d, 0, same.tokens(d)));
        }
    }

    @Test
    void aStoppedRunLeavesNoCacheUnderItsName() throws Exception {
        assertThatThrownBy(
                        () ->
                                Tokenization.run(
                                        source,
                                        FIELDS,
                                        BYTES,
                                        cache,
                                        (done, total, tokens) -> {
                                            throw new UncheckedIOException(
                                                    new IOException("disk full"));
                                        }))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("cannot be written: disk full");
        assertThat(cache).doesNotExist();
        assertThat(run(FIELDS).documents()).isEqualTo(3000);
    }

    @Test
    void damageAndOtherTokenizersAreNoticed() throws Exception {
        run(FIELDS);
        byte[] whole = Files.readAllBytes(cache);
        Random random = new Random(5);
        for (int i = 0; i < 130; i++) {
            byte[] damaged = whole.clone();
            damaged[i < 96 ? i : random.nextInt(whole.length)] ^= (byte) (1 << random.nextInt(8));
            Files.write(cache, damaged);
            assertThatThrownBy(() -> TokenCache.open(cache, BYTES))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("make it again");
        }
        Files.write(cache, java.util.Arrays.copyOf(whole, whole.length - 1));
        assertThatThrownBy(() -> TokenCache.open(cache, BYTES)).hasMessageContaining("cut off");
        Files.write(cache, whole);
        Tokenizer other =
                Tokenizer.load(TestData.resource("reports/tokenizer/tiny/tokenizer.model"));
        assertThatThrownBy(() -> TextDocuments.open(cache, other, 0))
                .hasMessageContaining("another tokenizer");
    }

    private Tokenization.Result run(FieldLanguage fields) throws DataException {
        return Tokenization.run(source, fields, BYTES, cache, (done, total, tokens) -> {});
    }

    private long sourceOf(byte[] whole) throws Exception {
        return TokenCache.header(Files.write(tmp.resolve("w.tokens"), whole)).source();
    }
}
