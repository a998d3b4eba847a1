package org.ringworld.checkpoints.hf;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelCardTest {
    @TempDir private Path tmp;

    private static ModelCard card(LlamaConfig config, String text) {
        return new ModelCard("m", config, List.of(new ModelCard.Section("Scores", text)));
    }

    /** By its date, whoever serves a run tells a new model from one whose card has changed. */
    @Test
    void aNewCardLeavesNothingElseAndTheDirectorysDate() throws IOException {
        LlamaConfig debug = LlamaConfig.preset("debug");
        card(debug, "none\n").write(tmp);
        FileTime date = FileTime.fromMillis(1_700_000_000_000L);
        Files.setLastModifiedTime(tmp, date);
        card(debug, "all right\n").write(tmp);
        assertThat(Files.getLastModifiedTime(tmp)).isEqualTo(date);
        try (var inside = Files.list(tmp)) {
            assertThat(inside).containsExactly(tmp.resolve("README.md"));
        }
        assertThat(tmp.resolve("README.md"))
                .content()
                .contains("# m\n", "## Scores\n\nall right\n", "--to gguf")
                .doesNotContain("none");
    }

    @Test
    void aCardPromisesNoProgramThatCannotOpenTheModel() {
        String page = card(LlamaConfig.preset("debug").withVisionVocabSize(8448), "").markdown();
        assertThat(page).contains("8448 of pictures").doesNotContain("transformers", "gguf");
    }
}
