package org.ringworld.model.training.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.suites.Haystack;
import org.ringworld.tokenizer.suites.Prompt;
import org.ringworld.tokenizer.suites.Suite;
import org.ringworld.tokenizer.suites.Task;

class StageExamTest {
    private static final int SEQ_LEN = 8192;
    private static final long SEED = 11;

    private final Tokenizer tokenizer = new ByteTokenizer();

    private static StageExam exam(Suite suite, double advance) {
        return new StageExam(suite, suite.tasks(), 2, null, advance, 3);
    }

    /** What a row takes for the answer is one that the suite's own scorer takes for right. */
    @ParameterizedTest
    @EnumSource
    void theAnswerThatIsAskedForIsRight(Suite suite) throws Exception {
        List<Probe> probes = exam(suite, 0).probes(tokenizer, SEQ_LEN, SEED);
        assertThat(probes).hasSameSizeAs(suite.tasks());
        Prompt.Source source =
                new Prompt.Source(
                        Haystack.prose(), tokenizer, q -> tokenizer.prompt(q.text()), SEED);
        for (int t = 0; t < probes.size(); t++) {
            Task task = suite.tasks().get(t);
            Row row = probes.get(t).rows().get(1);
            Prompt prompt = Prompt.fill(task, source, SEQ_LEN, 1);
            int[] answer =
                    IntStream.range(0, SEQ_LEN)
                            .filter(i -> row.weights()[i] > 0)
                            .map(i -> row.targets()[i])
                            .toArray();
            assertThat(task.score(prompt.question(), tokenizer.decode(answer)))
                    .as(task.name())
                    .isEqualTo(1);
            assertThat(row.ids()).startsWith(prompt.ids());
            int used = prompt.ids().length + answer.length - 1;
            assertThat(row.segments()[used - 1]).isZero();
            assertThat(row.segments()[used]).isEqualTo(Row.PADDING);
        }
    }

    @ParameterizedTest
    @EnumSource
    void itsScoreIsTheMeanOfItsOwnTasksAtItsOwnLength(Suite suite) {
        StageExam exam = exam(suite, 0.5);
        List<Probe.Result> results = new ArrayList<>();
        for (int t = 0; t < suite.tasks().size(); t++) {
            Probe.Kind kind = new Probe.Answers(suite.title(), suite.tasks().get(t).name());
            assertThat(Probe.Kind.of(kind.name())).isEqualTo(kind);
            results.add(new Probe.Result(kind, SEQ_LEN, Double.NaN, 4, t == 0 ? 3 : 1, 0));
            results.add(new Probe.Result(kind, 2 * SEQ_LEN, Double.NaN, 4, 4, 0));
        }
        results.add(new Probe.Result(new Probe.Needles(1), SEQ_LEN, Double.NaN, 4, 4, 0));
        int tasks = suite.tasks().size();
        assertThat(exam.score(results, SEQ_LEN)).isEqualTo((0.75 + 0.25 * (tasks - 1)) / tasks);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "suite = rulers | stages.0.evaluate.suite = rulers is not one of needles, ruler",
                "suite = ruler, tasks = [x] | stages.0.evaluate.tasks: ruler has no task x, but niah_single_1",
                "suite = needles, tasks = [x] | stages.0.evaluate.tasks and texts are of suites",
                "suite = ruler, advance = 90 | stages.0.evaluate.advance = 90.0 is not in 0 to 1",
                "suite = ruler, times = 0 | stages.0.evaluate.times = 0 must be at least 1",
                "advance = 0.9 | stages.0.evaluate.suite is missing",
                "suit = ruler | unknown key stages.0.evaluate.suit; did you mean"
            })
    void whatIsNoExamIsASentence(String given, String sentence) {
        assertThatThrownBy(() -> job(given))
                .isInstanceOf(UsageException.class)
                .hasMessageContaining(sentence);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "suite = ruler | 64 | niah_single_1 takes at least",
                "suite = needles | 32 | 1 needles, 1 asked, need",
                "suite = ruler, texts = /nowhere | 4096 | nowhere"
            })
    void whatCannotBeAskedIsSaidBeforeTraining(String given, int seqLen, String sentence) {
        Job job = job(given, "stages.0.seqLen=" + seqLen);
        assertThatThrownBy(() -> JobData.open(job, tokenizer))
                .hasMessageContaining("stages.0.evaluate: ")
                .hasMessageContaining(sentence);
    }

    private static Job job(String exam, String... overrides) {
        String text =
                "output = %s%nstages = [{ task = copy, seqLen = 64, steps = 2, evaluate { %s } }]";
        return JobReader.read(text.formatted(Path.of("out"), exam), overrides);
    }
}
