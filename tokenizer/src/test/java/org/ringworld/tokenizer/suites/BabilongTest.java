package org.ringworld.tokenizer.suites;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.tokenizer.RowRandom;

class BabilongTest {
    private static final Pattern FACT =
            Pattern.compile(
                    "\\b(Mary|John|Daniel|Sandra) ([a-z ]+?) the (bathroom|bedroom|garden|hallway|kitchen|office|apple|football|milk)\\.");

    /** Reads the facts of a text and answers by them alone. */
    private static String read(String text) {
        Map<String, String> people = new HashMap<>();
        Map<String, String> carriers = new HashMap<>();
        Map<String, List<String>> been = new HashMap<>();
        String context = text.substring(text.indexOf("<context>"), text.indexOf("</context>"));
        for (MatchResult fact : FACT.matcher(context).results().toList()) {
            String who = fact.group(1);
            String what = fact.group(3);
            switch (fact.group(2)) {
                case "grabbed", "picked up", "took", "got" -> {
                    carriers.put(what, who);
                    been.computeIfAbsent(what, _ -> new ArrayList<>()).add(people.get(who));
                }
                case "dropped", "put down", "left", "discarded" ->
                        assertThat(carriers.remove(what)).isEqualTo(who);
                default -> {
                    people.put(who, what);
                    carriers.forEach(
                            (thing, by) ->
                                    been.get(thing)
                                            .addAll(by.equals(who) ? List.of(what) : List.of()));
                }
            }
        }
        String[] words = text.substring(text.lastIndexOf("Question: ")).replace("?", "").split(" ");
        String last = words[words.length - 1];
        if (words.length > 6) {
            List<String> places = been.get(words[4]);
            return places.get(places.indexOf(last) - 1);
        }
        return people.containsKey(last) ? people.get(last) : been.get(last).getLast();
    }

    @ParameterizedTest
    @ValueSource(strings = {"qa1", "qa2", "qa3"})
    void whoReadsTheFactsKnowsTheAnswer(String name) {
        Task task = Suite.BABILONG.tasks(List.of(name)).getFirst();
        for (int i = 0; i < 100; i++) {
            Question question = task.maker().make(Haystack.prose(), RowRandom.of(i), 0, 3000);
            String answer = read(question.messages().getFirst().content());
            assertThat(question.answers()).containsExactly(answer);
            assertThat(task.score(question, " It is the " + answer + ".")).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "Before the kitchen the apple was in the garden. Not in the office. | 1",
                "GARDEN | 1",
                "garden Question: where is the office? | 1",
                "in the garden or the office | 0",
                "in the office. No, the garden. | 0",
                "kitchen | 0"
            })
    void onePlaceIsRightAndThatOfTheQuestionDoesNotCount(String written, double score) {
        Question question =
                Question.of(
                        "Question: Where was the apple before the kitchen?", "", List.of("garden"));
        assertThat(Suite.BABILONG.tasks().getLast().score(question, written)).isEqualTo(score);
    }
}
