package org.ringworld.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.tokenizer.GgufVocabulary.Token;
import org.ringworld.tokenizer.GgufVocabulary.Type;
import org.ringworld.tokenizer.bpe.ByteLetters;
import tools.jackson.databind.JsonNode;

class GgufVocabularyTest {
    @TempDir Path tmp;

    /** SentencePiece's merging, the slow and plain way, by nothing but the vocabulary. */
    private static int[] encode(GgufVocabulary vocabulary, Map<String, Integer> ids, String text) {
        List<String> parts = new ArrayList<>();
        String spaced = text.isEmpty() ? "" : (vocabulary.addsSpace() ? " " : "") + text;
        spaced.replace(' ', '\u2581').codePoints().forEach(c -> parts.add(Character.toString(c)));
        while (true) {
            int best = -1;
            float score = Float.NEGATIVE_INFINITY;
            for (int i = 0; i + 1 < parts.size(); i++) {
                Integer id = ids.get(parts.get(i) + parts.get(i + 1));
                if (id != null && vocabulary.tokens().get(id).score() > score) {
                    best = i;
                    score = vocabulary.tokens().get(id).score();
                }
            }
            if (best < 0) {
                break;
            }
            parts.set(best, parts.get(best) + parts.remove(best + 1));
        }
        List<Integer> made = new ArrayList<>();
        for (String part : parts) {
            if (ids.containsKey(part)) {
                made.add(ids.get(part));
            } else {
                for (byte b : part.getBytes(StandardCharsets.UTF_8)) {
                    made.add(ids.get("<0x%02X>".formatted(b & 0xff)));
                }
            }
        }
        return made.stream().mapToInt(id -> id).toArray();
    }

    @ParameterizedTest
    @CsvSource({
        "tokenizer/tokenizer.model, llama2-sentencepiece",
        "tokenizer/mistral-tokenizer.json, mistral-json"
    })
    void scoresAloneGiveTheReferencesIds(String file, String golden) throws Exception {
        GgufVocabulary vocabulary = Tokenizer.load(TestData.shared(file)).gguf();
        assertThat(vocabulary.model()).isEqualTo(GgufVocabulary.Model.SENTENCE_PIECE);
        assertThat(vocabulary.addsBos()).isTrue();
        Map<String, Integer> ids = new HashMap<>();
        for (int id = 0; id < vocabulary.tokens().size(); id++) {
            ids.put(vocabulary.tokens().get(id).text(), id);
        }
        for (JsonNode line : TestData.jsonLines("golden/tokenizer/" + golden + ".jsonl")) {
            String text = line.path("text").asString();
            // The special tokens of a tokenizer.json are found before any merging; the plain way
            // takes minutes for long texts.
            if (text.length() < 200 && !text.matches("(?s).*(<s>|</s>|<unk>).*")) {
                assertThat(encode(vocabulary, ids, text))
                        .as(text)
                        .isEqualTo(TestData.ids(line.path("ids")));
            }
        }
    }

    @Test
    void bytesAreABytePairVocabularyWithoutMerges() {
        ByteTokenizer bytes = new ByteTokenizer();
        GgufVocabulary vocabulary = bytes.gguf();
        assertThat(vocabulary.merges()).isEmpty();
        assertThat(vocabulary.tokens()).hasSize(bytes.vocabSize());
        for (int b = 0; b < 256; b++) {
            assertThat(vocabulary.tokens().get(b).text()).isEqualTo(ByteLetters.letter(b));
        }
        bytes.specialTokens()
                .forEach(
                        (text, id) ->
                                assertThat(vocabulary.tokens().get(id))
                                        .isEqualTo(new Token(text, 0, Type.CONTROL)));
        assertThat(vocabulary.withSize(300).tokens()).doesNotHaveDuplicates().hasSize(300);
    }

    private Tokenizer tokenizer(String preTokenizer, String normalizer, String model)
            throws Exception {
        String json =
                """
                {"added_tokens": [{"id": 4, "content": "<s>", "special": true,
                   "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}],
                 "pre_tokenizer": %s, "normalizer": %s, "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
                 "model": {"type": "BPE", %s, "vocab": {"a": 0, "b": 1, "ab": 2, "aba": 3}}}
                """
                        .formatted(preTokenizer, normalizer, model);
        return Tokenizer.load(Files.writeString(tmp.resolve("tokenizer.json"), json));
    }

    private static String split(String regex) {
        String pattern = regex.replace("\\", "\\\\");
        return """
               {"type": "Sequence", "pretokenizers": [
                 {"type": "Split", "pattern": {"Regex": "%s"}, "behavior": "Isolated", "invert": false},
                 {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false, "trim_offsets": true}]}
               """
                .formatted(pattern);
    }

    private static final String LLAMA3 =
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    private static final String MERGES = "\"merges\": [\"a b\", \"ab a\"]";

    @Test
    void cutsAreCalledAsLlamaCppDoes() throws Exception {
        String gpt2 =
                "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true}";
        String whole = "\"ignore_merges\": true, ";
        GgufVocabulary vocabulary = tokenizer(gpt2, "null", MERGES).gguf();
        assertThat(vocabulary.splitter()).isEqualTo("gpt-2");
        assertThat(vocabulary.merges()).containsExactly("a b", "ab a");
        assertThat(tokenizer(split(LLAMA3), "null", MERGES).gguf().splitter()).isEqualTo("dbrx");
        assertThat(tokenizer(split(LLAMA3), "null", whole + MERGES).gguf().splitter())
                .isEqualTo("llama-bpe");
        String qwen = LLAMA3.replace("{1,3}", "");
        assertThat(tokenizer(split(qwen), "null", MERGES).gguf().splitter()).isEqualTo("qwen2");
    }

    @ParameterizedTest
    @ValueSource(strings = {"\\p{L}+", "\\s+"})
    void anotherCutIsRefused(String regex) throws Exception {
        Tokenizer other = tokenizer(split(regex), "null", MERGES);
        assertThatThrownBy(other::gguf)
                .isInstanceOf(DataException.class)
                .hasMessageContaining("llama.cpp has no like of its pre_tokenizer");
    }

    @Test
    void mergesThatNoScoresGiveAreRefused() throws Exception {
        String marks =
                """
                {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
                """;
        String fallback = "\"byte_fallback\": true, ";
        Tokenizer lacking = tokenizer("null", marks, fallback + "\"merges\": [\"ab a\"]");
        assertThatThrownBy(lacking::gguf).hasMessageContaining("[a, b]) that make a third");
        Tokenizer metaspace =
                tokenizer(
                        "{\"type\": \"Metaspace\", \"replacement\": \"\u2581\", \"prepend_scheme\": \"always\", \"split\": true}",
                        "null",
                        fallback + MERGES);
        assertThatThrownBy(metaspace::gguf).hasMessageContaining("its pre_tokenizer");
        assertThat(tokenizer("null", marks, fallback + MERGES).gguf().addsSpace()).isFalse();
    }
}
