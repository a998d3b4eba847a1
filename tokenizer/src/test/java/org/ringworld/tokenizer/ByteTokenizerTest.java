package org.ringworld.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ByteTokenizerTest {
    private final Tokenizer tokenizer = new ByteTokenizer();

    @ParameterizedTest
    @ValueSource(
            strings = {"", "hello", "aé🌷\0\n", "<s> stays text </s>", "▁\u2028\ufeff", "\uffff"})
    void textComesBackWholeAndPiecewise(String text) {
        int[] ids = tokenizer.encode(text);
        assertThat(ids).hasSize(text.getBytes(StandardCharsets.UTF_8).length);
        assertThat(tokenizer.decode(ids)).isEqualTo(text);
        TextDecoder decoder = tokenizer.decoder();
        StringBuilder parts = new StringBuilder();
        for (int id : ids) {
            String part = decoder.next(id);
            assertThat(part).doesNotContain("\ufffd");
            assertThat(part.isEmpty() || !Character.isHighSurrogate(part.charAt(part.length() - 1)))
                    .isTrue();
            parts.append(part);
        }
        assertThat(parts + decoder.finish()).isEqualTo(text);
    }

    @Test
    void brokenBytesAndSurrogatesBecomeReplacementCharacters() {
        int[] ids = {0xf0, 0x9f, 'a', 0xff, 256, 'b', 0xe2};
        TextDecoder decoder = tokenizer.decoder();
        StringBuilder parts = new StringBuilder();
        for (int id : ids) {
            parts.append(decoder.next(id));
        }
        assertThat(parts + decoder.finish())
                .isEqualTo(tokenizer.decode(ids))
                .isEqualTo("\ufffda\ufffdb\ufffd");
        assertThat(tokenizer.decode(tokenizer.encode("a\ud83c"))).isEqualTo("a\ufffd");
    }

    @Test
    void isSavedAndFoundAgain(@TempDir Path dir) throws Exception {
        tokenizer.save(dir);
        assertThat(Tokenizer.of(dir.toString())).isInstanceOf(ByteTokenizer.class);
        assertThat(Tokenizer.load(dir.resolve("tokenizer.json"))).isInstanceOf(ByteTokenizer.class);
        assertThat(Tokenizer.of("bytes").vocabSize()).isEqualTo(260);
        String json = Files.readString(dir.resolve("tokenizer.json"));
        Files.writeString(dir.resolve("tokenizer.json"), json.replace("\"Ġ\" : 32", "\"Ġ\" : 33"));
        assertThatThrownBy(() -> Tokenizer.load(dir)).hasMessageContaining("not its own");
        assertThatThrownBy(() -> Tokenizer.of("nowhere")).hasMessageContaining("neither bytes nor");
    }
}
