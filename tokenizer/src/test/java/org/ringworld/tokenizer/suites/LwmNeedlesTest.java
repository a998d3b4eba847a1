package org.ringworld.tokenizer.suites;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.TestData;
import org.ringworld.tokenizer.Tokenizer;

class LwmNeedlesTest {
    private static final String BEGIN = "You are a helpful assistant. USER: ";
    private static final List<Double> DEPTHS = List.of(0.0, 25.0, 50.0, 75.0, 100.0);

    @TempDir private Path directory;

    private static Tokenizer tokenizer(String name) throws Exception {
        return name.equals("bytes")
                ? new ByteTokenizer()
                : Tokenizer.load(TestData.resource("reports/tokenizer/tiny"));
    }

    private static String text(Tokenizer tokenizer, LwmNeedles.Asked asked) {
        int[] ids = asked.ids();
        return tokenizer.decode(Arrays.copyOfRange(ids, tokenizer.addsBos() ? 1 : 0, ids.length));
    }

    @ParameterizedTest
    @ValueSource(strings = {"bytes", "pairs"})
    void oneNeedleIsAskedForInLwmsWords(String name) throws Exception {
        Tokenizer tokenizer = tokenizer(name);
        LwmNeedles needles = LwmNeedles.of(null, tokenizer, 2, 3000, 7);
        for (int length : new int[] {500, 1234, 3000}) {
            for (double depth : DEPTHS) {
                LwmNeedles.Asked asked = needles.one(length, depth, 1);
                LwmNeedles.Hidden hidden = asked.hidden().getFirst();
                String needle =
                        "\nThe special magic %s number is: %s\n"
                                .formatted(hidden.city(), hidden.number());
                String text = text(tokenizer, asked);
                String question = "What is the special magic " + hidden.city() + " number?";
                assertThat(asked.question()).isEqualTo(question);
                assertThat(text)
                        .startsWith(BEGIN)
                        .containsOnlyOnce(needle)
                        .endsWith(
                                " "
                                        + question
                                        + " Don't give information outside the document or repeat your"
                                        + " findings. Keep your response short and direct. ASSISTANT: ");
                assertThat(asked.most()).isEqualTo(200);
                assertThat(asked.ids().length + 200).isBetween(length - 8, length);
                String before = text.substring(BEGIN.length(), text.indexOf(needle));
                int context = text.lastIndexOf(question) - BEGIN.length() - needle.length();
                assertThat(depth == 100 || before.isEmpty() || before.endsWith(".")).isTrue();
                assertThat(before.length()).isBetween((int) (context * depth / 100) - 120, context);
                assertThat(before.length()).isLessThanOrEqualTo((int) (context * depth / 100) + 40);
            }
        }
        assertThat(needles.one(500, 25, 0).ids())
                .isEqualTo(LwmNeedles.of(null, tokenizer, 2, 3000, 7).one(500, 25, 0).ids())
                .isNotEqualTo(needles.one(500, 25, 1).ids());
    }

    @Test
    void allOfSeveralNeedlesAreThereAndSomeAreAskedFor() throws Exception {
        Tokenizer tokenizer = new ByteTokenizer();
        LwmNeedles needles = LwmNeedles.of(null, tokenizer, 20, 2000, 7);
        for (int round = 0; round < 20; round++) {
            LwmNeedles.Asked asked = needles.several(2000, DEPTHS, 4, 2, round);
            String text = text(tokenizer, asked);
            assertThat(asked.hidden()).extracting(LwmNeedles.Hidden::city).doesNotHaveDuplicates();
            assertThat(asked.hidden()).extracting(LwmNeedles.Hidden::depth).doesNotHaveDuplicates();
            for (LwmNeedles.Hidden hidden : asked.hidden()) {
                assertThat(text)
                        .containsOnlyOnce(hidden.city() + " number is: " + hidden.number() + "\n");
            }
            assertThat(asked.hidden()).containsAll(asked.asked());
            assertThat(asked.question())
                    .isEqualTo(
                            "What are the special magic numbers for %s, and %s?",
                            asked.asked().get(0).city(), asked.asked().get(1).city());
            assertThat(text)
                    .endsWith(
                            asked.question()
                                    + " Don't give information outside the document. ASSISTANT: ");
            assertThat(asked.ids().length + asked.most()).isBetween(1992, 2000);
        }
        assertThat(needles.several(2000, DEPTHS, 3, 1, 0).question())
                .startsWith("What is the special magic number for ");
    }

    @Test
    void eachRoundReadsOnWhereTheOneBeforeEnded() throws Exception {
        Files.writeString(
                directory.resolve("books.jsonl"),
                "{\"text\": \"%s\"}\n{\"text\": \"%s\"}\n"
                        .formatted("Red sun. ".repeat(200), "Blue sea. ".repeat(200)));
        Tokenizer tokenizer = new ByteTokenizer();
        LwmNeedles needles = LwmNeedles.of(directory, tokenizer, 2, 1000, 7);
        assertThat(text(tokenizer, needles.one(1000, 50, 0)))
                .contains("Red")
                .doesNotContain("Blue");
        assertThat(text(tokenizer, needles.one(1000, 50, 1)))
                .contains("Blue")
                .doesNotContain("Red");
        assertThatThrownBy(() -> LwmNeedles.of(directory, tokenizer, 3, 1000, 7))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("2 contexts of 1000 tokens");
        assertThatThrownBy(() -> needles.one(100, 50, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("more than a length of 100");
    }
}
