package org.ringworld.tokenizer.bpe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.TestData;
import org.ringworld.tokenizer.Tokenizer;
import tools.jackson.databind.JsonNode;

class HuggingFaceTokenizerTest {
    private static final String TINY = "reports/tokenizer/tiny_hf_list/tokenizer.json";

    @TempDir Path tmp;

    @ParameterizedTest
    @CsvSource({"mistral,1,2", "gpt2,50256,50256"})
    void awkwardTextsAreThoseOfTheReference(String name, int bos, int eos) throws Exception {
        Tokenizer tokenizer =
                Tokenizer.load(TestData.shared("tokenizer/" + name + "-tokenizer.json"));
        assertThat(tokenizer.bos()).isEqualTo(bos);
        assertThat(tokenizer.eos()).isEqualTo(eos);
        for (JsonNode line : TestData.jsonLines("golden/tokenizer/" + name + "-json.jsonl")) {
            String text = line.path("text").asString();
            assertThat(tokenizer.encodeLikeReference(text))
                    .as(text)
                    .isEqualTo(TestData.ids(line.path("ids")));
            int[] ids = tokenizer.encode(text);
            if (tokenizer.specialTokens().keySet().stream().anyMatch(text::contains)) {
                assertThat(ids).doesNotContain(bos, eos);
            } else {
                assertThat(ids).isEqualTo(tokenizer.encodeLikeReference(text));
            }
            String decoded = name.equals("gpt2") ? text : text.replace('\u2581', ' ');
            assertThat(tokenizer.decode(ids)).isEqualTo(decoded);
            assertThat(TestData.stream(tokenizer, ids)).isEqualTo(decoded);
        }
    }

    @ParameterizedTest
    @CsvSource({"mistral", "gpt2"})
    void wholeBooksAreThoseOfTheReference(String name) throws Exception {
        Tokenizer tokenizer =
                Tokenizer.load(TestData.shared("tokenizer/" + name + "-tokenizer.json"));
        Path books = TestData.shared("books");
        List<String> lines = Files.readAllLines(TestData.resource("golden/tokenizer/books.tsv"));
        lines.removeIf(line -> !line.startsWith(name));
        assertThat(lines).hasSize(21);
        // The whole shelf takes half a minute; two books of each kind show the same.
        for (String line : List.of(lines.getFirst(), lines.getLast())) {
            String[] columns = line.split("\t");
            int[] ids = tokenizer.encode(Files.readString(books.resolve(columns[1])));
            assertThat(ids).as(columns[1]).hasSize(Integer.parseInt(columns[2]));
            assertThat(TestData.crc(ids)).as(columns[1]).isEqualTo(Long.parseLong(columns[3]));
        }
    }

    @Test
    void reportedTextsAreEncodedAndComeBack() throws Exception {
        Tokenizer tiny = Tokenizer.load(TestData.resource(TINY).getParent());
        JsonNode report = TestData.json("reports/tokenizer/cases.json");
        for (JsonNode test : report.path("cases")) {
            int[] ids = TestData.ids(test.path("ids_no_bos"));
            String name = test.path("name").asString();
            assertThat(tiny.encode(test.path("text").asString())).as(name).isEqualTo(ids);
            assertThat(tiny.encodeLikeReference(test.path("text").asString())).isEqualTo(ids);
            String decoded = test.path("decoded").asString();
            assertThat(tiny.decode(ids)).as(name).isEqualTo(decoded);
            assertThat(TestData.stream(tiny, TestData.ids(test.path("ids")))).isEqualTo(decoded);
        }
        JsonNode special = report.path("special");
        String text = special.path("text").asString();
        assertThat(tiny.encode(text))
                .isEqualTo(TestData.ids(special.path("as_plain_text_ids_no_bos")));
        assertThat(tiny.encodeLikeReference(text)).containsExactly(1, 268, 2);
        int[] replaced = TestData.ids(report.path("lone_surrogate").path("ids_if_fffd"));
        assertThat(tiny.encode("a\ud83cb"))
                .isEqualTo(Arrays.copyOfRange(replaced, 1, replaced.length));
    }

