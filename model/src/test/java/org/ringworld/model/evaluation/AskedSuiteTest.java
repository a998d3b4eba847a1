package org.ringworld.model.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Load;
import org.ringworld.model.decode.Made;
import org.ringworld.model.evaluation.AskedSuite.Answered;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;
import org.ringworld.tokenizer.suites.Haystack;
import org.ringworld.tokenizer.suites.Suite;

/** A reader who looks needles up has all points, one who guesses numbers none. */
class AskedSuiteTest {
    private static final ByteTokenizer BYTES = new ByteTokenizer();
    private static final int DOCUMENTS = 3;
    private static final List<Integer> LENGTHS = List.of(1500, 2500);

    /** Answers a text by a function of it. */
    private record Reader(UnaryOperator<String> answer) implements Engine {
        @Override
        public Answer ask(Ask ask) {
            Answer told = new Answer(ask, () -> {});
            if (ask.prompt().length + ask.most() > Collections.max(LENGTHS)) {
                told.ended("too long");
                return told;
            }
            int[] ids = BYTES.encode(answer.apply(BYTES.decode(ask.prompt())));
            for (int i = 0; i < Math.min(ids.length, ask.most()); i++) {
                told.token(new Made.Token(0, i, ids[i], 0, List.of(), false));
            }
            told.ended(null);
            return told;
        }

        @Override
        public Load load() {
            return Load.UNKNOWN;
        }

        @Override
        public void close() {}
    }

    private static String lookUp(String text) {
        String asked = text.substring(text.lastIndexOf(" for ") + " for ".length());
        List<String> found = new ArrayList<>();
        Pattern needle = Pattern.compile("One of the special magic \\w+ for (\\S+) is: (\\S+)\\.");
        for (MatchResult hidden : needle.matcher(text).results().toList()) {
            if (asked.contains(hidden.group(1))) {
                found.add(hidden.group(2));
            }
        }
        return " " + String.join(", ", found);
    }

    private static AskedSuite needles(ChatTemplate template) {
        List<String> names =
                Suite.RULER.tasks().stream()
                        .map(task -> task.name())
                        .filter(name -> name.startsWith("niah"))
                        .toList();
        return new AskedSuite(
                Suite.RULER.tasks(names), LENGTHS, DOCUMENTS, 5, Haystack.prose(), BYTES, template);
    }

    private static List<Answered> ask(AskedSuite suite, int from, UnaryOperator<String> reader)
            throws Exception {
        List<Answered> answered = new ArrayList<>();
        try (Engine engine = new Reader(reader)) {
            suite.ask(engine, from, answered::add);
        }
        return answered;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whoLooksUpHasAllPointsAndWhoGuessesNone(boolean chat) throws Exception {
        AskedSuite suite = needles(chat ? ChatTemplate.lwm() : null);
        List<Answered> looked = ask(suite, 0, AskedSuiteTest::lookUp);
        assertThat(looked).hasSize(suite.size()).hasSize(8 * DOCUMENTS * LENGTHS.size());
        assertThat(looked).allMatch(answer -> answer.score() == 1);
        SuiteScores scores = SuiteScores.of(suite, looked);
        assertThat(scores.effectiveLength(1)).hasValue(2500);
        assertThat(ask(suite, 0, _ -> " 1234567")).allMatch(answer -> answer.score() == 0);
    }

    @Test
    void answersComeInOrderFromWhereverTheyBegin() throws Exception {
        AskedSuite suite = needles(null);
        List<Answered> all = ask(suite, 0, AskedSuiteTest::lookUp);
        for (int i = 0; i < all.size(); i++) {
            assertThat(all.get(i).length()).isEqualTo(LENGTHS.get(i / (8 * DOCUMENTS)));
            assertThat(all.get(i).number()).isEqualTo(i % DOCUMENTS);
        }
        assertThat(ask(suite, 17, AskedSuiteTest::lookUp)).isEqualTo(all.subList(17, all.size()));
    }

    @Test
    void whatCannotBeAnsweredIsSaid() {
        AskedSuite long4000 =
                new AskedSuite(
                        Suite.NOLIMA.tasks(), List.of(4000), 1, 5, Haystack.prose(), BYTES, null);
        assertThatThrownBy(() -> ask(long4000, 0, AskedSuiteTest::lookUp))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("too long");
    }
}
