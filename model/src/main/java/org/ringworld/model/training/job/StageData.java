package org.ringworld.model.training.job;

import java.nio.file.Path;
import java.util.List;
import org.ringworld.tokenizer.documents.FieldLanguage;
import org.ringworld.tokenizer.packing.Packing;

/**
 * The documents of one stage.
 *
 * @param sources none where the stage's task makes its own
 */
public record StageData(List<Source> sources) {
    /**
     * Documents of one kind, packed by themselves.
     *
     * @param path documents in whatever form, or a {@code .tokens} file
     * @param weight its share of the stage's tokens, beside the other sources' weights
     */
    public record Source(Path path, double weight, FieldLanguage fields, Packing packing) {}

    public StageData {
        sources = List.copyOf(sources);
    }
}
