package org.ringworld.actors.http.openai;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.model.decode.Made;
import org.ringworld.tokenizer.Tokenizer;
import tools.jackson.databind.JsonNode;

class CompletionShapeTest {
    @TempDir private Path directory;

    /** SentencePiece falls back to bytes: a letter may be two tokens. */
    @Test
    void ofTokensWithTheSameTextTheLikelierIsTold() throws Exception {
        Path file = directory.resolve("tokenizer.json");
        Files.writeString(
                file,
                """
                {"model": {"type": "BPE", "byte_fallback": true, "unk_token": "<unk>", "merges": [],
                  "vocab": {"<unk>": 0, "<0x41>": 1, "A": 2, "B": 3, "</s>": 4}},
                 "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}}
                """);
        Files.writeString(directory.resolve("tokenizer_config.json"), "{\"eos_token\": \"</s>\"}");
        Tokenizer tokenizer = Tokenizer.load(file);
        CompletionShape shape = new CompletionShape(0, true, tokenizer, tokenizer.decoder());
        List<Made.Alternative> likeliest =
                List.of(new Made.Alternative(2, -0.5), new Made.Alternative(3, -1));
        JsonNode told =
                shape.part("A", List.of(new Made.Token(0, 0, 1, -4, likeliest, true))).logprobs();
        assertThat(told.at("/tokens/0").asString()).isEqualTo("A");
        assertThat(told.at("/token_logprobs/0").asDouble()).isEqualTo(-4);
        assertThat(told.at("/top_logprobs/0/A").asDouble()).isEqualTo(-0.5);
        assertThat(told.at("/top_logprobs/0/B").asDouble()).isEqualTo(-1);
    }
}
