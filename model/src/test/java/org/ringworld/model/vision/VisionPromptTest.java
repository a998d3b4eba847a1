package org.ringworld.model.vision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.JointVocabulary;
import org.ringworld.model.decode.Sampler;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;
import org.ringworld.tokenizer.documents.FieldLanguage;
import tools.jackson.databind.json.JsonMapper;

class VisionPromptTest {
    private static final String LLAMA = "../../shared/data/tokenizer/tokenizer.model";

    /** Codes are themselves: no text has so small numbers here. */
    private static final int TEXT = 32_000;

    private static VisionPrompt prompt(Tokenizer tokenizer) {
        return new VisionPrompt(tokenizer, new JointVocabulary(TEXT, 8448), 4, 8192);
    }

    private static Tokenizer tokenizer(String name) throws Exception {
        assumeTrue(name.equals("bytes") || Files.exists(Path.of(name)), name + " is not here");
        return Tokenizer.of(name);
    }

    /** A chat about pictures as training has it, codes as numbers behind those of text. */
    private static int[] taught(Tokenizer tokenizer, String user, String assistant, String codes)
            throws Exception {
        FieldLanguage fields =
                new FieldLanguage(List.of("text"), null, " ", true, true, "", 4, 0, Map.of())
                        .withChat(ChatTemplate.lwm());
        String line =
                """
                {"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "%s"}], "vision": %s}"""
                        .formatted(user, assistant, codes);
        var document = fields.document(JsonMapper.shared().readTree(line), 1, tokenizer);
        int[] ids = document.ids().clone();
        int from = 0;
        for (var run : document.runs()) {
            for (int i = from; i < run.end(); i++) {
                ids[i] += run.vision() ? TEXT : 0;
            }
            from = run.end();
        }
        return ids;
    }

    @ParameterizedTest
    @ValueSource(strings = {"bytes", LLAMA})
    void whatIsAskedIsWhatChatsTeach(String name) throws Exception {
        Tokenizer tokenizer = tokenizer(name);
        VisionPrompt prompt = prompt(tokenizer);
        int[] codes = {5, 6, 7, 8, 1, 2, 3, 4};
        String pictures = "[5, 6, 7, 8, 1, 2, 3, 4]";
        int[] see = prompt.see("What is it?", codes);
        assertThat(taught(tokenizer, "What is it?\\n<video>", "A dog.", pictures)).startsWith(see);
        var user = Map.<String, Object>of("role", "user", "content", "What is it?\n<video>");
        var parts = ChatTemplate.lwm().ask(List.of(user), null, List.of("<video>"), tokenizer);
        assertThat(prompt.chat(parts, List.of(codes))).isEqualTo(see);
        Ask draw = prompt.draw("a dog", false, Sampler.GREEDY, 5);
        assertThat(taught(tokenizer, "Generate an image of a dog", "<image>", "[5, 6, 7, 8]"))
                .startsWith(draw.prompt());
        int[] first = Arrays.copyOf(codes, 4);
        Ask film = prompt.film("a dog", false, first, 2, Sampler.GREEDY, 1);
        assertThat(taught(tokenizer, "Generate a video of a dog", "<video>", pictures))
                .startsWith(film.prompt());
        assertThat(film.most()).isEqualTo(5);
        assertThat(film.guidance()).isNull();
    }

    /** Ids of SentencePiece itself for LWM's strings (lwm/vision_chat.py, vision_generation.py). */
    @Test
    void idsAreLwms() throws Exception {
        VisionPrompt prompt = prompt(tokenizer(LLAMA));
        assertThat(prompt.see("What is it?", new int[] {1, 2, 3, 4}))
                .containsExactly(
                        1, 887, 526, 263, 8444, 20255, 29889, 3148, 1001, 29901, 1724, 338, 372,
                        29973, 13, 529, 4924, 29958, 32001, 32002, 32003, 32004, 40193, 1533, 4924,
                        29958, 29871, 319, 1799, 9047, 13566, 29901);
        Ask draw = prompt.draw("a dog", false, Sampler.GREEDY, 5);
        assertThat(draw.prompt())
                .containsExactly(
                        1, 887, 526, 263, 8444, 20255, 29889, 3148, 1001, 29901, 3251, 403, 385,
                        1967, 310, 263, 11203, 319, 1799, 9047, 13566, 29901, 529, 4924, 29958);
        assertThat(draw.guidance().prompt()).containsExactly(1, 529, 4924, 29958);
        assertThat(draw.ends()).containsExactly(40193);
        Ask film = prompt.film("a dog", false, new int[] {1, 2, 3, 4}, 3, Sampler.GREEDY, 2);
        assertThat(film.guidance().prompt())
                .containsExactly(1, 529, 4924, 29958, 32001, 32002, 32003, 32004, 40192);
        assertThat(film.most()).isEqualTo(10);
    }
}
