package org.ringworld.tokenizer.suites;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.tokenizer.RowRandom;

/** What each question asks for is in its text, as often as RULER says: a reader finds it there. */
class RulerTest {
    private static final int LENGTH = 6000;
    private static final Pattern NEEDLE =
            Pattern.compile("One of the special magic (\\w+) for (\\S+) is: (\\S+)\\.");

    private static Question ask(String task, int number) {
        return Suite.RULER
                .tasks(List.of(task))
                .getFirst()
                .maker()
                .make(Haystack.prose(), RowRandom.of(number), LENGTH, 5000);
    }

    private static String text(Question question) {
        return question.messages().getFirst().content();
    }

    @ParameterizedTest
    @CsvSource({
        "niah_single_1,numbers,1,1,1",
        "niah_single_2,numbers,1,1,1",
        "niah_single_3,uuids,1,1,1",
        "niah_multikey_1,numbers,4,1,1",
        "niah_multikey_2,numbers,0,1,1",
        "niah_multikey_3,uuids,0,1,1",
        "niah_multivalue,numbers,4,1,4",
        "niah_multiquery,numbers,4,4,4"
    })
    void needlesAreThereOnce(String task, String kind, int needles, int asked, int answers) {
        for (int i = 0; i < 20; i++) {
            Question question = ask(task, i);
            String query = text(question).split(" for ")[text(question).split(" for ").length - 1];
            List<String> keys =
                    Arrays.asList(
                            query.replace(" mentioned in the provided text?", "")
                                    .split(", and |, "));
            List<String> found = new ArrayList<>();
            List<MatchResult> all = NEEDLE.matcher(text(question)).results().toList();
            for (MatchResult needle : all) {
                assertThat(needle.group(1)).isEqualTo(kind);
                if (keys.contains(needle.group(2))) {
                    found.add(needle.group(3));
                }
            }
            assertThat(keys).hasSize(asked);
            assertThat(found)
                    .hasSize(answers)
                    .containsExactlyInAnyOrderElementsOf(question.answers());
            assertThat(all.stream().filter(n -> question.answers().contains(n.group(3))))
                    .hasSize(answers);
            if (needles > 0) {
                assertThat(all).hasSize(needles);
            } else {
                assertThat(all.size()).isGreaterThan(30);
            }
        }
    }

    @Test
    void oneChainOfVariablesHasTheValue() {
        Pattern line = Pattern.compile("VAR ([A-Z]{5}) = (?:VAR )?(\\w+)");
        for (int i = 0; i < 20; i++) {
            Question question = ask("vt", i);
            Map<String, String> values = new HashMap<>();
            line.matcher(text(question))
                    .results()
                    .forEach(
                            m ->
                                    values.put(
                                            m.group(1),
                                            values.getOrDefault(m.group(2), m.group(2))));
            String asked =
                    text(question).replaceFirst("(?s).*assigned the value (\\d+) in.*", "$1");
            assertThat(values).hasSize(5).containsOnlyKeys(question.answers());
            assertThat(values.values()).containsOnly(asked);
        }
    }

    @ParameterizedTest
    @CsvSource({"6000,30,3", "2000,6,1"})
    void tenWordsAreCommon(int length, int common, int other) {
        Task task = Suite.RULER.tasks(List.of("cwe")).getFirst();
        for (int i = 0; i < 10; i++) {
            Question question = task.maker().make(Haystack.prose(), RowRandom.of(i), length, 3000);
            String list = text(question).substring(text(question).lastIndexOf("most often.\n"));
            Map<String, Integer> counts = counts(list, Pattern.compile("\\d+\\. (\\w+)"));
            counts.forEach(
                    (word, count) ->
                            assertThat(count)
                                    .isEqualTo(question.answers().contains(word) ? common : other));
            assertThat(question.answers()).hasSize(10).doesNotHaveDuplicates();
            assertThat(counts).containsKeys(question.answers().toArray(String[]::new));
        }
    }

    @Test
    void threeWordsAreMoreFrequentThanAllOthers() {
        for (int chars : List.of(0, 300, 5000)) {
            Task task = Suite.RULER.tasks(List.of("fwe")).getFirst();
            Question question =
                    task.maker().make(Haystack.prose(), RowRandom.of(chars), LENGTH, chars);
            String words = text(question).replaceAll("(?s).*coded words\\. |\nQuestion.*", "");
            Map<String, Integer> counts = counts(words, Pattern.compile("([a-z]{6})"));
            List<String> ranked =
                    counts.keySet().stream()
                            .sorted((a, b) -> counts.get(b) - counts.get(a))
                            .toList();
            assertThat(ranked.subList(0, 3)).isEqualTo(question.answers());
            assertThat(counts.get(ranked.get(2))).isGreaterThan(counts.get(ranked.get(3)));
        }
    }

    private static Map<String, Integer> counts(String text, Pattern word) {
        Map<String, Integer> counts = new HashMap<>();
        word.matcher(text).results().forEach(m -> counts.merge(m.group(1), 1, Integer::sum));
        return counts;
    }

    @ParameterizedTest
    @CsvSource({"qa_1,1", "qa_2,2"})
    void documentsAnswerInSoManyHops(String task, int hops) {
        for (int i = 0; i < 20; i++) {
            Question question = ask(task, i);
            Map<String, String> born = pairs(question, "(\\w+) was born in (\\w+)\\.");
            Map<String, String> mayors = pairs(question, "The mayor of (\\w+) is (\\w+)\\.");
            assertThat(mayors.isEmpty()).isEqualTo(hops == 1);
            String asked =
                    text(question)
                            .replaceFirst("(?s).*Question: In which town was (.*) born\\?", "$1");
            String name = hops == 1 ? asked : mayors.get(asked.replace("the mayor of ", ""));
            assertThat(List.of(born.get(name))).isEqualTo(question.answers());
            assertThat(born.values()).doesNotHaveDuplicates().hasSizeGreaterThan(5);
        }
    }

    private static Map<String, String> pairs(Question question, String pattern) {
        Map<String, String> pairs = new HashMap<>();
        Pattern.compile(pattern)
                .matcher(text(question))
                .results()
                .forEach(m -> assertThat(pairs.put(m.group(1), m.group(2))).isNull());
        return pairs;
    }
}
