package org.ringworld.tokenizer.suites;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.RowRandom;

class HaystackTest {
    @TempDir private Path directory;

    private Haystack haystack(String text) throws Exception {
        return Haystack.of(Files.writeString(directory.resolve("t.txt"), text));
    }

    @Test
    void sentencesFollowEachOtherAndBeginAgain() throws Exception {
        List<String> numbered =
                IntStream.range(0, 50)
                        .mapToObj("Mr. Gray, M. P., saw number %d!"::formatted)
                        .toList();
        Haystack book = haystack(String.join("\n", numbered));
        for (int chars : new int[] {0, 1, 40, 777, 5000}) {
            List<String> sentences = book.sentences(RowRandom.of(chars), chars);
            int total = sentences.stream().mapToInt(s -> s.length() + 1).sum();
            assertThat(total).isBetween(chars - "number".length() - 1, chars);
            for (int i = 1; i < sentences.size(); i++) {
                assertThat(numbered).contains(sentences.get(i));
                int before = i == 1 ? -1 : numbered.indexOf(sentences.get(i - 1));
                assertThat(before).isIn(-1, numbered.indexOf(sentences.get(i)) - 1, 49);
            }
        }
        assertThat(book.sentences(RowRandom.of(1), 900))
                .isNotEqualTo(book.sentences(RowRandom.of(2), 900));
        assertThat(
                        book.sentences(RowRandom.of(1), 900, s -> s.contains("number 1")).stream()
                                .skip(1))
                .isNotEmpty()
                .allMatch(s -> s.contains("number 1"));
    }

    @Test
    void needlesAreHiddenInTheirOrderBetweenWholeSentences() {
        List<String> sentences =
                IntStream.range(0, 30).mapToObj("sentence %d."::formatted).toList();
        List<String> needles = List.of("a", "b", "c");
        List<String> all = Haystack.hide(needles, sentences, RowRandom.of(5));
        assertThat(all).hasSize(33);
        assertThat(all.stream().filter(needles::contains)).containsExactlyElementsOf(needles);
        assertThat(all.stream().filter(sentences::contains)).containsExactlyElementsOf(sentences);
        assertThat(Haystack.hide(needles, List.of(), RowRandom.of(5))).isEqualTo(needles);
    }

    @Test
    void wordsAreThoseOfTheTextsAndThenMadeUp() throws Exception {
        Haystack book = haystack("Bright lanterns swing, and lanterns fall. It is so.");
        List<String> words = book.words(RowRandom.of(3), 30);
        assertThat(words)
                .hasSize(30)
                .doesNotHaveDuplicates()
                .contains("bright", "lanterns", "swing", "fall")
                .allMatch(word -> word.matches("[a-z]+"));
        assertThat(book.words(RowRandom.of(3), 2)).hasSize(2);
    }

    @Test
    void whatHoldsNoTextIsRefused() {
        assertThatThrownBy(() -> haystack(" \n "))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("holds no text");
    }
}
