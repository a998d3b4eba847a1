package org.ringworld.tokenizer.packing;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.tasks.CopyTask;
import org.ringworld.tokenizer.tasks.NeedleTask;
import org.ringworld.tokenizer.tasks.SeparatorTask;

public class RowStreamTest {
    private static final Tokenizer BYTES = new ByteTokenizer();

    /** The rows of a task that makes its own data. */
    public static RowStream stream(String task, long seed, int stage, Tokenizer tokenizer) {
        return switch (task) {
            case "copy" -> new CopyTask(seed, stage, tokenizer);
            case "separators" -> new SeparatorTask(seed, stage, tokenizer);
            case "questions" -> new NeedleTask(NeedleTask.Form.CHAT, seed, stage, tokenizer);
            default -> new NeedleTask(NeedleTask.Form.PLAIN, seed, stage, tokenizer);
        };
    }

    @ParameterizedTest
    @CsvSource({
        "copy,16",
        "copy,64",
        "separators,128",
        "separators,257",
        "needles,256",
        "needles,513",
        "needles,2048",
        "questions,384",
        "questions,2048"
    })
    void rowsFollowFromSeedStageAndStepAlone(String task, int seqLen) {
        RowStream stream = stream(task, 7, 2, BYTES);
        List<Row> later = stream.rows(5, seqLen, 4);
        assertSame(later, stream(task, 7, 2, BYTES).rows(5, seqLen, 4));
        stream.rows(4, seqLen, 4);
        assertSame(later, stream.rows(5, seqLen, 4));
        assertThat(later.getFirst().ids())
                .isNotEqualTo(stream(task, 8, 2, BYTES).rows(5, seqLen, 4).getFirst().ids())
                .isNotEqualTo(stream(task, 7, 3, BYTES).rows(5, seqLen, 4).getFirst().ids())
                .isNotEqualTo(stream.rows(6, seqLen, 4).getFirst().ids())
                .isNotEqualTo(later.get(1).ids());
    }

    @ParameterizedTest
    @CsvSource({"copy,64", "separators,256", "needles,128", "needles,256", "needles,1024"})
    void aRowIsOneDocumentThatFillsIt(String task, int seqLen) {
        for (Row row : stream(task, 1, 0, BYTES).rows(0, seqLen, 200)) {
            assertThat(row.length()).isEqualTo(seqLen);
            assertThat(row.positions()).isEqualTo(IntStream.range(0, seqLen).toArray());
            assertThat(row.segments()).containsOnly(0);
            assertThat(row.targets()).doesNotContain(Row.NO_TARGET);
            assertThat(row.weights()).containsOnly(0.1f, 1f);
        }
    }

    public static void assertSame(List<Row> a, List<Row> b) {
        assertThat(a).usingRecursiveComparison().isEqualTo(b);
    }
}
