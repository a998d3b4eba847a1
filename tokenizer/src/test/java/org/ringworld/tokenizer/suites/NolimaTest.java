package org.ringworld.tokenizer.suites;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.tokenizer.RowRandom;

class NolimaTest {
    /** Words without a meaning of their own. */
    private static final Set<String> SMALL =
            Set.of(
                    "the", "in", "to", "of", "a", "an", "is", "was", "has", "been", "by", "from",
                    "for");

    @TempDir private Path directory;

    private static Set<String> words(String text) {
        return Arrays.stream(text.toLowerCase(Locale.ROOT).split("[^\\p{L}]+"))
                .filter(word -> !word.isEmpty() && !SMALL.contains(word))
                .collect(Collectors.toCollection(HashSet::new));
    }

    @Test
    void needlesShareNoWordWithTheirQuestions() {
        for (Nolima.Association association : Nolima.ASSOCIATIONS) {
            for (String needle : List.of(association.direct(), association.inverted())) {
                assertThat(words(needle.formatted("")))
                        .doesNotContainAnyElementsOf(words(association.question()));
            }
            assertThat(association.direct().indexOf("%s"))
                    .isLessThan(association.direct().length() / 2);
            assertThat(association.inverted().indexOf("%s"))
                    .isGreaterThan(association.inverted().length() / 2);
        }
    }

    @Test
    void theNameIsThereOnceThoughTheTextsHaveItToo() throws Exception {
        StringBuilder text = new StringBuilder();
        for (String name : Nolima.NAMES) {
            text.append("Then %s went home. It rained in Dresden. Nobody saw it. ".formatted(name));
        }
        Haystack haystack = Haystack.of(Files.writeString(directory.resolve("t.txt"), text));
        for (Task task : Suite.NOLIMA.tasks()) {
            for (int i = 0; i < 50; i++) {
                Question question = task.maker().make(haystack, RowRandom.of(i), 0, 2000);
                String asked = question.messages().getFirst().content();
                String name = question.answers().getFirst();
                assertThat(asked.split(name, -1)).hasSize(2);
                boolean isAboutDresden = asked.contains("Semper");
                assertThat(asked.split("Dresden", -1).length == 2).isEqualTo(isAboutDresden);
            }
        }
    }
}
