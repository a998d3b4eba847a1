package org.ringworld.tokenizer.documents;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.TestData;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.SequencePacking;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class FieldLanguageTest {
    private static final Tokenizer BYTES = new ByteTokenizer();

    @Test
    void reportedFieldsGiveTheseTokensMasksAndTargets() throws Exception {
        Tokenizer tiny =
                Tokenizer.load(TestData.resource("reports/tokenizer/tiny/tokenizer.model"));
        JsonNode report = TestData.json("reports/data/expected.json");
        assertThat(report.path("fields").size()).isEqualTo(4);
        for (JsonNode test : report.path("fields")) {
            String fields = test.path("fields").asString();
            SequencePacking.Document document =
                    expand(FieldLanguage.of(fields).document(report.path("record"), 1, tiny));
            assertThat(document.ids()).as(fields).isEqualTo(TestData.ids(test.path("tokens")));
            assertThat(document.weights()).isEqualTo(floats(test.path("loss_mask_of_token")));
            int pairs = document.ids().length - 1;
            Row row = SequencePacking.pack(List.of(document), pairs, 0).getFirst();
            assertThat(row.ids()).isEqualTo(TestData.ids(test.path("input")));
            assertThat(row.targets()).isEqualTo(TestData.ids(test.path("target")));
            assertThat(row.weights()).isEqualTo(floats(test.path("loss_weight_of_target")));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"[question,answer]", "question+", "", "a,,b", "[]", "answer]"})
    void whatIsNotOfTheLanguageIsRefused(String fields) {
        assertThatThrownBy(() -> FieldLanguage.of(fields))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("field");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "[question],missing | has no field missing",
                "number | field number that is no string but NUMBER",
                "nothing | field nothing that is no string but NULL",
                "vision | has no field vision",
                "bad_vision | element 1, 8192, is no code",
                "odd_vision | of 3 codes, which are no whole frames of 2"
            })
    void faultsNameTheField(String fields, String fault) {
        JsonNode example =
                json(
                        "{\"question\": \"a\", \"number\": 5, \"nothing\": null, \"bad_vision\": [1, 8192], \"odd_vision\": [1, 2, 3]}");
        assertThatThrownBy(() -> frames(fields, 0).document(example, 1, BYTES))
                .isInstanceOf(DataException.class)
                .hasMessageContaining(fault);
    }

    @Test
    void framesEndAndStandBetweenTextualMarks() throws Exception {
        SequencePacking.Document document =
                expand(
                        frames("[vision],caption", 0)
                                .document(
                                        json("{\"vision\": [5, 6, 7, 8], \"caption\": \"x\"}"),
                                        1,
                                        BYTES));
        int at = 1 + "<vision>".length();
        assertThat(Arrays.copyOfRange(document.ids(), at, at + 6))
                .containsExactly(5, 6, 8192, 7, 8, 8193);
        assertThat(document.ids()).hasSize(at + 6 + "</vision>".length() + 2);
        for (int i = 0; i < document.ids().length; i++) {
            assertThat(document.vision()[i]).isEqualTo(i >= at && i < at + 6);
            assertThat(document.weights()[i]).isEqualTo(i < document.ids().length - 2 ? 0 : 1);
        }
        Row row = SequencePacking.pack(List.of(document), 64, 0).getFirst();
        assertThat(row.visionIds()[at]).isTrue();
        assertThat(row.visionTargets()[at - 1]).isTrue();
        assertThat(row.visionTargets()[at + 5]).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"9,4,0 2 5 8", "9,1,0", "3,8,0 1 2", "10,10,0 1 2 3 4 5 6 7 8 9", "100,2,0 99"})
    void framesArePickedAtEvenDistances(int frames, int most, String expected) {
        int[] codes = IntStream.range(0, frames).toArray();
        int[] picked = VisionCodes.sample(codes, 1, most);
        assertThat(picked)
                .isEqualTo(
                        Arrays.stream(expected.split(" ")).mapToInt(Integer::parseInt).toArray());
    }

    @Test
    void anExamplesOwnLinePicksAmongAlternatives() throws Exception {
        FieldLanguage language =
                new FieldLanguage(
                        List.of(), "fields", "-", false, false, "Q: ", 256, 0, Map.of("b", 0.5f));
        JsonNode example =
                json("{\"fields\": [\"[a],b\", \"b+a\"], \"a\": \"one\", \"b\": \"two\"}");
        Set<String> texts = new HashSet<>();
        for (int line = 1; line < 40; line++) {
            SequencePacking.Document document = expand(language.document(example, line, BYTES));
            texts.add(BYTES.decode(document.ids()));
            assertThat(document.ids()).isEqualTo(language.document(example, line, BYTES).ids());
            assertThat(document.weights()[document.ids().length - 1]).isEqualTo(0.5f);
        }
        assertThat(texts).containsExactlyInAnyOrder("Q: onetwo", "Q: two-one");
        assertThatThrownBy(() -> language.document(json("{\"fields\": \"a,\"}"), 1, BYTES))
                .hasMessageContaining("wrong field fields");
        assertThatThrownBy(() -> language.document(json("{\"a\": \"x\"}"), 1, BYTES))
                .isInstanceOf(DataException.class);
    }

    @Test
    void aTextNeverBecomesASpecialTokenByItself() throws Exception {
        TokenizedDocument document =
                FieldLanguage.of("text").document(json("{\"text\": \"</s><|eos|>\"}"), 1, BYTES);
        assertThat(document.ids()).containsOnlyOnce(ByteTokenizer.EOS);
    }

    /** A document with a weight for every token, to be packed. */
    static SequencePacking.Document expand(TokenizedDocument document) {
        int[] ids = document.ids();
        float[] weights = new float[ids.length];
        boolean[] vision = new boolean[ids.length];
        int start = 0;
        for (TokenizedDocument.Run run : document.runs()) {
            Arrays.fill(weights, start, run.end(), run.weight());
            Arrays.fill(vision, start, run.end(), run.vision());
            start = run.end();
        }
        boolean hasVision = document.runs().stream().anyMatch(TokenizedDocument.Run::vision);
        return new SequencePacking.Document(ids, weights, hasVision ? vision : null);
    }

    /** A line of the language with frames of two codes. */
    static FieldLanguage frames(String fields, int most) {
        return new FieldLanguage(List.of(fields), null, " ", true, true, "", 2, most, Map.of());
    }

    private static JsonNode json(String text) {
        return JsonMapper.shared().readTree(text);
    }

    private static float[] floats(JsonNode array) {
        float[] floats = new float[array.size()];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) array.path(i).asDouble();
        }
        return floats;
    }
}
