package org.ringworld.tokenizer.sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.TestData;

/** What {@code datasets} 5.0 and pyarrow 25 wrote. */
class SavedDatasetTest {
    private static final String HERE = "org/ringworld/tokenizer/sources/";

    @TempDir private Path directory;
    private Path saved;

    @BeforeEach
    void copy() throws Exception {
        saved = directory.resolve("saved");
        Path source = TestData.resource(HERE + "saved");
        try (Stream<Path> all = Files.walk(source)) {
            all.forEach(path -> copy(path, saved.resolve(source.relativize(path).toString())));
        }
    }

    private static void copy(Path from, Path to) {
        try {
            Files.copy(from, to);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<String> examples(Path path) throws DataException {
        List<String> examples = new ArrayList<>();
        new TextFiles(example -> examples.add(example.canonical())).read(path);
        return examples;
    }

    private void assertRefused(String... sentence) {
        assertThatThrownBy(() -> examples(saved))
                .isInstanceOf(DataException.class)
                .hasMessageContainingAll(sentence);
    }

    /** As a stream and as a file, in batches of 2 and 3 rows. */
    @ParameterizedTest
    @ValueSource(strings = {"kinds.arrow", "file.arrow"})
    void valuesOfEveryTypeAreThoseOfTheLines(String file) throws Exception {
        List<String> lines = examples(TestData.resource(HERE + "kinds.jsonl"));
        assertThat(lines).hasSize(5);
        assertThat(examples(TestData.resource(HERE + file))).isEqualTo(lines);
    }

    @ParameterizedTest
    @CsvSource({
        "dictionary,has a column text of type Dictionary",
        "decimal,has a column price of type Decimal",
        "lz4,is compressed"
    })
    void whatIsNotReadIsRefusedByName(String kind, String sentence) throws Exception {
        Path file = TestData.resource(HERE + "refused-" + kind + ".arrow");
        assertThatThrownBy(() -> examples(file))
                .isInstanceOf(DataException.class)
                .hasMessageContainingAll(file.toString(), sentence);
    }

    @Test
    void aStreamThatIsCutOffAnywhereIsRefused() throws Exception {
        byte[] whole = Files.readAllBytes(TestData.resource(HERE + "kinds.arrow"));
        Path file = directory.resolve("cut.arrow");
        for (int cut = 0; cut < whole.length; cut += 31) {
            Files.write(file, Arrays.copyOf(whole, cut));
            assertThatThrownBy(() -> examples(file)).isInstanceOf(DataException.class);
        }
    }

    @Test
    void trainIsReadWhereNoSplitIsNamed() throws Exception {
        assertThat(examples(saved)).hasSize(40).isEqualTo(examples(saved.resolve("train")));
        assertThat(examples(saved.resolve("test"))).hasSize(3);
        assertThat(TextFiles.notRead(saved))
                .isEqualTo(
                        "all splits but train of %s: name %s/test to read another"
                                .formatted(saved, saved));
        assertThat(TextFiles.notRead(saved.resolve("train"))).isNull();
    }

    @Test
    void splitsWithoutTrainAreNamed() throws Exception {
        Files.writeString(saved.resolve("dataset_dict.json"), "{\"splits\": [\"a\", \"b\"]}");
        assertRefused("has no split train; it has a, b");
    }

    @Test
    void aShardThatIsMissingIsNamed() throws Exception {
        Files.delete(saved.resolve("train/data-00001-of-00003.arrow"));
        assertRefused("train: state.json names data-00001-of-00003.arrow, which is not there");
    }

    @ParameterizedTest
    @ValueSource(strings = {"../test/data-00000-of-00001.arrow", "/etc/passwd", "..", "", "test"})
    void namesThatLeadElsewhereAreRefused(String name) throws Exception {
        Files.writeString(
                saved.resolve("train/state.json"),
                "{\"_data_files\": [{\"filename\": \"%s\"}]}".formatted(name));
        assertRefused("state.json names " + name + ", which is not there");
    }

    @Test
    void rowsInAnotherOrderAreRefused() throws Exception {
        Files.writeString(
                saved.resolve("train/state.json"),
                "{\"_data_files\": [], \"_indices_data_files\": [{\"filename\": \"i.arrow\"}]}");
        assertRefused("flatten_indices()");
    }

    @Test
    void aDamagedStateIsRefused() throws Exception {
        Files.writeString(saved.resolve("train/state.json"), "{");
        assertRefused("state.json: is not valid JSON");
    }
}