    @Test
    void plainAddedTokensKeepTheirIdsWithoutTheSpecialOnes() throws Exception {
        Tokenizer tokenizer =
                tokenizer(
                        """
                        {"added_tokens": [{"id": 2, "content": "</s>", "special": true, FLAGS},
                          {"id": 3, "content": "ba", "special": false, FLAGS}],
                         "truncation": {"max_length": 2}, "decoder": {"type": "ByteLevel"},
                         "model": {"type": "BPE", "dropout": 0.5, "vocab": {"a": 0, "b": 1},
                          "merges": []}}
                        """
                                .replace(
                                        "FLAGS",
                                        "\"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false"));
        assertThat(tokenizer.encode("abab</s>")).containsExactly(0, 3, 1);
        assertThat(tokenizer.encodeLikeReference("abab</s>")).containsExactly(0, 3, 1, 2);
        assertThat(tokenizer.decode(new int[] {0, 3, 1, 2})).isEqualTo("abab");
    }

    @Test
    void noMergeAndNoWholeWordMakesASpecialToken() throws Exception {
        Tokenizer tokenizer =
                tokenizer(
                        """
                        {"added_tokens": [{"id": 2, "content": "ab", "special": true, FLAGS},
                          {"id": 4, "content": "</s>", "special": true, FLAGS},
                          {"id": 5, "content": "bc", "special": false, FLAGS}],
                         "decoder": {"type": "ByteLevel"},
                         "model": {"type": "BPE", "ignore_merges": true,
                          "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3}, "merges": ["a b"]}}
                        """
                                .replace(
                                        "FLAGS",
                                        "\"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false"));
        assertThat(tokenizer.encode("ab")).containsExactly(0, 1);
        assertThat(tokenizer.encode("cbca")).containsExactly(3, 5, 0);
        assertThat(tokenizer.encodeLikeReference("ab")).containsExactly(2);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"model\": {\"type\": \"WordPiece\"}} | type WordPiece",
                "{\"model\": {\"type\": \"BPE\"}} | no model.vocab",
                "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"a b\"]}} | the merge",
                "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 0}}} | not its own",
                "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"unk_token\": \"u\"}} | unk_token",
                "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}}, \"normalizer\": {\"type\": \"Precompiled\"}} | Precompiled",
                "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}}, \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"((\"}, \"behavior\": \"Isolated\", \"invert\": false}} | is refused",
                "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}}, \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"[)*]+(a+)+$\"}}} | repeats a group",
                "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}}, \"decoder\": {\"type\": \"ByteLevel\"}} | bos_token",
                "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"continuing_subword_prefix\": \"##\"}} | continuing_subword_prefix"
            })
    void whatWouldBreakTheLibraryIsRefusedByName(String json, String sentence) {
        assertThatThrownBy(() -> tokenizer(json))
                .isInstanceOf(DataException.class)
                .hasMessageContaining(sentence);
    }

    @Test
    void specialTokensAreThoseThatTheFilesBesideName() throws Exception {
        String json = Files.readString(TestData.resource(TINY));
        Files.writeString(
                tmp.resolve("tokenizer_config.json"),
                "{\"bos_token\": null, \"eos_token\": {\"content\": \"hello\"}}");
        Files.writeString(
                tmp.resolve("generation_config.json"),
                "{\"bos_token_id\": 7, \"eos_token_id\": [8], \"pad_token_id\": 9}");
        Tokenizer tokenizer = tokenizer(json);
        assertThat(new int[] {tokenizer.bos(), tokenizer.eos(), tokenizer.pad()})
                .containsExactly(7, 267, 9);
        Files.writeString(tmp.resolve("tokenizer_config.json"), "{\"eos_token\": \"nowhere\"}");
        assertThatThrownBy(() -> tokenizer(json)).hasMessageContaining("eos_token nowhere");
    }

    @Test
    void isSavedByteForByteWithWhatStandsBeside() throws Exception {
        Path source = TestData.resource(TINY).getParent();
        Tokenizer.load(source).save(tmp);
        for (String name : List.of("tokenizer.json", "tokenizer_config.json")) {
            assertThat(tmp.resolve(name)).hasSameBinaryContentAs(source.resolve(name));
        }
        // As Transformers' fast tokenizers: the tokenizer.json is the one that counts.
        Files.copy(
                TestData.resource("reports/tokenizer/tiny/tokenizer.model"),
                tmp.resolve("tokenizer.model"));
        assertThat(Tokenizer.load(tmp)).isInstanceOf(HuggingFaceTokenizer.class);
        assertThat(Tokenizer.load(tmp.resolve("tokenizer.model")))
                .isInstanceOf(SentencePieceTokenizer.class);
    }

    private Tokenizer tokenizer(String json) throws Exception {
        return Tokenizer.load(Files.writeString(tmp.resolve("tokenizer.json"), json));
    }
}
