package org.ringworld.tokenizer.sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.tokenizer.DataException;

class TextFolderTest {
    @TempDir private Path directory;

    private Path write(String name) throws Exception {
        Path file = directory.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.writeString(file, "text of " + name);
    }

    private List<String> names() throws Exception {
        return TextFiles.list(directory.resolve("d")).stream()
                .map(file -> directory.resolve("d").relativize(file).toString())
                .toList();
    }

    @Test
    void hiddenFilesAreLeftOut() throws Exception {
        for (String name :
                List.of(
                        "b.txt",
                        "._b.txt",
                        ".DS_Store",
                        ".git/a.txt",
                        "m/._c.jsonl",
                        "a/.c/d.txt")) {
            write("d/" + name);
        }
        assertThat(names()).containsExactly("b.txt");
        assertThat(TextFiles.notRead(directory.resolve("d"))).isNull();
    }

    @Test
    void aHiddenDirectoryThatIsNamedItselfIsRead() throws Exception {
        write(".cache/a.txt");
        assertThat(TextFiles.list(directory.resolve(".cache"))).hasSize(1);
    }

    @Test
    void linkedDirectoriesAreFollowedOnceEach() throws Exception {
        write("d/b.txt");
        write("d/z/in.txt");
        write("far/far.txt");
        Files.createSymbolicLink(directory.resolve("d/books"), directory.resolve("far"));
        Files.createSymbolicLink(directory.resolve("d/more"), directory.resolve("far"));
        Files.createSymbolicLink(directory.resolve("d/again"), directory.resolve("d/z"));
        Files.createSymbolicLink(directory.resolve("d/z/up"), directory.resolve("d"));
        Files.createSymbolicLink(directory.resolve("far/back"), directory.resolve("far"));
        Files.createSymbolicLink(directory.resolve("d/file.txt"), directory.resolve("far/far.txt"));
        assertThat(names()).containsExactly("b.txt", "books/far.txt", "file.txt", "z/in.txt");
    }

    @Test
    void whatIsNotReadIsNamed() throws Exception {
        write("d/b.txt");
        write("d/more.csv.gz");
        write("d/s/c.json");
        Files.createSymbolicLink(directory.resolve("d/gone.txt"), directory.resolve("nowhere"));
        assertThat(TextFiles.notRead(directory.resolve("d")))
                .startsWith("3 files of ")
                .endsWith(
                        "that hold no documents: gone.txt (a link that leads nowhere), more.csv.gz, s/c.json");
        Files.delete(directory.resolve("d/b.txt"));
        assertThatThrownBy(this::names)
                .isInstanceOf(DataException.class)
                .hasMessageContaining(
                        "no file of documents (.txt, .jsonl or .json, ", "in it; 3 files");
        assertThat(TextFiles.notRead(directory.resolve("d/s/c.json"))).isNull();
    }

    @Test
    void aPatternIsTheFilesAndDirectoriesThatItMatches() throws Exception {
        for (String name :
                List.of("train-0.jsonl", "train-1.jsonl.gz", "test-0.jsonl", "t/a.txt")) {
            write("d/" + name);
        }
        Path d = directory.resolve("d");
        assertThat(TextFiles.list(d.resolve("train-*")))
                .containsExactly(d.resolve("train-0.jsonl"), d.resolve("train-1.jsonl.gz"));
        assertThat(TextFiles.list(d.resolve("[t]"))).containsExactly(d.resolve("t/a.txt"));
        assertThatThrownBy(() -> TextFiles.list(d.resolve("valid-*")))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("no file of documents");
        assertThatThrownBy(() -> TextFiles.list(d.resolve("no/x-*")))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("there is no directory");
        assertThatThrownBy(() -> TextFiles.list(d.resolve("train-[")))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("is no pattern");
    }

    @Test
    void ofADirectorysJsonOnlyListsAreRead() throws Exception {
        write("d/dataset_info.json");
        Files.writeString(directory.resolve("d/list.json"), " [{\"text\": \"a\"}]");
        assertThat(names()).containsExactly("list.json");
    }
}
