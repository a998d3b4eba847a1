package org.ringworld.tokenizer.documents;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.GgufVocabulary;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowStream;
import org.ringworld.tokenizer.packing.RowStreamTest;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class TextDocumentsTest {
    private static final Tokenizer BYTES = new ByteTokenizer();

    @TempDir Path tmp;

    @Test
    void reportedLinesAreReadOrToldByNumber() throws Exception {
        List<String> expected = new ArrayList<>();
        List<Integer> bad = new ArrayList<>();
        for (JsonNode line : expected().path("tricky.jsonl")) {
            String expect = line.path("expect").asString();
            if (expect.contains("record")) {
                expected.add(line.path("text").asString());
            } else if (expect.startsWith("bad")) {
                bad.add(line.path("line").asInt());
            }
        }
        TextDocuments files = TextDocuments.open(data("tricky.jsonl"), BYTES, 0);
        assertThat(files.documents().stream().map(BYTES::decode).toList()).isEqualTo(expected);
        assertThat(files.badLines()).isEqualTo(bad.size());
        for (int i = 0; i < bad.size(); i++) {
            assertThat(files.faults().get(i)).contains("tricky.jsonl: line " + bad.get(i) + " ");
        }
        assertThat(files.faults().get(0)).contains("not valid JSON");
        assertThat(files.faults().get(5)).contains("has no field text");
        assertThat(files.faults().get(6)).contains("is not UTF-8 at byte 10");
    }

    @Test
    void aByteOrderMarkIsNoPartOfTheText() throws Exception {
        TextDocuments documents = TextDocuments.open(data("bom.jsonl"), BYTES, 0);
        assertThat(documents.documents().stream().map(BYTES::decode))
                .containsExactly("after bom", "second");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void documentsOfARowsLengthFillItAndNoneIsLost(int count) throws Exception {
        TextDocuments documents =
                TextDocuments.open(data("exact_lengths.jsonl"), new OneTokenAWord(), 0);
        assertThat(documents.trainingTargets()).isEqualTo(80);
        int rows = documents.rowsPerPass(16);
        assertThat(rows).isEqualTo(5);
        RowStream stream = documents.training(1, 0);
        int targets = 0;
        for (int step = 0; step < rows; step++) {
            for (Row row : stream.rows(step, 16, count)) {
                assertThat(row.targets()).doesNotContain(Row.NO_TARGET);
                targets += 16;
            }
        }
        assertThat(targets).isEqualTo(80 * count);
    }

    @Test
    void whatHoldsNoDocumentIsAnErrorAtOnce() throws Exception {
        assertThatThrownBy(() -> TextDocuments.open(data("empty.jsonl"), BYTES, 0))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("holds no document");
        assertThatThrownBy(() -> TextDocuments.open(tmp, BYTES, 0))
                .hasMessageContaining("there is no file of documents (.txt, .jsonl");
        assertThatThrownBy(() -> TextDocuments.open(tmp.resolve("no"), BYTES, 0))
                .hasMessageContaining("there is no such file");
        Path bad = Files.write(tmp.resolve("bad.txt"), new byte[] {'a', (byte) 0xff});
        assertThatThrownBy(() -> TextDocuments.open(bad, BYTES, 0))
                .hasMessageContaining("is not UTF-8 at byte 1");
        Path other = Files.writeString(tmp.resolve("data.csv"), "a");
        assertThatThrownBy(() -> TextDocuments.open(other, BYTES, 0))
                .hasMessageContaining("neither a directory nor");
    }

    @ParameterizedTest
    @CsvSource({"0,13", "0.1,64", "0.5,100"})
    void aPassIsEveryTargetOfTheTrainingDocumentsOnce(double heldOut, int seqLen) throws Exception {
        Random random = new Random(1);
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 40; i++) {
            String text = ("" + (char) ('a' + i % 26)).repeat(random.nextInt(200)) + i;
            lines.append("{\"text\": \"").append(text).append("\"}\n");
        }
        Path file = Files.writeString(tmp.resolve("d.jsonl"), lines);
        TextDocuments documents = TextDocuments.open(file, BYTES, heldOut);
        int rows = documents.rowsPerPass(seqLen);
        RowStream stream = documents.training(3, 1);
        List<Row> first = stream.rows(0, seqLen, rows);
        List<Row> second = stream.rows(1, seqLen, rows);
        assertThat(sorted(first)).isEqualTo(sorted(second));
        assertThat(first.getFirst().ids()).isNotEqualTo(second.getFirst().ids());
        assertThat(targets(first)).isEqualTo(documents.trainingTargets());
        assertThat(targets(documents.heldOut(seqLen, Integer.MAX_VALUE)))
                .isEqualTo(documents.heldOutTargets());
        assertThat(documents.heldOutTargets() > 0).isEqualTo(heldOut > 0);
        RowStreamTest.assertSame(
                second,
                TextDocuments.open(file, BYTES, heldOut).training(3, 1).rows(1, seqLen, rows));
        assertThat(documents.training(4, 1).rows(0, seqLen, rows).getFirst().ids())
                .isNotEqualTo(first.getFirst().ids());
    }

    @Test
    void ofASingleTextItsEndIsHeldOut() throws Exception {
        Path file = Files.writeString(tmp.resolve("t.txt"), "0123456789\n".repeat(100));
        TextDocuments documents = TextDocuments.open(file, BYTES, 0.1);
        assertThat(documents.trainingTargets() + documents.heldOutTargets()).isEqualTo(1102);
        assertThat(documents.heldOutTargets()).isBetween(90L, 120L);
        Row last = documents.heldOut(2000, Integer.MAX_VALUE).getFirst();
        assertThat(BYTES.decode(last.ids())).startsWith("0123456789\n");
    }

    @Test
    void damagedLinesAreToldAndNeverStopTheRest() throws Exception {
        byte[] whole =
                "{\"text\": \"aé🌷\\u0000\"}\n{\"text\": \"b\", \"x\": [1, {\"y\": 2.5e3}]}\n"
                        .repeat(5)
                        .getBytes(StandardCharsets.UTF_8);
        Random random = new Random(4);
        Path file = tmp.resolve("f.jsonl");
        for (int i = 0; i < 400; i++) {
            byte[] damaged = whole.clone();
            damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
            if (i % 4 == 0) {
                damaged = Arrays.copyOf(damaged, random.nextInt(damaged.length));
            }
            Files.write(file, damaged);
            Throwable fault = catchThrowable(() -> TextDocuments.open(file, BYTES, 0.2));
            assertThat(fault == null || fault instanceof DataException).isTrue();
        }
    }

    @Test
    void damagedTokenizersGiveASentence() throws Exception {
        BYTES.save(tmp);
        Path file = tmp.resolve("tokenizer.json");
        byte[] whole = Files.readAllBytes(file);
        Random random = new Random(6);
        for (int i = 0; i < 60; i++) {
            byte[] damaged = whole.clone();
            damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
            if (i % 2 == 0) {
                damaged = Arrays.copyOf(damaged, random.nextInt(damaged.length));
            }
            Files.write(file, damaged);
            Throwable fault = catchThrowable(() -> Tokenizer.load(tmp));
            assertThat(fault == null || fault instanceof DataException).isTrue();
        }
    }

    @Test
    void wholeBooksAreReadAndFillTheirRows() throws Exception {
        Path books = Path.of("../../shared/data/books");
        assumeTrue(Files.isDirectory(books), "shared test data is not here: data/books");
        TextDocuments documents = TextDocuments.open(books, BYTES, 0.02);
        assertThat(documents.badLines()).isZero();
        assertThat(documents.heldOutTargets()).isPositive();
        long rows = documents.rowsPerPass(4096);
        assertThat(rows)
                .isBetween(
                        documents.trainingTargets() / 4096,
                        documents.trainingTargets() / 4096 + 22);
        assertThat(documents.training(1, 0).rows(rows - 1, 4096, 2)).hasSize(2);
    }

    /** As the reports count them: a word is a token. */
    private static final class OneTokenAWord implements Tokenizer {
        @Override
        public int vocabSize() {
            return 4;
        }

        @Override
        public int bos() {
            return 1;
        }

        @Override
        public int eos() {
            return 2;
        }

        @Override
        public int pad() {
            return 0;
        }

        @Override
        public long checksum() {
            return 4;
        }

        @Override
        public int[] encode(String text) {
            int[] ids = new int[text.isEmpty() ? 0 : text.split(" ").length];
            Arrays.fill(ids, 3);
            return ids;
        }

        @Override
        public byte[] bytes(int id) {
            return new byte[0];
        }

        @Override
        public void save(Path directory) {}

        @Override
        public GgufVocabulary gguf() {
            throw new UnsupportedOperationException();
        }
    }

    private static List<String> sorted(List<Row> rows) {
        return rows.stream().map(r -> Arrays.toString(r.targets())).sorted().toList();
    }

    private static long targets(List<Row> rows) {
        return rows.stream()
                .mapToLong(r -> Arrays.stream(r.targets()).filter(t -> t >= 0).count())
                .sum();
    }

    private static JsonNode expected() throws Exception {
        return JsonMapper.shared().readTree(data("expected.json").toFile());
    }

    private static Path data(String name) throws Exception {
        return Path.of(TextDocumentsTest.class.getResource("/reports/data/" + name).toURI());
    }
}
