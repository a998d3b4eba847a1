package org.ringworld.tokenizer.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.TestData;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.documents.FieldLanguage;
import org.ringworld.tokenizer.documents.TokenizedDocument;
import tools.jackson.databind.json.JsonMapper;

class LearnedTurnsTest {
    private static final String CHATML =
            "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    private static final String MARKED =
            "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}";
    private static final List<Map<String, Object>> CHAT =
            List.of(
                    Map.of("role", "system", "content", "Be kind."),
                    Map.of("role", "user", "content", "Hi </s> there?"),
                    Map.of("role", "assistant", "content", "Hello  you \ufdd2"),
                    Map.of("role", "user", "content", "And then?"),
                    Map.of("role", "assistant", "content", "\nNothing."));

    private static String text(List<ChatText.Part> parts, boolean learned, Tokenizer tokenizer) {
        IntStream ids =
                parts.stream()
                        .filter(part -> part.learned() == learned)
                        .flatMapToInt(part -> IntStream.of(part.ids()));
        return tokenizer.decode(ids.toArray());
    }

    private static int[] ids(List<ChatText.Part> parts) {
        return parts.stream().flatMapToInt(part -> IntStream.of(part.ids())).toArray();
    }

    private static Tokenizer sentencePiece() throws Exception {
        return Tokenizer.load(TestData.shared("tokenizer/tokenizer.model"));
    }

    @Test
    void whatIsLearnedAreTheAnswersAndTheirEnds() throws Exception {
        Tokenizer bytes = new ByteTokenizer();
        List<ChatText.Part> lwm = ChatTemplate.lwm().learn(CHAT, null, List.of(), bytes);
        assertThat(text(lwm, true, bytes)).isEqualTo(" Hello  you \ufdd2 \nNothing.");
        List<Integer> learned = new ArrayList<>();
        lwm.stream()
                .filter(ChatText.Part::learned)
                .forEach(p -> IntStream.of(p.ids()).forEach(learned::add));
        assertThat(learned.stream().filter(id -> id == bytes.eos())).hasSize(2);
        List<ChatText.Part> chatml =
                new ChatTemplate(CHATML, Map.of()).learn(CHAT, null, List.of(), bytes);
        assertThat(text(chatml, true, bytes))
                .isEqualTo("Hello  you \ufdd2<|im_end|>\n\nNothing.<|im_end|>\n");
        List<ChatText.Part> marked =
                new ChatTemplate(MARKED, Map.of()).learn(CHAT, null, List.of(), bytes);
        assertThat(text(marked, true, bytes)).isEqualTo("Hello  you \ufdd2\nNothing.");
        assertThat(text(marked, false, bytes)).contains("Hi </s> there?");
    }

    /** Before each answer stand exactly the tokens that a model is asked with; none is lost. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void partsTogetherAreTheWholeAsItIsAsked(boolean pieces) throws Exception {
        Tokenizer tokenizer = pieces ? sentencePiece() : new ByteTokenizer();
        for (ChatTemplate template :
                List.of(ChatTemplate.lwm(), new ChatTemplate(CHATML, Map.of()))) {
            List<ChatText.Part> parts = template.learn(CHAT, null, List.of(), tokenizer);
            List<Map<String, Object>> more = new ArrayList<>(CHAT);
            more.add(Map.of("role", "user", "content", "x"));
            int[] asked = template.encode(more, null, tokenizer);
            int[] whole = ids(parts);
            int same = template.isLwms() ? whole.length : whole.length - 2;
            assertThat(IntStream.of(asked).limit(same).toArray())
                    .isEqualTo(IntStream.of(whole).limit(same).toArray());
            int[] first = template.encode(CHAT.subList(0, 2), null, tokenizer);
            int at = 0;
            for (ChatText.Part part : parts) {
                if (part.learned()) {
                    break;
                }
                at += part.ids().length;
            }
            assertThat(at).isEqualTo(first.length);
            assertThat(IntStream.of(whole).limit(at).toArray()).isEqualTo(first);
        }
    }

    @Test
    void aTemplateThatChangesEarlierTurnsIsRefused() {
        ChatTemplate changing =
                new ChatTemplate(
                        "{% for m in messages %}{{ loop.last }}{{ m.content }}{% endfor %}",
                        Map.of());
        assertThatThrownBy(() -> changing.learn(CHAT, null, List.of(), new ByteTokenizer()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("in message 3 in another way when more follows");
        assertThatThrownBy(
                        () ->
                                ChatTemplate.lwm()
                                        .learn(
                                                CHAT.subList(0, 2),
                                                null,
                                                List.of(),
                                                new ByteTokenizer()))
                .hasMessageContaining("an answer of the assistant");
    }

    private static String document(String example) throws Exception {
        ByteTokenizer bytes = new ByteTokenizer();
        TokenizedDocument document =
                new FieldLanguage(List.of("text"), null, " ", true, true, "", 2, 0, Map.of())
                        .withChat(new ChatTemplate(CHATML, Map.of()))
                        .document(JsonMapper.shared().readTree(example), 1, bytes);
        StringBuilder told = new StringBuilder();
        int from = 0;
        for (TokenizedDocument.Run run : document.runs()) {
            told.append(run.weight() > 0 ? "{" : "(");
            for (int i = from; i < run.end(); i++) {
                told.append(
                        run.vision()
                                ? "#" + document.ids()[i]
                                : bytes.decode(new int[] {document.ids()[i]}));
            }
            told.append(run.weight() > 0 ? "}" : ")");
            from = run.end();
        }
        return told.toString();
    }

    @Test
    void toolsAndPeopleAreNotLearnedWhateverTheirNames() throws Exception {
        assertThat(
                        document(
                                "{\"system\": \"s\", \"conversations\": [{\"from\": \"human\", \"value\": \"a\"}, {\"from\": \"gpt\", \"value\": \"b\"}, {\"from\": \"observation\", \"value\": \"c\"}, {\"from\": \"gpt\", \"value\": \"d\"}]}"))
                .isEqualTo(
                        "(<|im_start|>system\ns<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n){b<|im_end|>\n}(<|im_start|>tool\nc<|im_end|>\n<|im_start|>assistant\n){d<|im_end|>\n}");
    }

    @Test
    void tagsStandForTheVisionFieldsInTheirOrder() throws Exception {
        String chat =
                "{\"conversations\": [{\"from\": \"human\", \"value\": \"<image>\\na\"}, {\"from\": \"gpt\", \"value\": \"b<video>\"}]%s}";
        assertThat(document(chat.formatted(", \"vision\": [[1, 2], [3, 4, 5, 6]]")))
                .contains("(#1#2#8193)", "{#3#4#8192#5#6#8193}", "{b<vision>}");
        assertThatThrownBy(() -> document(chat.formatted("")))
                .hasMessageContaining("has 2 tags <image> or <video> and codes for 0");
        assertThatThrownBy(() -> document(chat.formatted(", \"vision\": [1, 2]")))
                .hasMessageContaining("has 2 tags <image> or <video> and codes for 1");
    }
}
