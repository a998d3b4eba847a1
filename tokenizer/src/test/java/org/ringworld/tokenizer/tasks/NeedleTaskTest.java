package org.ringworld.tokenizer.tasks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.TestData;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowStreamTest;

class NeedleTaskTest {
    private static final Tokenizer BYTES = new ByteTokenizer();

    @ParameterizedTest
    @CsvSource({"copy,64", "separators,200", "needles,300", "needles,1000", "questions,600"})
    void rowsAreInTheModelsOwnTokens(String task, int seqLen) throws Exception {
        Tokenizer tokenizer = Tokenizer.load(TestData.resource("reports/tokenizer/tiny"));
        for (Row row : RowStreamTest.stream(task, 3, 1, tokenizer).rows(0, seqLen, 20)) {
            int padded = 0;
            for (int i = 0; i < seqLen; i++) {
                padded += row.segments()[i] < 0 ? 1 : 0;
            }
            assertThat(padded).isLessThan(seqLen / 8);
            assertThat(row.ids()[0]).isEqualTo(tokenizer.bos());
            if (task.equals("needles")) {
                assertThat(tokenizer.decode(row.ids())).contains("special magic", "number? ");
            }
        }
    }

    @Test
    void theAnswerAloneIsAskedForInTheModelsOwnTokens() throws Exception {
        Tokenizer tokenizer = Tokenizer.load(TestData.resource("reports/tokenizer/tiny"));
        for (Row row : NeedleTask.test(NeedleTask.Form.PLAIN, tokenizer, 1, 700, 4, 1, 0.5, 20)) {
            List<Integer> asked = new ArrayList<>();
            for (int i = 0; i < 700; i++) {
                if (row.weights()[i] == 1) {
                    asked.add(row.targets()[i]);
                }
            }
            String answer = tokenizer.decode(asked.stream().mapToInt(id -> id).toArray()).strip();
            assertThat(answer).matches("[0-9]{7}");
            String text = tokenizer.decode(row.ids());
            assertThat(text.indexOf(" number is: " + answer)).isPositive();
        }
    }

    private static final Pattern HIDDEN =
            Pattern.compile("The special magic ([A-Za-z ]+) number is: (\\d{7})\n");
    private static final Pattern ASKED =
            Pattern.compile("What is the special magic ([A-Za-z ]+) number\\? (\\d{7})");

    @ParameterizedTest
    @CsvSource({"256,3,3,3", "512,2,6,4", "1024,2,8,6", "2048,2,8,6"})
    void everyAnswerIsHiddenAndCountsAreThoseOfTheRecipe(
            int seqLen, int fewest, int most, int mostAsked) {
        for (Row row : new NeedleTask(NeedleTask.Form.PLAIN, 3, 1, BYTES).rows(9, seqLen, 300)) {
            String text = text(row);
            List<String> hidden = needles(HIDDEN, text);
            List<String> asked = needles(ASKED, text);
            assertThat(hidden).hasSizeBetween(fewest, most).containsAll(asked);
            assertThat(asked).hasSizeBetween(1, mostAsked).doesNotHaveDuplicates();
            assertThat(ones(row)).isEqualTo(7 * asked.size());
        }
    }

    @ParameterizedTest
    @CsvSource({"PLAIN,1", "PLAIN,4", "CHAT,1", "CHAT,4"})
    void theShortestTestHoldsItsNeedles(NeedleTask.Form form, int needles) {
        int seqLen = form.shortestTest(needles);
        for (Row row : NeedleTask.test(form, BYTES, 5, seqLen, needles, 1, Double.NaN, 200)) {
            assertThat(needles(HIDDEN, text(row))).hasSize(needles);
        }
    }

    /** As scripts/eval_needle.py of LWM's repository asks; more than it asks, in turns. */
    @ParameterizedTest
    @ValueSource(ints = {384, 512, 1024, 2048})
    void aChatIsAskedInLwmsTemplate(int seqLen) {
        String turn =
                " What is the special magic ([A-Za-z ]+) number\\? Don't give information outside the"
                        + " document or repeat your findings. Keep your response short and direct."
                        + " ASSISTANT: The special magic \\1 number is: (\\d{7})";
        NeedleTask.Form chat = NeedleTask.Form.CHAT;
        List<Row> rows = new ArrayList<>(new NeedleTask(chat, 3, 1, BYTES).rows(9, seqLen, 100));
        rows.addAll(NeedleTask.test(chat, BYTES, 5, seqLen, 1, 1, Double.NaN, 100));
        for (Row row : rows) {
            String text = text(row);
            List<MatchResult> turns = Pattern.compile(turn).matcher(text).results().toList();
            assertThat(text).startsWith("You are a helpful assistant. USER: ");
            assertThat(text.substring(turns.getLast().end())).isEmpty();
            int answers = 0;
            int end = turns.getFirst().start();
            for (MatchResult m : turns) {
                boolean isNext = m == turns.getFirst() || text.startsWith(" USER:", end);
                assertThat(isNext).as(text).isTrue();
                assertThat(text.substring(0, turns.getFirst().start()))
                        .contains(m.group(1) + " number is: " + m.group(2) + "\n");
                answers += m.group(1).length() + m.group(2).length();
                end = m.end();
            }
            assertThat(ones(row)).isEqualTo(answers);
        }
    }

