package org.ringworld.checkpoints.hf;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The files of a model directory that say how its text is written, for copies of the model. */
public final class TokenizerExtras {
    private static final List<String> NAMES =
            List.of(
                    "tokenizer.model",
                    "tokenizer.json",
                    "tokenizer_config.json",
                    "special_tokens_map.json",
                    "added_tokens.json",
                    "vocab.json",
                    "merges.txt",
                    "chat_template.jinja",
                    "chat_template.json",
                    "generation_config.json");

    private TokenizerExtras() {}

    /** Whether a file of a model directory is one of them. */
    public static boolean isOne(String name) {
        return NAMES.contains(name);
    }

    /**
     * Copies those that {@code directory} has, and the ids of tokens in its {@code config.json}.
     */
    public static HfDirectory.ExtraFiles of(Path directory) {
        return to -> {
            for (String name : NAMES) {
                if (Files.isRegularFile(directory.resolve(name))) {
                    Files.copy(directory.resolve(name), to.resolve(name));
                }
            }
            TokenIds.carry(directory, to);
        };
    }
}
