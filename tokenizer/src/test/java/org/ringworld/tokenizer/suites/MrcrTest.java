package org.ringworld.tokenizer.suites;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.tokenizer.RowRandom;
import org.ringworld.tokenizer.chat.ChatTemplate.Message;

class MrcrTest {
    private static final Pattern ASKED =
            Pattern.compile("Prepend (\\w{10}) to the (\\w+) (\\w+ about \\w+), .*");
    private static final List<String> ORDINALS =
            List.of("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth");

    @ParameterizedTest
    @CsvSource({"mrcr_2_needles,2", "mrcr_8_needles,8"})
    void theAnswerIsOneOfSeveralRepliesToTheSameRequest(String name, int needles) {
        Task task = Suite.MRCR.tasks(List.of(name)).getFirst();
        for (int i = 0; i < 20; i++) {
            Question question = task.maker().make(Haystack.prose(), RowRandom.of(i), 0, 6000);
            List<Message> said = question.messages();
            Matcher asked = ASKED.matcher(said.getLast().content());
            assertThat(asked.matches()).isTrue();
            List<String> replies = new ArrayList<>();
            for (int m = 0; m + 1 < said.size(); m += 2) {
                assertThat(said.get(m).role()).isEqualTo("user");
                assertThat(said.get(m + 1).role()).isEqualTo("assistant");
                if (said.get(m).content().equals("Write a %s.".formatted(asked.group(3)))) {
                    replies.add(said.get(m + 1).content());
                }
            }
            assertThat(replies).hasSize(needles).doesNotHaveDuplicates();
            assertThat(said).hasSizeGreaterThan(2 * needles + 10);
            int which = ORDINALS.indexOf(asked.group(2));
            assertThat(question.answers()).containsExactly(asked.group(1) + replies.get(which));
            String another = replies.get((which + 1) % needles);
            assertThat(task.score(question, asked.group(1) + another)).isBetween(0.0, 0.9);
            assertThat(task.score(question, replies.get(which))).isZero();
            assertThat(task.score(question, "Sure! " + question.answers().getFirst())).isZero();
        }
    }

    /** Python 3's difflib says so. */
    @Test
    void likenessIsPythons() {
        String one = "The tapirs and the solemn engine repaired the mirror at dusk. ";
        String two = "The rocks and a curved statue chased the mirror, late at night. ";
        String x = "x".repeat(250);
        assertThat(SequenceMatcher.ratio("", "")).isEqualTo(1);
        assertThat(SequenceMatcher.ratio("a", "")).isZero();
        assertThat(SequenceMatcher.ratio("abcd", "bcde")).isEqualTo(0.75);
        assertThat(SequenceMatcher.ratio("tide", "diet")).isEqualTo(0.25);
        assertThat(SequenceMatcher.ratio("diet", "tide")).isEqualTo(0.5);
        assertThat(SequenceMatcher.ratio("héllo wörld 🌷🌷", "hello world 🌷x🌷"))
                .isEqualTo(0.8275862068965517);
        // Frequent characters of a long text begin no common part.
        assertThat(SequenceMatcher.ratio(x, x)).isEqualTo(1);
        assertThat(SequenceMatcher.ratio("qab" + x, x + "qab")).isEqualTo(0.011857707509881422);
        assertThat(SequenceMatcher.ratio(one.repeat(2), two.repeat(2)))
                .isEqualTo(0.5396825396825397);
        assertThat(SequenceMatcher.ratio(one.repeat(5), two.repeat(5)))
                .isEqualTo(0.012698412698412698);
        assertThat(
                        SequenceMatcher.ratio(
                                one.repeat(3) + two.repeat(2), two.repeat(2) + one.repeat(3)))
                .isEqualTo(0.40764331210191085);
        assertThat(SequenceMatcher.ratio(one + two, two + one)).isEqualTo(0.5079365079365079);
        assertThat(
                        SequenceMatcher.ratio(
                                two.repeat(4) + "zq", one.repeat(2) + "zq" + two.repeat(2)))
                .isEqualTo(0.03125);
    }
}