    @ParameterizedTest
    @CsvSource({"128,1,1", "256,1,1", "512,4,1", "1024,4,2", "2048,20,20"})
    void testRowsWeighTheDigitsOfTheAnswersAlone(int seqLen, int needles, int asked) {
        for (Row row :
                NeedleTask.test(
                        NeedleTask.Form.PLAIN, BYTES, 5, seqLen, needles, asked, Double.NaN, 50)) {
            String text = text(row);
            assertThat(needles(HIDDEN, text)).hasSize(needles).containsAll(needles(ASKED, text));
            StringBuilder weighted = new StringBuilder();
            for (int i = 0; i < seqLen; i++) {
                assertThat(row.weights()[i]).isIn(0f, 1f);
                weighted.append(row.weights()[i] == 1 ? (char) row.targets()[i] + "" : "");
            }
            String answers =
                    String.join(
                            "", needles(ASKED, text).stream().map(n -> n.split("=")[1]).toList());
            assertThat(weighted.toString()).isEqualTo(answers);
        }
    }

    @Test
    void testsShareNoCityNumberOrSentenceWithTraining() {
        Set<String> cities = new HashSet<>();
        Set<String> numbers = new HashSet<>();
        Set<String> words = new HashSet<>();
        for (Row row : new NeedleTask(NeedleTask.Form.PLAIN, 1, 0, BYTES).rows(0, 1024, 500)) {
            needles(HIDDEN, text(row)).forEach(n -> cities.add(n.split("=")[0]));
            needles(HIDDEN, text(row)).forEach(n -> numbers.add(n.split("=")[1]));
            words.addAll(words(row));
        }
        assertThat(cities).containsAll(Needle.TRAINING_CITIES);
        assertThat(cities).doesNotContainAnyElementsOf(NeedleTask.HELD_OUT_CITIES);
        assertThat(NeedleTask.HELD_OUT_CITIES).hasSize(20);
        assertThat(Needle.TRAINING_CITIES).hasSize(80).doesNotHaveDuplicates();
        for (Row row : NeedleTask.test(NeedleTask.Form.PLAIN, BYTES, 1, 1024, 4, 1, 0.5, 200)) {
            for (String needle : needles(HIDDEN, text(row))) {
                assertThat(NeedleTask.HELD_OUT_CITIES).contains(needle.split("=")[0]);
                assertThat(numbers).doesNotContain(needle.split("=")[1]);
            }
            Set<String> shared = new HashSet<>(words(row));
            shared.retainAll(words);
            assertThat(shared)
                    .isSubsetOf("The", "the", "in", "by", "on", "at", "a", "without", "before");
        }
    }

    @ParameterizedTest
    @CsvSource({"0,0,0.05", "0.5,0.4,0.6", "1,0.93,1"})
    void theAskedNeedleLiesAtItsDepth(double depth, double from, double to) {
        for (Row row : NeedleTask.test(NeedleTask.Form.PLAIN, BYTES, 2, 2048, 4, 1, depth, 100)) {
            String text = text(row);
            String answer = needles(ASKED, text).getFirst().split("=")[1];
            int context = text.indexOf("\nWhat is");
            assertThat(text.indexOf(answer) / (double) context).isBetween(from, to);
        }
    }

    @Test
    void whatDoesNotFitIsAnError() {
        assertThatThrownBy(() -> NeedleTask.test(NeedleTask.Form.PLAIN, BYTES, 1, 128, 4, 1, 0, 1))
                .hasMessageContaining("more than a row of 128 holds");
        assertThatThrownBy(() -> new NeedleTask(NeedleTask.Form.PLAIN, 1, 0, BYTES).rows(0, 64, 1))
                .hasMessageContaining("seqLen ≥ 128");
    }

    private static String text(Row row) {
        int[] ids = Arrays.copyOf(row.ids(), row.length() + 1);
        ids[row.length()] = row.targets()[row.length() - 1];
        return new ByteTokenizer().decode(ids);
    }

    private static List<String> needles(Pattern pattern, String text) {
        return pattern.matcher(text).results().map(NeedleTaskTest::needle).toList();
    }

    private static String needle(MatchResult m) {
        return m.group(1) + "=" + m.group(2);
    }

    private static Set<String> words(Row row) {
        String prose = HIDDEN.matcher(text(row).split("\nWhat is")[0]).replaceAll("");
        String whole = prose.substring(prose.indexOf('.') + 1);
        return new HashSet<>(List.of(whole.replace(".", "").trim().split("\\s+")));
    }

    private static int ones(Row row) {
        int ones = 0;
        for (float w : row.weights()) {
            ones += w == 1 ? 1 : 0;
        }
        return ones;
    }
}
