package org.ringworld.tokenizer.packing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.documents.DocumentSet;
import org.ringworld.tokenizer.documents.FieldLanguage;
import org.ringworld.tokenizer.documents.PackedRows;
import org.ringworld.tokenizer.documents.TextDocuments;
import org.ringworld.tokenizer.documents.TokenCache;
import org.ringworld.tokenizer.documents.Tokenization;
import org.ringworld.tokenizer.packing.Packing.Mode;

class PackingTest {
    private static final Tokenizer BYTES = new ByteTokenizer();

    @TempDir Path tmp;
    private Path cache;

    /** 6000 documents, more than a window: questions without loss, answers, some frames. */
    @BeforeEach
    void writeCache() throws Exception {
        Random random = new Random(2);
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 6000; i++) {
            String fields = i % 3 == 0 ? "[q],[vision],a" : i % 3 == 1 ? "[q],a" : "a,vision";
            lines.append(
                    "{\"f\": \"%s\", \"q\": \"%d\", \"a\": \"%s\", \"vision\": [%d, 2, 3, 4]}\n"
                            .formatted(
                                    fields,
                                    i,
                                    "a".repeat(random.nextInt(60)),
                                    random.nextInt(8192)));
        }
        Path source = Files.writeString(tmp.resolve("s.jsonl"), lines);
        cache = tmp.resolve("s.tokens");
        FieldLanguage language =
                new FieldLanguage(List.of(), "f", " ", true, true, "", 2, 0, Map.of());
        Tokenization.run(source, language, BYTES, cache, (done, total, tokens) -> {});
    }

    @ParameterizedTest
    @CsvSource({"packed,64", "packed,37", "pad,64", "pad,500"})
    void aPassHasEveryTargetOnceInEveryMode(String mode, int seqLen) throws Exception {
        Packing packing = new Packing(Mode.of(mode), 0, Integer.MAX_VALUE, false);
        TextDocuments documents = TextDocuments.open(cache, BYTES, 0);
        int rows = documents.rowsPerPass(seqLen, packing);
        RowStream stream = documents.training(1, 0, packing);
        long targets = 0;
        List<String> firstPass = new ArrayList<>();
        for (int r = 0; r < rows; r++) {
            Row row = stream.rows(r, seqLen, 1).getFirst();
            targets += targets(row);
            firstPass.add(Arrays.toString(row.ids()) + Arrays.toString(row.weights()));
            if (mode.equals("pad")) {
                assertThat(Arrays.stream(row.segments()).max().getAsInt()).isZero();
            }
        }
        assertThat(targets).isEqualTo(documents.trainingTargets());
        assertThat(documents.paddingShare(seqLen, packing))
                .isCloseTo(1 - (double) targets / rows / seqLen, within(1e-9));
        List<String> second =
                stream.rows(1, seqLen, rows).stream()
                        .map(r -> Arrays.toString(r.ids()) + Arrays.toString(r.weights()))
                        .toList();
        assertThat(second).containsExactlyInAnyOrderElementsOf(firstPass);
    }

    @Test
    void withoutPaddingTheStreamIsCutAnywhere() throws Exception {
        Packing packing = new Packing(Mode.NO_PAD, 0, Integer.MAX_VALUE, false);
        TextDocuments documents = TextDocuments.open(cache, BYTES, 0);
        int[] stream = documents.documents().stream().flatMapToInt(Arrays::stream).toArray();
        int rows = documents.rowsPerPass(100, packing);
        assertThat(rows).isEqualTo((stream.length - 1 + 99) / 100);
        Map<Integer, Integer> seen = new HashMap<>();
        PackedRows all = rowsOf(packing, 100);
        for (int r = 0; r < rows; r++) {
            Row row = all.row(r);
            for (int i = 0; i < 100 && row.targets()[i] >= 0; i++) {
                assertThat(row.ids()[i]).isEqualTo(stream[100 * r + i]);
                assertThat(row.targets()[i]).isEqualTo(stream[100 * r + i + 1]);
                assertThat(row.positions()[i]).isEqualTo(i);
                if (row.targets()[i] == ByteTokenizer.BOS) {
                    assertThat(row.weights()[i]).isZero();
                }
                seen.merge(r, 1, Integer::sum);
            }
        }
        assertThat(seen.values().stream().mapToInt(n -> n).sum()).isEqualTo(stream.length - 1);
    }

    @Test
    void packingIsTightAndPaddingIsNot() throws Exception {
        TextDocuments documents = TextDocuments.open(cache, BYTES, 0);
        Packing pad = new Packing(Mode.PAD, 0, Integer.MAX_VALUE, false);
        assertThat(documents.paddingShare(256, Packing.DEFAULT)).isLessThan(0.02);
        assertThat(documents.paddingShare(256, pad)).isGreaterThan(0.7);
    }

    /** LWM, §4.1: the loss of packed rows is that of documents alone in their rows. */
    @ParameterizedTest
    @CsvSource({"64", "300"})
    void withDocumentWeightsPackingEqualsPadding(int seqLen) throws Exception {
        PackedRows packed = rowsOf(new Packing(Mode.PACKED, 0, Integer.MAX_VALUE, true), seqLen);
        // Documents alone in a row that holds each: the mean over them of their own means.
        PackedRows padded = rowsOf(new Packing(Mode.PAD, 0, Integer.MAX_VALUE, false), 1000);
        double means = 0;
        int counted = 0;
        for (int r = 0; r < padded.count(); r++) {
            double[] loss = loss(padded.row(r));
            means += loss[1] == 0 ? 0 : loss[0] / loss[1];
            counted += loss[1] == 0 ? 0 : 1;
        }
        double sum = 0;
        double weight = 0;
        for (int r = 0; r < packed.count(); r++) {
            double[] loss = loss(packed.row(r));
            sum += loss[0];
            weight += loss[1];
        }
        assertThat(weight).isCloseTo(counted, within(1e-2));
        assertThat(sum / weight).isCloseTo(means / counted, within(1e-5));
        PackedRows plain = rowsOf(Packing.DEFAULT, seqLen);
        double[] unweighted = new double[2];
        for (int r = 0; r < plain.count(); r++) {
            double[] loss = loss(plain.row(r));
            unweighted[0] += loss[0];
            unweighted[1] += loss[1];
        }
        assertThat(unweighted[0] / unweighted[1]).isNotCloseTo(sum / weight, within(1e-3));
    }

    /**
     * LWM's loss (lwm/train.py): the mean of each row's mean, of each modality by itself; in packed
     * rows as in padded ones. Told per modality that a row has, not per row.
     */
    @ParameterizedTest
    @CsvSource({"PACKED, 64, true", "PACKED, 300, true", "PAD, 1000, false", "PAD, 1000, true"})
    void modalitiesWeighAsInPaddedRows(Mode mode, int seqLen, boolean documentWeights)
            throws Exception {
        PackedRows padded = rowsOf(new Packing(Mode.PAD, 0, Integer.MAX_VALUE, false), 1000);
        double means = 0;
        int counted = 0;
        for (int r = 0; r < padded.count(); r++) {
            for (boolean vision : new boolean[] {false, true}) {
                double[] loss = loss(padded.row(r).only(vision));
                means += loss[1] == 0 ? 0 : loss[0] / loss[1];
                counted += loss[1] == 0 ? 0 : 1;
            }
        }
        PackedRows rows =
                rowsOf(
                        new Packing(
                                mode,
                                0,
                                Integer.MAX_VALUE,
                                documentWeights,
                                true,
                                Packing.Order.SEEDED,
                                0),
                        seqLen);
        double sum = 0;
        double weight = 0;
        for (int r = 0; r < rows.count(); r++) {
            double[] loss = loss(rows.row(r));
            sum += loss[0];
            weight += loss[1];
        }
        assertThat(weight).isCloseTo(counted, within(1e-2));
        assertThat(sum / weight).isCloseTo(means / counted, within(1e-5));
    }

    /** A stream's rows have no documents: text and vision of each weigh 1. */
    @Test
    void modalitiesOfAStreamsRowWeighTheSame() throws Exception {
        PackedRows rows =
                rowsOf(
                        new Packing(
                                Mode.NO_PAD,
                                0,
                                Integer.MAX_VALUE,
                                false,
                                true,
                                Packing.Order.SEEDED,
                                0),
                        300);
        boolean mixed = false;
        for (int r = 0; r < rows.count(); r++) {
            double text = loss(rows.row(r).only(false))[1];
            double vision = loss(rows.row(r).only(true))[1];
            assertThat(text).isCloseTo(1, within(1e-5));
            assertThat(vision == 0 || Math.abs(vision - 1) < 1e-5).isTrue();
            mixed |= vision > 0;
        }
        assertThat(mixed).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"packed", "pad", "noPad"})
    void documentsOfNoTokenAndOfOneAreNoTrouble(String mode) throws Exception {
        Path source =
                Files.writeString(
                        tmp.resolve("few.jsonl"),
                        "{\"text\": \"\"}\n{\"text\": \"a\"}\n".repeat(3));
        Path few = tmp.resolve("few.tokens");
        FieldLanguage bare =
                new FieldLanguage(List.of("text"), null, "", false, false, "", 1, 0, Map.of());
        Tokenization.run(source, bare, BYTES, few, (done, total, all) -> {});
        TextDocuments documents = TextDocuments.open(few, BYTES, 0);
        assertThat(documents.documents().stream().mapToInt(d -> d.length).sum()).isEqualTo(3);
        assertThat(documents.trainingTargets()).isZero();
        Packing packing = new Packing(Mode.of(mode), 0, Integer.MAX_VALUE, false);
        if (mode.equals("noPad")) {
            Row row = documents.training(1, 0, packing).rows(0, 8, 1).getFirst();
            assertThat(targets(row)).isEqualTo(2);
            assertThat(row.weights()).containsOnly(0);
        } else {
            assertThatThrownBy(() -> documents.training(1, 0, packing).rows(0, 8, 1))
                    .hasMessageContaining("has a target");
        }
        for (String one : List.of("", "a")) {
            Files.writeString(source, "{\"text\": \"" + one + "\"}");
            Tokenization.run(source, bare, BYTES, few, (done, total, all) -> {});
            assertThat(TextDocuments.open(few, BYTES, 0.5).heldOut(8, Integer.MAX_VALUE)).isEmpty();
        }
    }

    @Test
    void aStageTakesDocumentsOfItsLengths() throws Exception {
        TextDocuments documents = TextDocuments.open(cache, BYTES, 0);
        Packing packing = new Packing(Mode.PAD, 40, 45, false);
        long expected =
                documents.documents().stream().filter(d -> d.length >= 40 && d.length < 45).count();
        assertThat(documents.rowsPerPass(64, packing)).isEqualTo((int) expected).isPositive();
        Packing none = new Packing(Mode.PACKED, 5000, 9000, false);
        assertThatThrownBy(() -> documents.training(1, 0, none).rows(0, 64, 1))
                .hasMessageContaining("no document of at least 5000 and under 9000 tokens");
        assertThatThrownBy(() -> new Packing(Mode.PACKED, 7, 7, false))
                .hasMessageContaining("no document has");
        assertThatThrownBy(() -> Mode.of("tight")).hasMessageContaining("packed, pad, noPad");
        assertThat(Mode.of("no-pad")).isEqualTo(Mode.of("no_pad")).isEqualTo(Mode.NO_PAD);
    }

    @Test
    void aMixtureKeepsItsProportionsAndItsSourcesOrders() {
        List<RowStream> sources = IntStream.range(0, 3).mapToObj(PackingTest::numbered).toList();
        Mixture mixture = new Mixture(sources, List.of(0.7, 0.2, 0.1), 5, 1);
        // Steps of 13 rows, which 0.7 does not divide: a thousand rows are exact together.
        List<Row> all = new ArrayList<>();
        for (int step = 0; all.size() < 3000; step++) {
            all.addAll(mixture.rows(step, 4, 13));
        }
        all = all.subList(0, 3000);
        int[] next = new int[3];
        for (int i = 0; i < all.size(); i++) {
            int source = all.get(i).ids()[0];
            assertThat(all.get(i).ids()[1]).isEqualTo(next[source]++);
            if (i % 1000 == 999) {
                int windows = i / 1000 + 1;
                assertThat(next).containsExactly(700 * windows, 200 * windows, 100 * windows);
            }
        }
        assertThat(next).containsExactly(2100, 600, 300);
        RowStreamTest.assertSame(mixture.rows(13, 4, 77), all.subList(1001, 1078));
        RowStreamTest.assertSame(mixture.rows(6, 4, 303), all.subList(1818, 2121));
        assertThat(new Mixture(sources, List.of(0.7, 0.2, 0.1), 6, 1).rows(0, 4, 100))
                .usingRecursiveComparison()
                .isNotEqualTo(all.subList(0, 100));
        assertThatThrownBy(() -> new Mixture(sources, List.of(1.0, 1.0, 1e-9), 5, 1))
                .hasMessageContaining("gives it no row");
        assertThatThrownBy(() -> new Mixture(sources, List.of(1.0, 0.0, 1.0), 5, 1))
                .hasMessageContaining("not positive");
    }

    /** LWM's chat stage: a quarter of each batch a task. */
    @Test
    void everyStepOfAMixtureIsExactWhereItsRowsDivide() {
        List<RowStream> sources = IntStream.range(0, 3).mapToObj(PackingTest::numbered).toList();
        Mixture mixture = new Mixture(sources, List.of(2.0, 1.0, 1.0), 5, 1);
        int[] next = new int[3];
        for (int step = 0; step < 50; step++) {
            int[] before = next.clone();
            List<Row> rows = mixture.rows(step, 4, 8);
            for (Row row : rows) {
                assertThat(row.ids()[1]).isEqualTo(next[row.ids()[0]]++);
            }
            assertThat(next).containsExactly(before[0] + 4, before[1] + 2, before[2] + 2);
            RowStreamTest.assertSame(mixture.rows(step, 4, 8), rows);
        }
        assertThat(mixture.rows(1, 4, 8).stream().mapToInt(r -> r.ids()[0]).toArray())
                .isNotEqualTo(mixture.rows(2, 4, 8).stream().mapToInt(r -> r.ids()[0]).toArray());
    }

    @Test
    void rowsInTheOrderOfFilesBeginAfterWhatIsSkipped() throws Exception {
        Path lines = tmp.resolve("order.jsonl");
        StringBuilder text = new StringBuilder();
        for (char c = 'a'; c <= 'z'; c++) {
            text.append("{\"text\": \"%s\"}\n".formatted(c));
        }
        Files.writeString(lines, text);
        TextDocuments documents = TextDocuments.open(lines, BYTES, 0);
        Packing inOrder =
                new Packing(Mode.PAD, 0, Integer.MAX_VALUE, false, false, Packing.Order.FILE, 3);
        List<Row> rows = documents.training(1, 0, inOrder).rows(0, 2, 24);
        StringBuilder read = new StringBuilder();
        rows.forEach(row -> read.append(BYTES.decode(new int[] {row.targets()[0]})));
        assertThat(read.toString()).isEqualTo("defghijklmnopqrstuvwxyzd");
        Packing none =
                new Packing(Mode.PAD, 0, Integer.MAX_VALUE, false, false, Packing.Order.FILE, 26);
        assertThatThrownBy(() -> documents.training(1, 0, none).rows(0, 2, 1))
                .hasMessageContaining("after 26 skipped");
    }

    private static RowStream numbered(int source) {
        return (step, seqLen, count) ->
                IntStream.range(0, count)
                        .mapToObj(
                                i ->
                                        SequencePacking.pack(
                                                        List.of(
                                                                SequencePacking.Document.of(
                                                                        new int[] {
                                                                            source,
                                                                            (int) step * count + i,
                                                                            0,
                                                                            0,
                                                                            0
                                                                        })),
                                                        seqLen,
                                                        0)
                                                .getFirst())
                        .toList();
    }

    private PackedRows rowsOf(Packing packing, int seqLen) throws DataException {
        TokenCache tokens = TokenCache.open(cache, BYTES);
        List<DocumentSet.Part> parts =
                IntStream.range(0, tokens.documents())
                        .mapToObj(d -> new DocumentSet.Part(d, 0, tokens.tokens(d)))
                        .toList();
        return new PackedRows(new DocumentSet(tokens, BYTES, parts), packing, seqLen, 0);
    }

    /** Σ w·ce and Σ w of a row, with a made-up ce that depends on input and target. */
    private static double[] loss(Row row) {
        double[] sums = new double[2];
        for (int i = 0; i < row.length(); i++) {
            double ce = 1 + Math.sin(row.ids()[i] * 31 + row.targets()[i]);
            sums[0] += row.weights()[i] * ce;
            sums[1] += row.weights()[i];
        }
        return sums;
    }

    private static long targets(Row row) {
        return Arrays.stream(row.targets()).filter(t -> t >= 0).count();
    }
}
