package org.ringworld.tokenizer.suites;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.RowRandom;
import org.ringworld.tokenizer.TestData;
import org.ringworld.tokenizer.Tokenizer;

/** What holds for every task of every suite. */
class SuitesTest {
    private static final Tokenizer BYTES = new ByteTokenizer();

    /** What is asked at a length that RULER has, and some that divide by nothing. */
    private static final int LENGTH = 4099;

    @TempDir private static Path directory;
    private static Haystack book;

    @BeforeAll
    static void writeABook() throws Exception {
        RowRandom random = RowRandom.of(7);
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 900; i++) {
            text.append(
                    "Dr. %s said: “the %s is — of course — no %s!”"
                            .formatted(
                                    Words.name(random), Words.pair(random), Words.madeUp(random)));
            text.append(i % 5 == 0 ? "\n\n" : i % 5 == 1 ? "  " : "\n");
        }
        book = Haystack.of(Files.writeString(directory.resolve("book.txt"), text));
    }

    static Stream<Task> tasks() {
        return Arrays.stream(Suite.values()).flatMap(suite -> suite.tasks().stream());
    }

    private static Function<Question, int[]> asText(Tokenizer tokenizer) {
        return q ->
                IntStream.concat(
                                IntStream.of(tokenizer.bos()),
                                IntStream.of(tokenizer.encode(q.text())))
                        .toArray();
    }

    private static Prompt prompt(
            Task task, Haystack haystack, Tokenizer tokenizer, long seed, int length, int number) {
        Prompt.Source source = new Prompt.Source(haystack, tokenizer, asText(tokenizer), seed);
        return Prompt.fill(task, source, length, number);
    }

    private static Question question(Task task, long seed, int number) {
        return prompt(task, book, BYTES, seed, LENGTH, number).question();
    }

    @Test
    void suitesHaveTheTasksOfTheirPapers() {
        assertThat(Suite.RULER.tasks()).hasSize(13);
        assertThat(Suite.of("mrcr").tasks(List.of("mrcr_8_needles"))).hasSize(1);
        assertThat(tasks().map(Task::name)).doesNotHaveDuplicates().hasSize(20);
        assertThatThrownBy(() -> Suite.of("rule")).hasMessageContaining("ruler, mrcr, babilong");
        assertThatThrownBy(() -> Suite.RULER.tasks(List.of("qa1"))).hasMessageContaining("qa_1");
    }

    @ParameterizedTest
    @MethodSource("tasks")
    void questionsFillTheirLengthInAnyTokensAndNeverMore(Task task) throws Exception {
        Tokenizer bpe = Tokenizer.load(TestData.resource("reports/tokenizer/tiny"));
        for (Tokenizer tokenizer : List.of(BYTES, bpe)) {
            for (Haystack haystack : List.of(Haystack.prose(), book)) {
                Prompt prompt = prompt(task, haystack, tokenizer, 3, LENGTH, 1);
                int room = LENGTH - prompt.most();
                assertThat(prompt.ids().length).isBetween((int) (0.97 * room), room);
                assertThat(prompt.ids()).isEqualTo(asText(tokenizer).apply(prompt.question()));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("tasks")
    void aQuestionIsAFunctionOfSeedLengthAndNumber(Task task) {
        Question question = question(task, 3, 2);
        assertThat(question(task, 3, 2)).isEqualTo(question);
        assertThat(question(task, 3, 3)).isNotEqualTo(question);
        assertThat(question(task, 4, 2)).isNotEqualTo(question);
    }

    @ParameterizedTest
    @MethodSource("tasks")
    void theAnswersScoreOneAndThoseOfOtherQuestionsLittle(Task task) {
        double others = 0;
        int count = 40;
        for (int i = 0; i < count; i++) {
            Question question = task.maker().make(book, RowRandom.of(i), LENGTH, 900);
            Question other = task.maker().make(book, RowRandom.of(count + i), LENGTH, 900);
            String right = String.join(" ", question.answers());
            assertThat(task.score(question, " " + right + "\n")).isEqualTo(1);
            assertThat(task.score(question, "")).isZero();
            others += task.score(question, String.join(" ", other.answers())) / count;
        }
        // Of bAbI's six places, some are the same.
        assertThat(others).isLessThan(Suite.BABILONG.tasks().contains(task) ? 0.4 : 0.25);
    }

    @Test
    void whatIsTooShortIsSaid() {
        Task task = Suite.RULER.tasks(List.of("cwe")).getFirst();
        assertThatThrownBy(() -> prompt(task, book, BYTES, 1, 512, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("cwe takes at least")
                .hasMessageContaining("more than a length of 512");
    }
}
